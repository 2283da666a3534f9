package sshd

import (
	"fmt"
	"strings"

	"gateway/cmd/internal/host"
)

const (
	mainFile = "/etc/ssh/sshd_config"
	// dropInFile sorts before what the images of cloud providers bring, such as
	// 50-cloud-init.conf.
	dropInFile = "/etc/ssh/sshd_config.d/00-gateway.conf"

	// The lines between these two are ours, in the main file of an sshd that can't
	// include others.
	blockBegin = "# BEGIN gateway setup"
	blockEnd   = "# END gateway setup"
)

// edit is a file as it shall be.
type edit struct {
	path, why, text string
}

// place decides which files must say what so that sshd reads it first.
type place struct {
	edits     []edit
	overruled []line // Match blocks that count no more
	refusals  []host.Refusal
}

// placeIncluded is for an sshd that knows Include (OpenSSH 8.2 and later).
func placeIncluded(m host.Machine, all []setting) (place, error) {
	text := render(all, true)
	lines, err := reader{m, map[string]string{dropInFile: text}}.read(mainFile, "", includeDepth)
	if err != nil {
		return place{}, fmt.Errorf("read the configuration of sshd: %w", err)
	}
	p := place{
		edits:     []edit{{dropInFile, "sshd keeps the first value that it reads, and this file is read before those of a cloud image", text}},
		overruled: exceptions(lines, all),
	}
	if !leads(lines, all) {
		before, err := m.ReadFile(mainFile)
		if err != nil {
			return place{}, err
		}
		p.edits = append(p.edits, edit{mainFile, "without this line, sshd would not read the new file first", "Include " + dropInFile + "\n" + string(before)})
	}
	return p, nil
}

// leads tells whether our file is where sshd finds each value first.
func leads(lines []line, all []setting) bool {
	for _, s := range all {
		if l, found := firstFor(lines, s.name(), false); !found || l.file != dropInFile {
			return false
		}
		if l, _ := firstFor(lines, s.name(), true); s.everyone && l.file != dropInFile {
			return false
		}
	}
	return true
}

// exceptions are the lines in Match blocks of others that say otherwise.
func exceptions(lines []line, all []setting) []line {
	var found []line
	for _, l := range lines {
		for _, s := range all {
			if s.everyone && l.match != "" && l.sets(s.name()) && l.file != dropInFile && !strings.EqualFold(l.value, s.value) {
				found = append(found, l)
			}
		}
	}
	return found
}

// placeInMain is for an older sshd: a block at the top of its one file. A Match
// block of ours would take in every line behind it, so none of others may
// contradict.
func placeInMain(m host.Machine, all []setting) (place, error) {
	before, err := m.ReadFile(mainFile)
	if err != nil {
		return place{}, fmt.Errorf("read the configuration of sshd: %w", err)
	}
	text := blockBegin + "\n" + render(all, false) + blockEnd + "\n" + withoutBlock(string(before))
	lines, err := reader{m, map[string]string{mainFile: text}}.read(mainFile, "", 0)
	if err != nil {
		return place{}, err
	}
	p := place{edits: []edit{{mainFile, "sshd keeps the first value that it reads; this version can't include other files", text}}}
	for _, l := range exceptions(lines, all) {
		p.refusals = append(p.refusals, host.Refusal{
			What:    fmt.Sprintf("a line of %s says %q for `Match %s`", l.file, l.keyword+" "+l.value, l.match),
			Why:     "in this version of sshd nothing can be written that goes before it",
			Instead: "take the line out and run this again",
		})
	}
	return p, nil
}

// withoutBlock takes our block out of the main file.
func withoutBlock(text string) string {
	before, rest, found := strings.Cut(text, blockBegin+"\n")
	if !found {
		return text
	}
	_, after, found := strings.Cut(rest, blockEnd+"\n")
	if !found {
		return text
	}
	return before + after
}
