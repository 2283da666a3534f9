package conda

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
)

// shellFile is a file in which a shell looks for what holds for all users.
type shellFile struct {
	path   string
	needs  string // the folder or file by which it is known that the shell is there
	own    bool   // the file is ours alone; else a few lines of it are
	source string // what is sourced, below the prefix
	syntax string // a line that sources %[1]s if it can be read
	serves string // which shells
}

const posixSource = "[ ! -r %[1]s ] || . %[1]s"

// shellFiles are Debian's and Ubuntu's places. Shells that are neither a login
// nor interactive, and programs that are no shell, find conda by the link in
// /usr/local/bin.
func shellFiles() []shellFile {
	return []shellFile{
		{"/etc/profile.d/gateway-conda.sh", "/etc/profile.d", true, "etc/profile.d/conda.sh", posixSource, "login shells"},
		{"/etc/bash.bashrc", "/etc/bash.bashrc", false, "etc/profile.d/conda.sh", posixSource, "interactive bash"},
		{"/etc/zsh/zshenv", "/etc/zsh", false, "etc/profile.d/conda.sh", posixSource, "zsh"},
		{"/etc/fish/conf.d/gateway-conda.fish", "/etc/fish/conf.d", true, "etc/fish/conf.d/conda.fish", "test -r %[1]s; and source %[1]s", "fish"},
	}
}

const (
	blockBegin = "# >>> gateway setup conda >>>"
	blockEnd   = "# <<< gateway setup conda <<<"
)

// text is what the file shall hold, given what it holds.
func (f shellFile) text(old, prefix string) string {
	line := fmt.Sprintf(f.syntax, path.Join(prefix, f.source))
	if f.own {
		return "# Written by gateway setup conda.\n" + line + "\n"
	}
	return withBlock(old, line)
}

// withBlock puts the line between our marks, in place of what was there or at the end.
func withBlock(old, line string) string {
	block := []string{blockBegin + "\n", line + "\n", blockEnd + "\n"}
	lines := slices.Collect(strings.Lines(old))
	end := lastIndex(lines, block[2])
	if begin := lastIndex(lines[:max(end, 0)], block[0]); begin >= 0 {
		return strings.Join(slices.Replace(lines, begin, end+1, block...), "")
	}
	if old != "" && !strings.HasSuffix(old, "\n") {
		old += "\n"
	}
	return old + strings.Join(block, "")
}

func lastIndex(lines []string, line string) int {
	for i, l := range slices.Backward(lines) {
		if l == line {
			return i
		}
	}
	return -1
}

// shells are the changes by which the shells of all users find conda.
func (s *Step) shells(m host.Machine) ([]host.Change, error) {
	var changes []host.Change
	for _, f := range shellFiles() {
		if _, err := m.Stat(f.needs); err != nil {
			continue // the shell is not there
		}
		change, err := host.Edit(m, f.path, func(old string) string { return f.text(old, s.config.Prefix) }, "write "+f.path,
			"conda and `conda activate` work in "+f.serves+" of all users")
		if err != nil {
			return nil, err
		}
		changes = append(changes, change...)
	}
	return changes, nil
}

// command is where programs that know no prefix find conda.
const command = "/usr/local/bin/conda"

// link is the change by which scripts, services and cron find conda.
func (s *Step) link(m host.Machine) (changes []host.Change, refusal *host.Refusal, err error) {
	target := path.Join(s.config.Prefix, "bin/conda")
	info, err := m.Lstat(command)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, nil, err
	case info.Mode()&fs.ModeSymlink == 0:
		return nil, &host.Refusal{
			What:    command + " is there, and it is no link",
			Why:     "it may be a program that others need, and it would be found in front of " + target,
			Instead: "see what it is, and rename it if it is not needed",
		}, nil
	default:
		if now, err := os.Readlink(m.Path(command)); err == nil && now == target {
			return nil, nil, nil
		}
	}
	return []host.Change{{
		What: fmt.Sprintf("link %s to %s", command, target),
		Why:  "scripts, services and cron have conda in their PATH, too",
		Acts: []host.Act{host.Symlink{Path: command, Target: target}},
	}}, nil, nil
}
