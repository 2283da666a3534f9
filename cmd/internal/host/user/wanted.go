package user

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// defaultShell is that of a new account whose table names none.
const defaultShell = "/bin/bash"

// wanted is an account that shall be there, as a table describes it.
type wanted struct {
	Config
	password []byte // to be set whatever there is; nil: none
}

func (w wanted) plan(ctx context.Context, s *sight, p *host.Plan) error {
	keys, ok := w.keys(s, p)
	if !ok {
		return nil
	}
	a, ok, err := w.planAccount(ctx, s, p)
	if err != nil || !ok {
		return err
	}
	w.planGroups(s, a, p)
	if err := planKeys(ctx, s, a, keys, p); err != nil {
		return err
	}
	hasPassword, err := w.planPassword(s, a, p)
	if err != nil {
		return err
	}
	if err := w.planSudo(ctx, s, a, hasPassword, p); err != nil {
		return err
	}
	if len(keys) > 0 {
		tellKeptOut(ctx, s, a, w.joins(s), p)
	}
	return nil
}

// planAccount makes the account, or gives the one that is there another shell, and
// returns it as it will be. It is not ok where it was refused.
func (w wanted) planAccount(ctx context.Context, s *sight, p *host.Plan) (a account.Account, ok bool, err error) {
	a, found := s.Account(w.Name)
	switch {
	case found && a.UID == 0:
		refuse(p, w.Name+" is another name of root", "nobody may log in as root, and an admin uses sudo", "choose another name")
		return a, false, nil
	case !found:
		a, ok = w.planNew(ctx, s, p)
		return a, ok, nil
	}
	err = w.planShell(ctx, s, a, p)
	if w.Shell != "" {
		a.Shell = w.Shell
	}
	return a, err == nil, err
}

// joins are the groups that the account will be in besides those of today.
func (w wanted) joins(s *sight) []string {
	if w.Sudo != SudoPassword {
		return w.Groups
	}
	group, _ := sudoGroup(s) // planSudo has told why there is none
	return append(slices.Clone(w.Groups), group)
}

// keys are those of the table and of its file.
func (w wanted) keys(s *sight, p *host.Plan) (keys []account.Key, ok bool) {
	keys, wrong := account.ParseKeys([]byte(strings.Join(w.AuthorizedKeys, "\n")))
	if w.KeyFile != "" {
		text, err := account.ReadKeyFile(s.Machine, w.KeyFile)
		if err != nil && s.unseen(p, w.KeyFile, err) == nil {
			return keys, true
		}
		if err != nil {
			wrong = append(wrong, err)
		}
		more, bad := account.ParseKeys(text)
		for _, err := range bad {
			wrong = append(wrong, fmt.Errorf("%s: %w", w.KeyFile, err))
		}
		if err == nil && len(more)+len(bad) == 0 {
			wrong = append(wrong, fmt.Errorf("%s holds no key", w.KeyFile))
		}
		keys = append(keys, more...)
	}
	for _, err := range wrong {
		refuse(p, fmt.Sprintf("a key of %s can't be used: %v", w.Name, err), "the account could not be reached with it", "give the public key as the .pub file has it")
	}
	return keys, len(wrong) == 0
}

// planShell changes the shell of an account if the table names another. One that
// lets nobody in must not be that of the last admin.
func (w wanted) planShell(ctx context.Context, s *sight, a account.Account, p *host.Plan) error {
	if w.Shell == "" || w.Shell == a.Shell || !shellThere(s, w.Shell, p) {
		return nil
	}
	if !(account.Account{Shell: w.Shell}).HasShell() {
		last, err := lastWayOf(ctx, s, a.Name, func(account.Admin) account.Admin { return account.Admin{} })
		if err != nil {
			return err
		}
		if last {
			refuseLast(p, a.Name, "the shell is "+w.Shell)
			return nil
		}
	}
	p.Changes = append(p.Changes, shellChange(a, w.Shell))
	return nil
}

func shellChange(a account.Account, shell string) host.Change {
	return host.Change{
		What: fmt.Sprintf("change the shell of %s from %s to %s", a.Name, a.Shell, shell),
		Why:  "that is what a login starts",
		Acts: []host.Act{host.Program{
			Do:   host.Command{Argv: []string{"usermod", "--shell", shell, a.Name}},
			Undo: []host.Command{onlyIf(a.Name, "usermod", "--shell", a.Shell, a.Name)},
		}},
	}
}

// shellThere refuses a shell that would let nobody in, which useradd only warns of.
func shellThere(s *sight, shell string, p *host.Plan) bool {
	known, _ := Shells(s.Machine) // a host without the file has no such list
	info, err := s.Stat(shell)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		refuse(p, "the shell "+shell+" is not on this host", "nobody could log in with it",
			"install it (apt-get install "+shell[strings.LastIndexByte(shell, '/')+1:]+"), or choose one of "+strings.Join(known, ", "))
		return false
	}
	if len(known) > 0 && !slices.Contains(known, shell) {
		p.Notes = append(p.Notes, shell+" is not in /etc/shells: some programs treat accounts with it as closed")
	}
	return true
}

// Shells lists the shells that accounts of a machine may have (shells(5)).
func Shells(m host.Machine) ([]string, error) {
	text, err := m.ReadFile("/etc/shells")
	if err != nil {
		return nil, err
	}
	known := []string{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") && !slices.Contains(known, line) {
			known = append(known, line)
		}
	}
	return known, nil
}

// planGroups joins the groups that the account is not in.
func (w wanted) planGroups(s *sight, a account.Account, p *host.Plan) {
	for _, name := range w.Groups {
		if _, found := s.Group(name); !found {
			refuse(p, "there is no group "+name, "an account can only join a group that is there", "make it with `groupadd "+name+"`, or leave it out")
			continue
		}
		if slices.Contains(s.GroupsOf(a), name) {
			continue
		}
		change := joinChange(a, name, "the group is wanted")
		if likeRoot(name) {
			change.Why = "the group is wanted, though whoever is in it can become root by it"
		}
		p.Changes = append(p.Changes, change)
	}
}

// likeRoot knows the groups that are as good as root without sudo: they start
// containers with the disk mounted, or read and write it themselves.
func likeRoot(group string) bool {
	return slices.Contains([]string{"docker", "lxd", "incus-admin", "libvirt", "disk", "shadow", "root"}, group)
}

func joinChange(a account.Account, group, why string) host.Change {
	return host.Change{
		What: fmt.Sprintf("add %s to the group %s", a.Name, group), Why: why,
		Acts: []host.Act{host.Program{
			Do:   host.Command{Argv: []string{"usermod", "--append", "--groups", group, a.Name}},
			Undo: []host.Command{leaveGroup(a.Name, group)},
		}},
	}
}

// leaveGroup is gpasswd(1), which fails for somebody who is not in the group.
func leaveGroup(name, group string) host.Command {
	const script = `getent group "$2" | cut -d: -f4 | tr , '\n' | grep -qxF -- "$1" || exit 0; exec gpasswd --delete "$1" "$2"`
	return host.Command{Argv: []string{"sh", "-c", script, "sh", name, group}}
}

func (w wanted) verify(ctx context.Context, m host.Machine) error {
	d, err := account.Read(m)
	if err != nil {
		return err
	}
	a, found := d.Account(w.Name)
	if !found {
		return fmt.Errorf("there is no account %s, although useradd succeeded: look at `journalctl -t useradd`", w.Name)
	}
	var failed []error
	for _, group := range w.Groups {
		if !slices.Contains(d.GroupsOf(a), group) {
			failed = append(failed, fmt.Errorf("%s is not in the group %s, although usermod succeeded", w.Name, group))
		}
	}
	return errors.Join(append(failed, w.verifySudo(ctx, m, d))...)
}
