package proxy

import (
	"net/url"
	"strings"
)

// hidden stands in a log where a secret was.
const hidden = "[hidden]"

// nested is how many layers of percent-encoding are looked through: a target
// in a parameter of a target in a parameter, as redirects after a login have it.
const nested = 3

// redact returns text with the secrets in it replaced: values of parameters
// with a telling name, and what stands before the @ of a URL. It is meant for
// request lines, query strings, URLs in headers and messages with a URL in
// them; text without a secret is returned as it is, without allocation.
//
// It works on the text as it was sent, not on a parsed URL, for a log must show
// malformed requests too, and a backend may read them in its own way: a name
// may be percent-encoded, and "&" and ";" both begin a new one. A value ends at
// "&" only, since not every backend splits at ";".
func redact(text string) string { return redactUntil(text, "&") }

// redactMessage is redact for prose, where a value ends at white space too.
func redactMessage(text string) string { return redactUntil(text, "& \t\r\n") }

func redactUntil(text, ends string) string {
	if !strings.ContainsAny(text, "=%@") {
		return text
	}
	text = redactUserinfo(text)
	var out strings.Builder
	kept := 0
	for start := 0; start < len(text); {
		end := segmentEnd(text, start, ends)
		if from := secretAt(text[start:end], nested); from >= 0 {
			out.WriteString(text[kept : start+from])
			out.WriteString(hidden)
			kept = end
		}
		start = end + 1
	}
	if kept == 0 {
		return text
	}
	out.WriteString(text[kept:])
	return out.String()
}

func segmentEnd(text string, start int, ends string) int {
	if i := strings.IndexAny(text[start:], ends); i >= 0 {
		return start + i
	}
	return len(text)
}

// secretAt returns where in a segment the first secret begins, or -1.
func secretAt(segment string, depth int) int {
	from := 0
	for {
		i := strings.IndexByte(segment[from:], '=')
		if i < 0 {
			return encodedSecretAt(segment, depth)
		}
		from += i + 1
		if isSecretName(nameBefore(segment, from-1)) {
			return from
		}
	}
}

// encodedSecretAt finds what shows only after decoding, where all that can be
// said is that the secret is somewhere in the value.
func encodedSecretAt(segment string, depth int) int {
	if depth == 0 || strings.IndexByte(segment, '%') < 0 {
		return -1
	}
	decoded := unescape(segment)
	if decoded == segment || (redactUserinfo(decoded) == decoded && firstSecret(decoded, depth-1) < 0) {
		return -1
	}
	return strings.IndexByte(segment, '=') + 1
}

// firstSecret is secretAt for text whose separators have just come to light.
func firstSecret(text string, depth int) int {
	for start := 0; start < len(text); {
		end := segmentEnd(text, start, "&")
		if from := secretAt(text[start:end], depth); from >= 0 {
			return start + from
		}
		start = end + 1
	}
	return -1
}

// nameBefore is the parameter name that ends at an equals sign.
func nameBefore(segment string, equals int) string {
	start := strings.LastIndexAny(segment[:equals], "?;#/\"'(,={") + 1
	return segment[start:equals]
}

// redactUserinfo hides what stands between "://" and "@" of a URL's authority.
func redactUserinfo(text string) string {
	for from := 0; ; {
		i := strings.Index(text[from:], "://")
		if i < 0 {
			return text
		}
		from += i + len("://")
		end := from + authorityLen(text[from:])
		if at := strings.LastIndexByte(text[from:end], '@'); at >= 0 {
			text = text[:from] + hidden + text[from+at:]
			from += len(hidden)
		}
	}
}

func authorityLen(text string) int {
	if i := strings.IndexAny(text, "/?# \t\r\n"); i >= 0 {
		return i
	}
	return len(text)
}

// unescape decodes what can be decoded and keeps the rest; url.QueryUnescape
// gives up at the first bad escape, behind which a secret could hide.
func unescape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := url.PathUnescape(s[i : i+3]); err == nil {
				out.WriteString(c)
				i += 2
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// isSecretName reports whether a parameter or header of this name carries a
// password, a session or a key. Case, "-", "_", "." and percent-encoding do not
// matter. It errs on the side of hiding.
func isSecretName(name string) bool {
	for range nested {
		if strings.IndexByte(name, '%') < 0 {
			break
		}
		name = unescape(name)
	}
	name = foldName(name)
	switch name {
	case "code", "jscode", "authcode", "passcode", "otp", "pin", // codes that log somebody in
		"pass", "pwd", "auth", "authorization", "proxyauthorization", "credential", "credentials",
		"sid", "jwt", "ticket", "sig", "sign", "signature", "skey", "assertion", "phpsessid", "iv", "encrypteddata":
		return true
	}
	for _, part := range [...]string{"passw", "passphrase", "secret", "token", "session", "cookie", "apikey", "accesskey", "privatekey", "authkey"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// foldName lowers the case and drops what only separates words.
func foldName(name string) string {
	fold := func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}
	return strings.Map(fold, name)
}

// isSecretHeader reports whether a field of this name is hidden whole, as
// WeChat's own are (X-WX-Code, X-WX-Skey, X-WX-Encrypted-Data ...).
func isSecretHeader(name string) bool {
	return isSecretName(name) || hasPrefixFold(name, "x-wx-")
}

// redactHeader returns the value of a field that is not hidden whole as it may
// stand in a log; credentials are known by the name of their scheme too.
func redactHeader(value string) string {
	if hasPrefixFold(value, "bearer ") || hasPrefixFold(value, "basic ") {
		return hidden
	}
	return redact(value)
}

// redactRequestLine hides the secrets of "method target protocol". Where the
// target ends is told from the far end, for a line that was refused may have
// blanks in its target.
func redactRequestLine(line string) string {
	end := len(line)
	if i := strings.LastIndexByte(line, ' '); i >= 0 && strings.HasPrefix(line[i+1:], "HTTP/") {
		end = i
	}
	target := redact(line[:end])
	if len(target) == end && target == line[:end] {
		return line
	}
	return target + line[end:]
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
