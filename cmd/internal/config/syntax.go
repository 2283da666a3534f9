package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// parse turns TOML text into a tree. A text that is not TOML gives one problem,
// because nothing after the first mistake can be trusted.
func parse(text string, f *findings) map[string]any {
	if line := f.lines.tooDeep; line > 0 {
		f.found = append(f.found, Problem{File: f.file, Line: line,
			Wrong: fmt.Sprintf("lists or tables lie in each other more than %d deep", maxDepth), Instead: "write them one after another"})
		return nil
	}
	var tree map[string]any
	_, err := toml.Decode(text, &tree)
	if err == nil {
		return tree
	}
	f.found = append(f.found, syntaxProblem(f, text, err))
	return nil
}

func syntaxProblem(f *findings, text string, err error) Problem {
	p := Problem{File: f.file, Line: 1, Wrong: err.Error(), Instead: "write it as config.example.toml does"}
	var parseError toml.ParseError
	if !errors.As(err, &parseError) {
		return p
	}
	line := sourceAt(text, parseError, f.lines)
	p.Line = line.number
	p.Key, p.Wrong = cmp.Or(line.path(), parseError.LastKey), parseError.Message
	if strings.Contains(parseError.Message, "comma") { // of a list that began lines ago
		p.Key = parseError.LastKey
	}
	for _, mistake := range mistakes {
		if !mistake.message.MatchString(parseError.Message) {
			continue
		}
		if wrong, instead := mistake.words(line); wrong != "" {
			p.Wrong, p.Instead = wrong, instead
			break
		}
	}
	return p
}

// sourceAt is the line that the TOML library means. It finds a header without
// its closing bracket only after the end of the line.
func sourceAt(text string, err toml.ParseError, index *lineIndex) sourceLine {
	number := max(1, err.Position.Line)
	if strings.Contains(err.Message, "table") && strings.Contains(err.Message, `got '\n'`) {
		number = max(1, number-1)
	}
	return sourceLine{number: number, text: lineOf(text, number), index: index}
}

func lineOf(text string, number int) string {
	lines := strings.Split(text, "\n")
	if number > len(lines) {
		return ""
	}
	return strings.TrimSpace(lines[number-1])
}

// sourceLine is the line on which the TOML library gave up.
type sourceLine struct {
	number int
	text   string
	index  *lineIndex
}

var headerLine = regexp.MustCompile(`^\[+\s*([^\[\]#]*)`)

// table is the name between the brackets of a header line.
func (l sourceLine) table() (name string, found bool) {
	m := headerLine.FindStringSubmatch(l.text)
	if m == nil {
		return "", false
	}
	return strings.TrimSpace(m[1]), true
}

// pair is the key and what is written as its value.
func (l sourceLine) pair() (key, value string) {
	key, value, _ = strings.Cut(l.text, "=")
	return strings.TrimSpace(key), strings.TrimSpace(value)
}

// path is the key of the line with its tables, as far as one can be made out.
func (l sourceLine) path() string {
	if name, found := l.table(); found {
		return name
	}
	key, _ := l.pair()
	if !strings.Contains(l.text, "=") || !dottedKey.MatchString(key) {
		return ""
	}
	if table := l.index.tableAt(l.number); table != "" {
		return schemaKey(table) + "." + key
	}
	return key
}

var dottedKey = regexp.MustCompile(`^[A-Za-z0-9_-]+(\s*\.\s*[A-Za-z0-9_-]+)*$`)
