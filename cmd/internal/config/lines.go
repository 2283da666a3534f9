package config

// maxDepth is how deep tables and lists may lie in each other. The schema needs
// four; far beyond that the TOML library takes minutes and gigabytes.
const maxDepth = 16

// lineIndex knows on which line of a TOML text each value stands, which the
// TOML library doesn't tell. It is made from any text, also from one that is
// not valid TOML, and is complete for a valid one.
type lineIndex struct {
	at      map[string]int // path -> line where it first appears
	headers []header
	tooDeep int // line where nesting passes maxDepth; 0: nowhere
}

type header struct {
	line int
	path string // "site[0]"
}

// nearest is the line of a path or, if it is not in the file, of the nearest
// table around it.
func (x *lineIndex) nearest(path string) int {
	for ; path != ""; path = parentPath(path) {
		if line, found := x.at[path]; found {
			return line
		}
	}
	return 1
}

// tableAt is the path of the table that a line belongs to; "" before the first header.
func (x *lineIndex) tableAt(line int) string {
	path := ""
	for _, h := range x.headers {
		if h.line > line {
			break
		}
		path = h.path
	}
	return path
}

func (x *lineIndex) note(path string, line int) {
	if _, found := x.at[path]; !found {
		x.at[path] = line
	}
}

// indexLines reads a whole TOML text.
func indexLines(text string) *lineIndex {
	s := lineScanner{text: text, line: 1, counts: map[string]int{}, index: &lineIndex{at: map[string]int{}}}
	s.document()
	return s.index
}
