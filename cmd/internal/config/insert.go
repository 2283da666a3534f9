package config

import (
	"fmt"
	"slices"
	"strings"
)

// Decode is the part of Load that does not look at the host: it tells what a text
// says, which is, or is to be, in the file at path.
func Decode(path, text string) (*Config, error) {
	config, f, err := decodeFile(path, text)
	if err != nil {
		return nil, err
	}
	if problems := f.sorted(); len(problems) > 0 {
		return nil, problems
	}
	return config, nil
}

// Insert puts further tables into the text of a file, and changes no other byte
// of it: what belongs to a site behind the last line of that [[site]], and the
// rest behind the last [[backend]]. The tables are TOML, each with its header.
func Insert(text, site, ofSite, rest string) (string, error) {
	index := indexLines(text)
	lines, end := linesOf(text)
	backends := index.last("backend", lines)
	if backends == 0 {
		backends = lastWritten(lines, len(lines))
	}
	insertions := []insertion{{backends, rest}}
	if ofSite != "" {
		table, err := siteTable(text, site)
		if err != nil {
			return "", err
		}
		behind := index.last(table, lines)
		if behind == 0 {
			return "", fmt.Errorf("the site %s is not written as a table of its own, [[site]]", site)
		}
		insertions = append(insertions, insertion{behind, ofSite})
	}
	slices.SortStableFunc(insertions, func(a, b insertion) int { return b.behind - a.behind })
	for _, i := range insertions {
		lines = slices.Insert(lines, i.behind, i.lines(end)...)
	}
	return strings.Join(lines, ""), nil
}

// siteTable is the path of the [[site]] that answers to a name.
func siteTable(text, name string) (string, error) {
	config := decodeText(text, "/", newFindings("", indexLines(text)))
	if config != nil {
		for i, site := range config.Sites {
			if site.Name == name {
				return elementPath("site", i), nil
			}
		}
	}
	return "", fmt.Errorf("there is no [[site]] with name = %q", name)
}

// insertion are lines behind a line; 0 is before the first.
type insertion struct {
	behind int
	text   string
}

// lines are the inserted lines, with an empty one before them.
func (i insertion) lines(end string) []string {
	text := strings.ReplaceAll(strings.TrimRight(i.text, "\n")+"\n", "\n", end)
	if i.behind == 0 {
		return []string{text}
	}
	return []string{end, text}
}

// linesOf are the lines of a text, each with its end, and what that is.
func linesOf(text string) (lines []string, end string) {
	end = "\n"
	if first, _, found := strings.Cut(text, "\n"); found && strings.HasSuffix(first, "\r") {
		end = "\r\n"
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += end
	}
	return slices.Collect(strings.Lines(text)), end
}

// last is the last line of the tables at a path and below it that holds something.
// Comments behind it may well belong to the next table.
func (x *lineIndex) last(path string, lines []string) int {
	last := 0
	for i, h := range x.headers {
		if h.path != path && !strings.HasPrefix(h.path, path+".") && !strings.HasPrefix(h.path, path+"[") {
			continue
		}
		next := len(lines) + 1
		if i+1 < len(x.headers) {
			next = x.headers[i+1].line
		}
		last = lastWritten(lines, next-1)
	}
	return last
}

// lastWritten is the last of the first n lines that is neither empty nor a comment.
func lastWritten(lines []string, n int) int {
	for ; n > 0; n-- {
		if text := strings.TrimSpace(lines[n-1]); text != "" && text[0] != '#' {
			return n
		}
	}
	return 0
}
