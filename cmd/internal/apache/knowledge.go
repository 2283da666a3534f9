package apache

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

// directivesTable has a line for each directive that httpd's modules bring:
// name, module, class, why or what breaks, what to do. A class with "!" matters.
//
//go:embed directives.tsv
var directivesTable string

// known is what the table says of one directive.
type known struct {
	name   string
	module string
	verdict
}

// knowledge is the table, read once.
var knowledge = sync.OnceValue(readKnowledge)

// readKnowledge reads the table. It is data of this package, so a line that
// can't be read is a mistake that any test shows.
func readKnowledge() map[string]known {
	all := map[string]known{}
	for line := range strings.Lines(directivesTable) {
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if line == "\n" || strings.HasPrefix(line, "#") {
			continue
		}
		for len(fields) < 5 {
			fields = append(fields, "")
		}
		class, matters := strings.CutSuffix(fields[2], "!")
		all[strings.ToLower(fields[0])] = known{fields[0], fields[1], verdict{Class(class), fields[3], fields[4], matters}}
	}
	return all
}

// knowledgeOf is what becomes of a directive unless its place says more.
func knowledgeOf(d *Directive) verdict {
	key := strings.ToLower(d.Name)
	if d.Section {
		key = "<" + key
	}
	if k, found := knowledge()[key]; found {
		return k.verdict
	}
	return verdict{NotCarried, fmt.Sprintf("%s is no directive that this program knows", d.Name), "see which module it is of, and what it does", true}
}

// moduleOf is the module that brings a directive; "" for one that is unknown.
func moduleOf(name string) string { return knowledge()[strings.ToLower(name)].module }
