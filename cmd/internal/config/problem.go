package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with the file, in words for the admin who
// wrote it.
type Problem struct {
	File    string // as it was given to Load
	Line    int    // from 1; 0 when the file as a whole is meant
	Key     string // as in the file, tables first: "site.listen"; "" for the whole file
	Wrong   string // what is wrong
	Instead string // what to write instead
}

// String prints the problem as "file:line: key: what is wrong: what to write instead".
func (p Problem) String() string {
	place := p.File
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	parts := []string{place}
	for _, part := range []string{p.Key, p.Wrong, p.Instead} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return oneLine(strings.Join(parts, ": "))
}

// Problems are all problems of one file in the order of its lines.
type Problems []Problem

// Error prints one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// findings gathers the problems of one file. It remembers which keys are known
// to be bad, so that a later check doesn't complain about what follows from it:
// a misspelt key is not also reported as a missing one.
type findings struct {
	file    string
	lines   *lineIndex
	found   Problems
	settled map[string]bool // full paths, "site[0].listen"
}

func newFindings(file string, lines *lineIndex) *findings {
	return &findings{file: file, lines: lines, settled: map[string]bool{}}
}

// add reports a problem at a path and settles the path.
func (f *findings) add(path, wrong, instead string) {
	f.settle(path)
	f.found = append(f.found, Problem{
		File: f.file, Line: f.lines.nearest(path), Key: schemaKey(path), Wrong: wrong, Instead: instead,
	})
}

// addUnlessSettled is add for checks that follow the decoding: it is silent
// about a key that was already found bad, or that lies in a table that was.
func (f *findings) addUnlessSettled(path, wrong, instead string) {
	for at := path; at != ""; at = parentPath(at) {
		if f.settled[at] {
			return
		}
	}
	f.found = append(f.found, Problem{
		File: f.file, Line: f.lines.nearest(path), Key: schemaKey(path), Wrong: wrong, Instead: instead,
	})
}

// settle marks a key as bad. A bad element makes its list bad too, because the
// list that later checks see is not the one in the file.
func (f *findings) settle(path string) {
	f.settled[path] = true
	for strings.HasSuffix(path, "]") {
		path = parentPath(path)
		f.settled[path] = true
	}
}

// sorted returns what was found in the order of lines, each thing once, and nil
// if nothing was found.
func (f *findings) sorted() Problems {
	var once Problems
	seen := map[Problem]bool{}
	for _, p := range f.found {
		if !seen[p] {
			seen[p] = true
			once = append(once, p)
		}
	}
	slices.SortStableFunc(once, func(a, b Problem) int { return a.Line - b.Line })
	return once
}
