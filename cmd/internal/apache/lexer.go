package apache

import (
	"strings"
)

// line is one logical line: continued lines are joined, ends are trimmed.
type line struct {
	number int // of the first of its lines
	text   string
}

// logicalLines splits a file as httpd does: a backslash at the very end of a
// line joins it with the next, in comments and after another backslash too.
// Empty lines and comments are left out.
func logicalLines(text string) []line {
	var lines []line
	var joined strings.Builder
	first, number := 0, 0
	for raw := range strings.Lines(text) {
		number++
		if first == 0 {
			first = number
		}
		raw = strings.TrimSuffix(strings.TrimSuffix(raw, "\n"), "\r")
		if continued, found := strings.CutSuffix(raw, `\`); found {
			joined.WriteString(continued)
			continue
		}
		joined.WriteString(raw)
		lines = appendLine(lines, first, joined.String())
		joined.Reset()
		first = 0
	}
	return appendLine(lines, first, joined.String())
}

func appendLine(lines []line, number int, text string) []line {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' {
		return lines
	}
	return append(lines, line{number, text})
}

// words splits arguments as httpd does: a word in quotes may hold blanks, and a
// backslash stands before a backslash, or before a quote of the same kind. A
// quote that is never closed lasts to the end of the line. A quote within a
// word, and a "#", are letters like others.
func words(text string) []string {
	var all []string
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" {
			return all
		}
		var word string
		word, text = nextWord(text)
		all = append(all, word)
	}
}

func nextWord(text string) (word, rest string) {
	if quote := text[0]; quote == '"' || quote == '\'' {
		return quotedWord(text[1:], quote)
	}
	if end := strings.IndexAny(text, " \t"); end >= 0 {
		return unescape(text[:end], 0), text[end:]
	}
	return unescape(text, 0), ""
}

func quotedWord(text string, quote byte) (word, rest string) {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && (text[i+1] == '\\' || text[i+1] == quote):
			i++
		case text[i] == quote:
			return unescape(text[:i], quote), text[i+1:]
		}
	}
	return unescape(text, quote), ""
}

// unescape takes the backslash off an escaped backslash or quote.
func unescape(text string, quote byte) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && (text[i+1] == '\\' || quote != 0 && text[i+1] == quote) {
			i++
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// cutName takes the directive's name off a line.
func cutName(text string) (name, args string) {
	end := strings.IndexAny(text, " \t")
	if end < 0 {
		return text, ""
	}
	return text[:end], strings.TrimSpace(text[end:])
}
