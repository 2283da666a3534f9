package proxy

import (
	"slices"
	"strconv"
	"strings"
)

// The formats that have a name, as Apache's documentation defines them.
// Debian's apache2.conf calls its own variant, with %O in place of %b, "combined" too.
const (
	formatCommon     = `%h %l %u %t "%r" %>s %b`
	formatCombined   = formatCommon + ` "%{Referer}i" "%{User-Agent}i"`
	formatCombinedIO = formatCombined + ` %I %O`
	formatVhost      = `%v:%p ` + formatCombined
)

// LogFormat is a compiled Apache LogFormat string. It is safe for concurrent use.
type LogFormat struct {
	items []formatItem
}

// appendField appends one value of a finished request to a line.
type appendField func(line []byte, t *transaction) []byte

// formatItem is a directive, or literal text where field is nil.
type formatItem struct {
	literal  string
	field    appendField
	statuses []int // prints only for these statuses; empty: for all
	negated  bool  // prints only for other statuses
}

// FormatError tells where a LogFormat string is wrong and what to write instead.
type FormatError struct {
	Offset    int    // bytes before the directive
	Directive string // as written
	Wrong     string
	Instead   string
}

func (e *FormatError) Error() string {
	return e.place() + " " + e.Wrong + ": " + e.Instead
}

// place names the directive and where it stands.
func (e *FormatError) place() string {
	return e.Directive + " at character " + strconv.Itoa(e.Offset+1)
}

// ParseLogFormat compiles an Apache LogFormat string, or one of the names
// "common", "combined", "combinedio" and "vhost_combined". Every error is a
// *FormatError.
func ParseLogFormat(format string) (*LogFormat, error) {
	switch format {
	case "common":
		format = formatCommon
	case "combined":
		format = formatCombined
	case "combinedio":
		format = formatCombinedIO
	case "vhost_combined":
		format = formatVhost
	}
	p := formatParser{format: format}
	var items []formatItem
	for p.pos < len(format) {
		item, err := p.item()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return &LogFormat{items: items}, nil
}

// appendLine appends the line of t, without its line end.
func (f *LogFormat) appendLine(line []byte, t *transaction) []byte {
	for i := range f.items {
		item := &f.items[i]
		switch {
		case item.field == nil:
			line = append(line, item.literal...)
		case !item.applies(t.status):
			line = append(line, '-')
		default:
			line = item.field(line, t)
		}
	}
	return line
}

func (i *formatItem) applies(status int) bool {
	return len(i.statuses) == 0 || slices.Contains(i.statuses, status) != i.negated
}

type formatParser struct {
	format string
	pos    int
}

func (p *formatParser) item() (formatItem, error) {
	if p.format[p.pos] == '%' {
		return p.directive()
	}
	text := p.format[p.pos:]
	if i := strings.IndexByte(text, '%'); i >= 0 {
		text = text[:i]
	}
	p.pos += len(text)
	return formatItem{literal: unescapeLiteral.Replace(text)}, nil
}

// unescapeLiteral reads the escapes of mod_log_config, and \" as well, which in
// Apache's own files the quoting of the directive takes away.
var unescapeLiteral = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r", `\t`, "\t", `\"`, `"`)

// directive reads % [modifiers] letter, where the modifiers come in any order.
func (p *formatParser) directive() (formatItem, error) {
	start := p.pos
	p.pos++
	var item formatItem
	var argument string
	for p.pos < len(p.format) {
		switch c := p.format[p.pos]; {
		case c == '!':
			item.negated = !item.negated
			p.pos++
		case c == '<', c == '>', c == ',': // no internal redirects here: the first and the last request are one
			p.pos++
		case c == '{':
			end := strings.IndexByte(p.format[p.pos:], '}')
			if end < 0 {
				return item, p.wrong(start, len(p.format), `has no closing brace`, `write } after the name`)
			}
			argument = p.format[p.pos+1 : p.pos+end]
			p.pos += end + 1
		case '0' <= c && c <= '9':
			item.statuses = append(item.statuses, p.number())
		default:
			return p.finish(start, item, argument)
		}
	}
	return item, p.wrong(start, len(p.format), `is not finished`, `write the letter of a directive, or %% for a percent sign`)
}

func (p *formatParser) number() int {
	start := p.pos
	for p.pos < len(p.format) && '0' <= p.format[p.pos] && p.format[p.pos] <= '9' {
		p.pos++
	}
	n, _ := strconv.Atoi(p.format[start:p.pos]) // a number too large for an int matches no status
	return n
}

func (p *formatParser) finish(start int, item formatItem, argument string) (formatItem, error) {
	letter := p.format[p.pos : p.pos+1]
	if letter == "^" && p.pos+3 <= len(p.format) {
		letter = p.format[p.pos : p.pos+3]
	}
	p.pos += len(letter)
	field, problem := compileDirective(letter, argument)
	if problem != nil {
		return item, p.wrong(start, p.pos, problem.wrong, problem.instead)
	}
	item.field = field
	return item, nil
}

func (p *formatParser) wrong(start, end int, wrong, instead string) error {
	return &FormatError{Offset: start, Directive: p.format[start:end], Wrong: wrong, Instead: instead}
}

// appendEscaped appends s the way Apache's ap_escape_logitem does: quotes and
// backslashes with a backslash, control characters and every byte above 0x7e as
// C would write them.
func appendEscaped(line []byte, s string) []byte {
	const hex = "0123456789abcdef"
	clean := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if ' ' <= c && c < 0x7f && c != '"' && c != '\\' {
			continue
		}
		line = append(line, s[clean:i]...)
		clean = i + 1
		if short := shortEscape(c); short != 0 {
			line = append(line, '\\', short)
		} else {
			line = append(line, '\\', 'x', hex[c>>4], hex[c&15])
		}
	}
	return append(line, s[clean:]...)
}

func shortEscape(c byte) byte {
	switch c {
	case '"', '\\':
		return c
	case '\b':
		return 'b'
	case '\n':
		return 'n'
	case '\r':
		return 'r'
	case '\t':
		return 't'
	case '\v':
		return 'v'
	}
	return 0
}
