package config

import (
	"strings"

	"github.com/BurntSushi/toml"
)

// lineScanner walks through a TOML text. Whatever the text is, each of its
// loops moves on or ends.
type lineScanner struct {
	text    string
	pos     int
	counted int // line is the line of this position
	line    int
	table   string         // path of the table whose keys are read
	counts  map[string]int // path of an array of tables -> tables so far
	depth   int
	index   *lineIndex
}

func (s *lineScanner) document() {
	for s.skipSpace(true); s.pos < len(s.text); s.skipSpace(true) {
		if s.peek() == '[' {
			s.header()
		} else {
			s.pair(s.table)
		}
		s.skipLine() // a comment, or something that the TOML library will refuse
	}
}

// header reads [a.b] or [[a.b]].
func (s *lineScanner) header() {
	array := strings.HasPrefix(s.text[s.pos:], "[[")
	line := s.here()
	s.pos++
	if array {
		s.pos++
	}
	path, keys := "", s.keys()
	for i, key := range keys {
		path = joinPath(path, key)
		s.index.note(path, line)
		if array && i == len(keys)-1 {
			s.counts[path]++
		}
		if n := s.counts[path]; n > 0 {
			path = elementPath(path, n-1)
			s.index.note(path, line)
		}
	}
	s.table = path
	s.index.headers = append(s.index.headers, header{line, path})
}

// pair reads key = value in the table at path.
func (s *lineScanner) pair(path string) {
	line := s.here()
	keys := s.keys()
	for _, key := range keys {
		path = joinPath(path, key)
		s.index.note(path, line)
	}
	s.skipSpace(false)
	if len(keys) == 0 || s.peek() != '=' {
		return
	}
	s.pos++
	s.skipSpace(false)
	s.value(path)
}

func (s *lineScanner) value(path string) {
	switch s.peek() {
	case '"', '\'':
		s.skipString()
	case '[':
		s.list(path)
	case '{':
		s.inlineTable(path)
	default:
		s.skipUntil(",]}#\n")
	}
}

func (s *lineScanner) list(path string) {
	s.nested(']', func(i int) {
		element := elementPath(path, i)
		s.index.note(element, s.here())
		s.value(element)
	})
}

func (s *lineScanner) inlineTable(path string) {
	s.nested('}', func(int) { s.pair(path) })
}

// nested reads what stands between brackets, separated by commas.
func (s *lineScanner) nested(closing byte, element func(i int)) {
	s.deeper(1)
	defer func() { s.depth-- }()
	s.pos = min(s.pos+1, len(s.text))
	for i := 0; ; {
		s.skipSpace(true)
		start := s.pos
		switch s.peek() {
		case 0:
			return
		case closing:
			s.pos++
			return
		case ',':
			s.pos++
		default:
			element(i)
			i++
		}
		if s.pos == start {
			s.pos++
		}
	}
}

// deeper counts nesting and gives the text up beyond maxDepth.
func (s *lineScanner) deeper(levels int) {
	s.depth += levels
	if s.depth > maxDepth && s.index.tooDeep == 0 {
		s.index.tooDeep = s.here()
		s.pos = len(s.text)
	}
}

// keys reads a key with its dots.
func (s *lineScanner) keys() []string {
	var keys []string
	for {
		s.skipSpace(false)
		start := s.pos
		if c := s.peek(); c == '"' || c == '\'' {
			s.skipString()
			keys = append(keys, unquoteKey(s.text[start:s.pos]))
		} else {
			s.skipUntil(" \t\r\n.=[]{},#\"'")
			keys = append(keys, s.text[start:s.pos])
		}
		if s.pos == start {
			return keys[:len(keys)-1]
		}
		s.skipSpace(false)
		if s.peek() != '.' {
			return keys
		}
		s.pos++
		if len(keys) == maxDepth {
			s.deeper(maxDepth + 1)
		}
	}
}

// unquoteKey lets the TOML library read a quoted key.
func unquoteKey(quoted string) string {
	var v struct {
		Key string `toml:"k"`
	}
	if _, err := toml.Decode("k = "+quoted, &v); err != nil {
		return quoted
	}
	return v.Key
}

// skipString passes over any of the four kinds of strings, or what there is of one.
func (s *lineScanner) skipString() {
	quote := s.text[s.pos : s.pos+1]
	fence, stop := quote, "\n"
	if strings.HasPrefix(s.text[s.pos:], quote+quote+quote) {
		fence, stop = quote+quote+quote, ""
	}
	for s.pos += len(fence); s.pos < len(s.text); s.pos++ {
		rest := s.text[s.pos:]
		switch {
		case stop != "" && strings.HasPrefix(rest, stop):
			return
		case quote == `"` && rest[0] == '\\':
			s.pos++
		case strings.HasPrefix(rest, fence):
			s.pos += len(fence)
			s.skipClosingQuotes(fence)
			return
		}
	}
	s.pos = len(s.text)
}

// skipClosingQuotes passes over the one or two quotes that a string in three
// quotes may have before its end.
func (s *lineScanner) skipClosingQuotes(fence string) {
	for i := 1; i < len(fence) && s.peek() == fence[0]; i++ {
		s.pos++
	}
}

// skipSpace passes over blanks and, if lines is true, over ends of lines and comments.
func (s *lineScanner) skipSpace(lines bool) {
	for ; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\t' || c == '\r':
		case lines && c == '\n':
		case lines && c == '#':
			s.skipUntil("\n")
			s.pos-- // the loop passes over the end of the line
		default:
			return
		}
	}
}

func (s *lineScanner) skipLine() {
	s.skipUntil("\n")
	s.pos = min(s.pos+1, len(s.text))
}

func (s *lineScanner) skipUntil(any string) {
	if n := strings.IndexAny(s.text[s.pos:], any); n >= 0 {
		s.pos += n
	} else {
		s.pos = len(s.text)
	}
}

// peek is the next byte, 0 at the end.
func (s *lineScanner) peek() byte {
	if s.pos >= len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

// here is the line of the position. It only counts on from where it was last asked.
func (s *lineScanner) here() int {
	s.line += strings.Count(s.text[s.counted:s.pos], "\n")
	s.counted = s.pos
	return s.line
}
