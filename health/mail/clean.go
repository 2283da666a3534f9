package mail

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what a notice may carry. A backend's log can hold anything, and mail
// servers commonly refuse a message above 10 to 50 MB.
const (
	maxSubject = 200       // runes; longer ones are cut off by mail programs anyway
	maxLine    = 2000      // bytes of one line of a body
	maxBody    = 256 << 10 // bytes of a body
)

// cleanSubject makes one line of plain text: no line break can start a header of
// its own, no direction mark can turn the text around.
func cleanSubject(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return cutRunes(strings.Join(strings.Fields(s), " "), maxSubject)
}

// cutRunes shortens s to at most n runes, the last of which then is an ellipsis.
func cutRunes(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// cutNote is more than the longest note of what was left out takes.
const cutNote = 64

// cleanBody makes readable text of what may be a program's output: valid UTF-8,
// "\n" line ends, control characters shown by their symbols, lines and the whole
// bounded with a note of what is missing. Cleaning twice changes nothing more.
func cleanBody(s string) string {
	var b strings.Builder
	for len(s) > 0 && b.Len() <= maxBody {
		line, rest, found := strings.Cut(s, "\n")
		b.WriteString(cleanLine(strings.TrimSuffix(line, "\r")))
		if found {
			b.WriteByte('\n')
		}
		s = rest
	}
	if b.Len() <= maxBody {
		return b.String()
	}
	kept := cutBytes(b.String(), maxBody-cutNote)
	return kept + fmt.Sprintf("\n[... %s more left out]\n", byteCount(len(s)+b.Len()-len(kept)))
}

func cleanLine(line string) string {
	head := cutBytes(line, maxLine)
	clean := strings.Map(visible, strings.ToValidUTF8(head, "\ufffd"))
	if len(head) == len(line) && len(clean) <= maxLine {
		return clean
	}
	clean = cutBytes(clean, maxLine-cutNote)
	return clean + fmt.Sprintf(" [... %s more in this line]", byteCount(max(len(line)-len(clean), 1)))
}

// cutBytes shortens s to at most n bytes without cutting a character in two.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}

// visible shows a control character by its symbol (the Unicode block Control
// Pictures), so that a colour sequence of a log stays a sequence of letters.
func visible(r rune) rune {
	switch {
	case r == '\t':
		return r
	case r < 0x20:
		return '\u2400' + r
	case r == 0x7f:
		return '\u2421'
	case unicode.IsControl(r), r == '\u2028', r == '\u2029':
		return '\ufffd'
	}
	return r
}

func byteCount(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// cleanHost keeps what a host name or an address literal may consist of (RFC 1123,
// 2.1; RFC 5321, 4.1.3). It is used in EHLO and in Message-IDs.
func cleanHost(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(".-[]:", r)) {
			return r
		}
		return -1
	}, s), ".-")
}
