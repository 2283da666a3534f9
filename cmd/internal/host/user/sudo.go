package user

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// ruleFile is where the right to sudo without a password is written. sudo passes
// over names with a dot, which no name of ours has.
func ruleFile(name string) string { return "/etc/sudoers.d/gateway-" + name }

func rule(name string) []byte {
	return []byte("# Written by gateway setup.\n" + name + " ALL=(ALL:ALL) NOPASSWD: ALL\n")
}

// planSudo gives the right to sudo that is wanted and not there yet. It refuses
// to leave an admin who can't become root.
func (w wanted) planSudo(ctx context.Context, s *sight, a account.Account, hasPassword bool, p *host.Plan) error {
	if w.Sudo == "" || w.Sudo == SudoNo {
		return nil
	}
	if !account.Installed(s.Machine, "sudo") {
		refuse(p, "there is no sudo on this host", a.Name+" could not become root", "install it with `apt-get install sudo`")
		return nil
	}
	if !s.isRoot() {
		p.Notes = append(p.Notes, "what sudo allows can only be seen by root: the plan of `sudo gateway setup plan user` is complete")
		return nil
	}
	right := account.SudoNone
	if _, found := s.Account(a.Name); found {
		var err error
		if right, err = account.SudoOf(ctx, s.Machine, a.Name); err != nil {
			return err
		}
	}
	if right == account.SudoFree {
		return nil
	}
	if w.Sudo == SudoFree {
		return planFree(s, a, p)
	}
	if !hasPassword {
		refuse(p, "sudo would ask "+a.Name+" for a password, and the account has none", a.Name+" could log in by key, but never become root",
			`set a password (--password asks for it, password_file names a file that holds it), or let sudo not ask: "nopasswd"`)
		return nil
	}
	if right == account.SudoNone {
		return planSudoGroup(s, a, p)
	}
	return nil
}

// planFree writes a rule for sudo without a password.
func planFree(s *sight, a account.Account, p *host.Plan) error {
	sudoers, err := s.ReadFile("/etc/sudoers")
	if err != nil {
		return fmt.Errorf("looking for the rules of sudo: %w", err)
	}
	if !includes.Match(sudoers) {
		refuse(p, "/etc/sudoers does not include /etc/sudoers.d", "a rule for "+a.Name+" written there would have no effect", `add the line "@includedir /etc/sudoers.d" with visudo`)
		return nil
	}
	before, err := s.ReadFile(ruleFile(a.Name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	p.Changes = append(p.Changes, host.Change{
		What: "let " + a.Name + " do everything by sudo, without a password",
		Why:  "the account shall administrate this host; whoever has its key is root then",
		Diff: host.Diff(ruleFile(a.Name), before, rule(a.Name)),
		Acts: []host.Act{
			host.File{Path: ruleFile(a.Name), Data: rule(a.Name), Perm: 0o440},
			// One bad rule makes sudo refuse everybody, so it is judged at once; by itself,
			// since visudo also finds fault with files of others that sudo takes.
			host.Program{Do: host.Command{Argv: []string{"visudo", "--check", "--file=" + ruleFile(a.Name)}}},
		},
	})
	return nil
}

// includes matches the line by which sudo reads the folder of rules (sudoers(5));
// "#includedir" is no comment.
var includes = regexp.MustCompile(`(?m)^\s*[@#]includedir\s+"?/etc/sudoers\.d/?"?\s*$`)

// planSudoGroup joins the group that may do everything.
func planSudoGroup(s *sight, a account.Account, p *host.Plan) error {
	group, err := sudoGroup(s)
	if err != nil {
		return err
	}
	if group == "" {
		refuse(p, "no group of this host may do everything by sudo", "there is none of sudo, wheel and admin in the rules of sudo", `add the line "%sudo ALL=(ALL:ALL) ALL" with visudo, and a group of that name`)
		return nil
	}
	p.Changes = append(p.Changes, joinChange(a, group, "whoever is in it may do everything by sudo, after their own password"))
	return nil
}

// sudoGroup is the first of the usual groups that is there and has a rule: sudo
// on Debian and Ubuntu, wheel elsewhere, admin on old Ubuntu.
func sudoGroup(s *sight) (string, error) {
	rules, err := allRules(s)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"sudo", "wheel", "admin"} {
		if _, found := s.Group(name); found && grants(rules, name) {
			return name, nil
		}
	}
	return "", nil
}

func allRules(s *sight) (string, error) {
	text, err := s.ReadFile("/etc/sudoers")
	if err != nil {
		return "", fmt.Errorf("looking for the rules of sudo: %w", err)
	}
	rules := []string{string(text)}
	entries, err := s.ReadDir("/etc/sudoers.d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("looking for the rules of sudo: %w", err)
	}
	for _, e := range entries {
		if strings.ContainsRune(e.Name(), '.') || strings.HasSuffix(e.Name(), "~") {
			continue // sudo passes over it (sudoers(5))
		}
		if text, err := s.ReadFile(path.Join("/etc/sudoers.d", e.Name())); err == nil {
			rules = append(rules, string(text))
		}
	}
	return strings.Join(rules, "\n"), nil
}

// grants tells whether a rule lets a group do everything as root on this host.
func grants(rules, group string) bool {
	for line := range strings.Lines(rules) {
		who, what, isRule := strings.Cut(line, "=")
		f := strings.Fields(who)
		if !isRule || len(f) != 2 || f[0] != "%"+group || f[1] != "ALL" {
			continue
		}
		commands := strings.Fields(strings.TrimSpace(what))
		if len(commands) > 0 && slices.Contains(commands[len(commands)-1:], "ALL") {
			return true
		}
	}
	return false
}

// verifySudo asks sudo itself whether the account may do what was wanted: a rule
// further down in the files may say otherwise.
func (w wanted) verifySudo(ctx context.Context, m host.Machine, d account.Database) error {
	if w.Sudo == "" || w.Sudo == SudoNo {
		return nil
	}
	right, err := account.SudoOf(ctx, m, w.Name)
	switch {
	case err != nil:
		return err
	case w.Sudo == SudoFree && right != account.SudoFree:
		return fmt.Errorf("sudo still asks %s for a password: a rule behind %s says so, look at `sudo -l -U %s`", w.Name, ruleFile(w.Name), w.Name)
	case right == account.SudoNone:
		return fmt.Errorf("sudo does not let %s do everything: look at `sudo -l -U %s`", w.Name, w.Name)
	case right == account.SudoPassword && d.Password(w.Name) != account.PasswordSet:
		return fmt.Errorf("sudo asks %s for a password, and that of the account is %s", w.Name, d.Password(w.Name))
	}
	return nil
}
