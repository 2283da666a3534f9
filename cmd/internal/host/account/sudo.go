package account

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"gateway/cmd/internal/host"
)

// Sudo is what sudo lets an account do.
type Sudo int

// Rights by sudo.
const (
	SudoNone     Sudo = iota // nothing, or single commands only
	SudoPassword             // everything, after its own password
	SudoFree                 // everything, without a password
)

func (s Sudo) String() string {
	switch s {
	case SudoPassword:
		return "password"
	case SudoFree:
		return "nopasswd"
	}
	return "no"
}

// MarshalText is the right in JSON.
func (s Sudo) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// SudoOf asks sudo what an account may do. Only root may ask; without sudo on
// the machine nobody may anything.
func SudoOf(ctx context.Context, m host.Machine, name string) (Sudo, error) {
	if !Installed(m, "sudo") {
		return SudoNone, nil
	}
	result, err := m.Run(ctx, host.Command{Argv: []string{"sudo", "-n", "-l", "-U", name}})
	if exit := (*host.ExitError)(nil); errors.As(err, &exit) && exit.Code == 1 && len(result.Stdout) == 0 {
		return SudoNone, nil // "unknown user", or one that is in no rule with some versions
	}
	if err != nil {
		return SudoNone, fmt.Errorf("asking sudo what %s may do: %w", name, err)
	}
	return parseSudo(string(result.Stdout)), nil
}

// parseSudo reads what `sudo -l` prints: behind "may run the following commands"
// a line for each rule, "(ALL : ALL) NOPASSWD: ALL". The last rule that fits wins.
func parseSudo(text string) Sudo {
	_, rules, _ := strings.Cut(text, "may run the following commands")
	right := SudoNone
	for line := range strings.Lines(rules) {
		line = strings.TrimSpace(line)
		runAs, commands, isRule := strings.Cut(strings.TrimPrefix(line, "("), ")")
		if !isRule || !strings.HasPrefix(line, "(") || !asRoot(runAs) {
			continue
		}
		if r, all := everything(commands); all {
			right = r
		}
	}
	return right
}

func asRoot(runAs string) bool {
	users, _, _ := strings.Cut(runAs, ":")
	for user := range strings.SplitSeq(users, ",") {
		if u := strings.TrimSpace(user); u == "ALL" || u == "root" {
			return true
		}
	}
	return false
}

// everything looks for the command ALL in "/bin/ls, NOPASSWD: ALL", where a tag
// holds for all commands behind it.
func everything(commands string) (Sudo, bool) {
	right := SudoPassword
	for command := range strings.SplitSeq(commands, ",") {
		words := strings.Fields(command)
		for len(words) > 0 && strings.HasSuffix(words[0], ":") {
			switch words[0] {
			case "NOPASSWD:":
				right = SudoFree
			case "PASSWD:":
				right = SudoPassword
			}
			words = words[1:]
		}
		if len(words) == 1 && words[0] == "ALL" {
			return right, true
		}
	}
	return SudoNone, false
}

// Installed tells whether a program is on the machine.
func Installed(m host.Machine, program string) bool { return Find(m, program) != program }

// Find gives the path of a program of the machine. What is not there keeps its
// bare name.
func Find(m host.Machine, program string) string {
	for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if at := path.Join(dir, program); executable(m, at) {
			return at
		}
	}
	return program
}
