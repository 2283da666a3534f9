package sshd

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
)

// line is one directive of sshd's configuration, where it was found.
type line struct {
	file    string
	number  int
	keyword string // in lower case
	value   string // the rest of the line
	match   string // the condition of the Match block that it is in, "" outside of any
}

// sets tells whether a directive is about a setting, under whatever name sshd knows
// it by.
func (l line) sets(name string) bool {
	switch l.keyword {
	case "challengeresponseauthentication", "skeyauthentication": // until OpenSSH 8.7; aliases since then
		return name == "kbdinteractiveauthentication"
	}
	return l.keyword == name
}

// includeDepth is how deep files may include one another (servconf.h of OpenSSH).
const includeDepth = 16

// reader reads the configuration as sshd does, in order, with everything that is
// included. A file can be given another content than it has.
type reader struct {
	machine host.Machine
	instead map[string]string
}

// read gives the directives of a file and of those that it includes, which come
// where they are included. A Match block that begins in an included file ends
// with it.
func (r reader) read(file, match string, depth int) ([]line, error) {
	text, err := r.text(file)
	if err != nil {
		return nil, err
	}
	var lines []line
	for i, raw := range strings.Split(text, "\n") {
		keyword, value := directive(raw)
		if keyword == "" {
			continue
		}
		if keyword == "match" {
			match = value
		}
		lines = append(lines, line{file, i + 1, keyword, value, match})
		if keyword != "include" || depth == 0 {
			continue
		}
		for _, included := range r.included(value) {
			more, err := r.read(included, match, depth-1)
			if err != nil {
				return nil, err
			}
			lines = append(lines, more...)
		}
	}
	return lines, nil
}

func (r reader) text(file string) (string, error) {
	if text, found := r.instead[file]; found {
		return text, nil
	}
	data, err := r.machine.ReadFile(file)
	switch {
	case file == mainFile:
	case errors.Is(err, fs.ErrNotExist): // gone since its folder was listed
		return "", nil
	case errors.Is(err, fs.ErrPermission) && r.machine.UID != 0: // as those of cloud-init are; what an unprivileged plan can't tell, it says
		return "", nil
	}
	return string(data), err
}

// included lists the files of an Include line in the order in which sshd reads
// them: pattern for pattern, each sorted as glob(3) does.
func (r reader) included(patterns string) []string {
	var files []string
	for _, pattern := range words(patterns) {
		if !path.IsAbs(pattern) {
			pattern = path.Join("/etc/ssh", pattern)
		}
		var some []string
		found, _ := filepath.Glob(r.machine.Path(pattern)) // a pattern that is none fits nothing
		for _, f := range found {
			some = append(some, path.Join("/", strings.TrimPrefix(f, r.machine.Path("/"))))
		}
		for file := range r.instead {
			if fits, _ := path.Match(pattern, file); fits && !slices.Contains(some, file) {
				some = append(some, file)
			}
		}
		files = append(files, sorted(some)...)
	}
	return files
}

// directive takes a line of sshd_config apart: a keyword, and behind blanks or
// one "=" its value. It is "" for a line without any.
func directive(raw string) (keyword, value string) {
	raw = strings.TrimSpace(raw)
	if raw == "" || raw[0] == '#' {
		return "", ""
	}
	end := strings.IndexAny(raw, " \t=")
	if end < 0 {
		return strings.ToLower(raw), ""
	}
	value = strings.TrimLeft(raw[end:], " \t")
	value = strings.TrimLeft(strings.TrimPrefix(value, "="), " \t")
	return strings.ToLower(strings.Trim(raw[:end], `"`)), value
}

// words splits a value at blanks that are not between quotes; what follows a
// "#" is a comment.
func words(value string) []string {
	var all []string
	for value = strings.TrimLeft(value, " \t"); value != "" && value[0] != '#'; value = strings.TrimLeft(value, " \t") {
		end := strings.IndexAny(value, " \t")
		if value[0] == '"' {
			value = value[1:]
			end = strings.IndexByte(value, '"')
		}
		if end < 0 {
			end = len(value)
		}
		all = append(all, value[:end])
		value = strings.TrimPrefix(value[end:], `"`)
	}
	return all
}

// firstFor finds the line whose value of a keyword counts: the first outside of
// Match blocks, or, where in a block is asked for, the first in any.
func firstFor(lines []line, keyword string, inMatch bool) (line, bool) {
	i := slices.IndexFunc(lines, func(l line) bool { return l.sets(keyword) && (l.match != "") == inMatch })
	if i < 0 {
		return line{}, false
	}
	return lines[i], true
}
