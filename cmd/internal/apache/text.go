package apache

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// textOf takes a file as text: UTF-8, or else Latin-1, in which many an old
// comment is written.
func textOf(path string, raw []byte) (string, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")) // Windows editors write it
	if at := bytes.IndexFunc(raw, notInText); at >= 0 {
		line := 1 + bytes.Count(raw[:at], []byte("\n"))
		return "", &Problem{Position{path, line}, "holds a byte that no text has, so this is no configuration", "name a file of text; see what it is with: file " + path, nil}
	}
	if utf8.Valid(raw) {
		return string(raw), nil
	}
	var out strings.Builder
	for _, b := range raw {
		out.WriteRune(rune(b))
	}
	return out.String(), nil
}

func notInText(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' && r != '\v' || r == 0x7f
}
