package user

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"syscall"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// planNew makes an account with a group of its own and a home. Its number is
// chosen here and not by useradd, so that the plan can say it and the files of
// its home can be given to it.
func (w wanted) planNew(ctx context.Context, s *sight, p *host.Plan) (account.Account, bool) {
	a := account.Account{Name: w.Name, Home: w.Home, Shell: w.Shell}
	if a.Home == "" {
		a.Home = "/home/" + a.Name
	}
	if a.Shell == "" {
		a.Shell = defaultShell
	}
	if !shellThere(s, a.Shell, p) || !notElsewhere(ctx, s, a.Name, p) {
		return a, false
	}
	home, ok := lookHome(s, a, p)
	if !ok {
		return a, false
	}
	if a.UID, ok = home.uid, home.uid != 0; !ok {
		if a.UID, ok = s.numbers.next(); !ok {
			refuse(p, "no number is free for "+a.Name, "UID_MIN to UID_MAX of /etc/login.defs are all taken", "widen that range, or remove accounts")
			return a, false
		}
	}
	group, ok := ownGroup(s, &a, p)
	if !ok {
		return a, false
	}
	change := host.Change{
		What: fmt.Sprintf("add the account %s (number %d, home %s, shell %s)", a.Name, a.UID, a.Home, a.Shell),
		Why:  "there is none of that name; no password fits until one is set, keys do",
		Acts: append(group, host.Program{
			Do: host.Command{Argv: []string{"useradd", "--uid", strconv.Itoa(a.UID), "--gid", strconv.Itoa(a.GID),
				"--home-dir", a.Home, "--no-create-home", "--shell", a.Shell, a.Name}},
			Undo: []host.Command{onlyIf(a.Name, "userdel", a.Name)},
		}),
	}
	change.Acts = append(change.Acts, home.acts(s, a)...)
	p.Changes = append(p.Changes, change)
	return a, true
}

// notElsewhere refuses a name that a directory service has: useradd sees only
// the local files, and there would be two of that name.
func notElsewhere(ctx context.Context, s *sight, name string, p *host.Plan) bool {
	_, err := s.Run(ctx, host.Command{Argv: []string{"getent", "passwd", name}})
	if err == nil {
		refuse(p, name+" is an account of a directory service (LDAP, SSSD), not of /etc/passwd", "gateway changes only the accounts of this host", "change it in that directory")
	}
	return err != nil
}

// ownGroup finds or makes the group of the same name, and sets its number.
func ownGroup(s *sight, a *account.Account, p *host.Plan) ([]host.Act, bool) {
	g, found := s.Group(a.Name)
	switch {
	case found && g.GID < s.numbers.defs.uidMin:
		refuse(p, fmt.Sprintf("there is a group %s of the system (number %d)", g.Name, g.GID), "an account of that name would have all rights of the group", "choose another name")
		return nil, false
	case found:
		a.GID = g.GID
		if len(g.Members) > 0 {
			p.Notes = append(p.Notes, fmt.Sprintf("the group %s is there already, and has members: %v share the group of the account", g.Name, g.Members))
		}
		return nil, true
	}
	a.GID = a.UID
	if _, taken := s.ByGID(a.GID); taken {
		var ok bool
		if a.GID, ok = s.numbers.next(); !ok {
			refuse(p, "no number is free for the group "+a.Name, "UID_MIN to UID_MAX of /etc/login.defs are all taken", "widen that range, or remove groups")
			return nil, false
		}
	}
	return []host.Act{host.Program{
		Do:   host.Command{Argv: []string{"groupadd", "--gid", strconv.Itoa(a.GID), a.Name}},
		Undo: []host.Command{onlyIfGroup(a.Name, "groupdel", a.Name)},
	}}, true
}

// home is what is where the home of a new account shall be.
type home struct {
	path string // with the links followed that root made
	uid  int    // whose number the account gets back; 0: a new one
	new  bool   // nothing is there
}

// lookHome decides about a home that is there: one that nobody owns any more is
// given back with its number, so that the account is what it was before it was
// removed; one of root is given away; one of somebody else is refused.
func lookHome(s *sight, a account.Account, p *host.Plan) (home, bool) {
	h := home{}
	var err error
	if h.path, err = s.RealPath(a.Home); err != nil {
		refuse(p, fmt.Sprintf("the home of %s can't be told: %v", a.Name, err), "root would write where the link leads", "put the folder itself there, or choose another home")
		return h, false
	}
	info, err := s.Lstat(h.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return home{path: h.path, new: true}, parentThere(s, a, h.path, p)
	case err != nil || !info.IsDir():
		refuse(p, a.Home+" is there and is no folder", "it shall be the home of "+a.Name, "move it away, or choose another home")
		return h, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 {
		return h, true
	}
	h.uid = int(stat.Uid)
	owner, found := s.ByUID(h.uid)
	if found || h.uid < s.numbers.defs.uidMin {
		refuse(p, fmt.Sprintf("%s belongs to %s", a.Home, cmpName(owner.Name, h.uid)), "it shall be the home of "+a.Name, "move it away, or choose another home")
		return h, false
	}
	p.Notes = append(p.Notes, fmt.Sprintf("%s is there, of an account that was removed: %s gets its number %d, and with it its files", a.Home, a.Name, h.uid))
	return h, true
}

func cmpName(name string, uid int) string {
	if name == "" {
		return "user " + strconv.Itoa(uid)
	}
	return name
}

func parentThere(s *sight, a account.Account, real string, p *host.Plan) bool {
	if info, err := s.Stat(path.Dir(real)); err == nil && info.IsDir() {
		return true
	}
	refuse(p, "there is no folder "+path.Dir(real), "the home of "+a.Name+" shall be in it", "make it with `mkdir -p "+path.Dir(real)+"`, or choose another home")
	return false
}

// acts give the home to the account: a new one with what is in /etc/skel.
func (h home) acts(s *sight, a account.Account) []host.Act {
	perm := fs.FileMode(s.numbers.defs.homeMode)
	if !h.new {
		if info, err := s.Lstat(h.path); err == nil && h.uid == 0 {
			return []host.Act{host.Attributes{Path: h.path, Perm: info.Mode().Perm(), Owner: a.Owner()}}
		}
		return nil
	}
	return append([]host.Act{host.Folder{Path: h.path, Perm: perm, Owner: a.Owner()}}, skeleton(s, a, "/etc/skel", h.path, h.path)...)
}

// skeleton copies the files that every new home gets. Links and the like, which
// nobody has there, are left out.
func skeleton(s *sight, a account.Account, from, to, home string) []host.Act {
	entries, err := s.ReadDir(from)
	if err != nil {
		return nil // a system without /etc/skel
	}
	var acts []host.Act
	for _, entry := range entries {
		source, target := path.Join(from, entry.Name()), path.Join(to, entry.Name())
		info, err := s.Lstat(source)
		switch {
		case err != nil:
		case info.IsDir():
			acts = append(acts, host.Folder{Path: target, Perm: info.Mode().Perm(), Owner: a.Owner(), Within: home})
			acts = append(acts, skeleton(s, a, source, target, home)...)
		case info.Mode().IsRegular():
			if text, err := s.ReadFile(source); err == nil {
				acts = append(acts, host.File{Path: target, Data: text, Perm: info.Mode().Perm(), Owner: a.Owner(), Within: home})
			}
		}
	}
	return acts
}
