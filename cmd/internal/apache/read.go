package apache

import (
	"fmt"
	"maps"
	"strings"
)

// Limits of a configuration: far above what anybody writes, and low enough that
// a hostile or generated one does not fill the memory.
const (
	largestFile    = 4 << 20  // bytes of one file
	largestText    = 64 << 20 // bytes of all lines, those of macros counted each time
	longestLine    = 1 << 20  // bytes of one line after its variables are resolved
	mostDirectives = 200_000
	deepestInclude = 40 // httpd stops at 128 folders; nobody has ten
	deepestMacro   = 20
	deepestSection = 50
)

// Tree is a configuration as it was read: what is in effect, in order.
type Tree struct {
	Source     Source
	Directives []*Directive
	Files      []string // that were read, in order
	Root       string   // the ServerRoot
	Warnings   []Warning
	assumed    bool // no LoadModule was there, so every module counts as loaded
}

// Warning is something that does not keep a configuration from being read.
type Warning struct {
	Position
	Text string
}

func (w Warning) String() string { return w.Position.String() + ": " + w.Text }

// Read reads the configuration and all that it includes. Conditions such as
// <IfModule> are judged as httpd does; a file that loads no module, because it
// is one file of a larger configuration, counts as having all of them. Every
// error is a *Problem.
func Read(source Source) (*Tree, error) {
	r := newReader(source, false)
	err := r.file(source.File, Position{})
	if err == nil && !r.loadsModules {
		r = newReader(source, true)
		err = r.file(source.File, Position{})
	}
	if err != nil {
		return nil, err
	}
	return &Tree{Source: source, Directives: r.out, Files: r.files, Root: r.root, Warnings: r.warnings, assumed: r.assume}, nil
}

// reader holds what the lines read so far have set.
type reader struct {
	source       Source
	root         string
	written      string // the ServerRoot as written, here or not
	assume       bool   // all modules count as loaded
	loadsModules bool
	modules      map[string]bool
	defines      map[string]bool
	variables    map[string]string
	macros       map[string]*macro
	open         []string // files that are being read, outermost first
	files        []string
	warnings     []Warning
	warned       map[string]bool
	out          []*Directive
	count, bytes int
	macroDepth   int
}

// builtIn are the modules that every httpd is compiled with.
var builtIn = [...]string{"core.c", "core_module", "http_core.c", "http_module", "mod_so.c", "so_module"}

// usuallyBuiltIn are modules that Debian compiles in; where another packager
// does not, LoadModule names them.
var usuallyBuiltIn = [...]string{"mod_log_config.c", "log_config_module", "mod_logio.c", "logio_module", "mod_version.c", "version_module", "mod_unixd.c", "unixd_module", "mod_watchdog.c", "watchdog_module"}

func newReader(source Source, assume bool) *reader {
	r := &reader{source: source, root: source.Root, assume: assume, modules: map[string]bool{}, defines: map[string]bool{},
		variables: maps.Clone(source.Variables), macros: map[string]*macro{}, warned: map[string]bool{}}
	if r.variables == nil {
		r.variables = map[string]string{}
	}
	for _, name := range append(builtIn[:], usuallyBuiltIn[:]...) {
		r.modules[name] = true
	}
	for _, name := range source.Defines {
		r.defines[name] = true
	}
	return r
}

// sourceLine is a logical line with the place where it is written.
type sourceLine struct {
	Position
	text string
	via  *Position
}

// file reads one file into the section that is open.
func (r *reader) file(path string, from Position) error {
	text, err := readText(path)
	if err != nil {
		return r.includedFrom(err, from)
	}
	r.files = append(r.files, path)
	var lines []sourceLine
	for _, l := range logicalLines(text) {
		lines = append(lines, sourceLine{Position: Position{path, l.number}, text: l.text})
	}
	r.open = append(r.open, path)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	return r.block(lines, 0)
}

// includedFrom puts the line that names a file before what is wrong with it.
func (r *reader) includedFrom(err error, from Position) error {
	problem, ok := err.(*Problem)
	if !ok || from.Line == 0 || problem.Line != 0 {
		return err
	}
	return &Problem{from, "the file " + problem.File + " " + problem.What, problem.Do, problem.Err}
}

// block reads lines that hold whole sections.
func (r *reader) block(lines []sourceLine, depth int) error {
	for i := 0; i < len(lines); {
		l := lines[i]
		if err := r.account(l); err != nil {
			return err
		}
		name, args := cutName(l.text)
		switch {
		case strings.HasPrefix(name, "</"):
			return &Problem{l.Position, name + " closes a section that is not open", "take the line out, or write the line that opens the section", nil}
		case strings.HasPrefix(name, "<"):
			end, err := closing(lines, i)
			if err != nil {
				return err
			}
			if err := r.section(lines[i], lines[i+1:end], depth); err != nil {
				return err
			}
			i = end + 1
		default:
			if err := r.directive(l, name, args); err != nil {
				return err
			}
			i++
		}
	}
	return nil
}

// account keeps the whole within its limits.
func (r *reader) account(l sourceLine) error {
	r.count++
	r.bytes += len(l.text)
	if r.count > mostDirectives || r.bytes > largestText {
		return &Problem{l.Position, fmt.Sprintf("the configuration has more than %d directives or %d MB", mostDirectives, largestText>>20), "import one of its files at a time", nil}
	}
	return nil
}

// closing is the index of the line that closes the section of line i.
func closing(lines []sourceLine, i int) (int, error) {
	var open []int
	for at := i; at < len(lines); at++ {
		switch text := lines[at].text; {
		case strings.HasPrefix(text, "</"):
			name := sectionName(text)
			if opened := sectionName(lines[open[len(open)-1]].text); !strings.EqualFold(name, opened) {
				return 0, &Problem{lines[at].Position, fmt.Sprintf("</%s> stands where <%s> of %s is still open", name, opened, lines[open[len(open)-1]].Position), fmt.Sprintf("write </%s> before it, or take it out", opened), nil}
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				return at, nil
			}
		case strings.HasPrefix(text, "<"):
			open = append(open, at)
		}
	}
	last := lines[open[len(open)-1]]
	return 0, &Problem{last.Position, fmt.Sprintf("<%s> is never closed", sectionName(last.text)), fmt.Sprintf("write </%s> where the section ends", sectionName(last.text)), nil}
}

// sectionName is "VirtualHost" of "<VirtualHost *:80>" and "</VirtualHost>".
func sectionName(text string) string {
	name, _ := cutName(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(text, "<"), "/"), ">"))
	return name
}

// value is what ${NAME} stands for.
func (r *reader) value(name string) (string, bool) {
	value, known := r.variables[name]
	return value, known
}

// expand resolves variables, and warns of those that nothing has defined.
func (r *reader) expand(l sourceLine, text string) (string, error) {
	text = expand(text, func(name string) (string, bool) {
		value, known := r.value(name)
		if !known && !r.warned[name] {
			r.warned[name] = true
			r.warnings = append(r.warnings, Warning{l.Position, "${" + name + "} is not defined anywhere, so it stays as it is written"})
		}
		return value, known
	})
	if len(text) > longestLine {
		return "", &Problem{l.Position, fmt.Sprintf("the line has more than %d bytes when its variables are resolved", longestLine), "see what its variables hold", nil}
	}
	return text, nil
}
