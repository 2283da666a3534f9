package sshd

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// mends puts the modes of an account's .ssh right where others could write to it,
// or its owner could not read it: sshd takes no key from there then. What root
// keeps for a user, and the user can read, is left as it is.
func mends(m host.Machine, a account.Account) []host.Attributes {
	var all []host.Attributes
	if info, err := m.Lstat(a.Home); err == nil && info.IsDir() && a.Home != "/" && info.Mode().Perm()&0o002 != 0 {
		all = append(all, host.Attributes{Path: a.Home, Perm: info.Mode().Perm() &^ 0o022, Owner: ownerOf(info, a)})
	}
	folder := path.Join(a.Home, ".ssh")
	info, err := m.Lstat(folder)
	if err != nil || !info.IsDir() {
		return all
	}
	if bad(info, a) {
		all = append(all, host.Attributes{Path: folder, Perm: 0o700, Owner: a.Owner(), Within: a.Home})
	}
	for _, name := range []string{"authorized_keys", "authorized_keys2"} {
		file := path.Join(folder, name)
		if info, err := m.Lstat(file); err == nil && info.Mode().IsRegular() && bad(info, a) {
			all = append(all, host.Attributes{Path: file, Perm: 0o600, Owner: a.Owner(), Within: a.Home})
		}
	}
	return all
}

func bad(info fs.FileInfo, a account.Account) bool {
	mode := info.Mode().Perm()
	readable := fs.FileMode(0o004)
	if info.IsDir() {
		readable = 0o001
	}
	switch owner := ownerOf(info, a); {
	case mode&0o022 != 0:
		return true
	case owner.UID == a.UID:
		return false
	case owner.UID == 0:
		return mode&readable == 0
	}
	return true
}

func ownerOf(info fs.FileInfo, a account.Account) host.Owner {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return host.Owner{UID: int(stat.Uid), GID: int(stat.Gid)}
	}
	return a.Owner()
}

// mendChanges are one change for every account whose modes are wrong, root's too.
func mendChanges(m host.Machine, d account.Database) []host.Change {
	var changes []host.Change
	people := d.People()
	if root, found := d.Account("root"); found {
		people = append(people, root)
	}
	for _, a := range people {
		all := mends(m, a)
		if len(all) == 0 {
			continue
		}
		var acts []host.Act
		var what []string
		for _, act := range all {
			acts = append(acts, act)
			what = append(what, fmt.Sprintf("%s to %04o", act.Path, act.Perm))
		}
		changes = append(changes, host.Change{
			What: "set the mode of " + strings.Join(what, ", "),
			Why:  "others than " + a.Name + " can write there, or " + a.Name + " can't read it, so sshd takes no key from it",
			Acts: acts,
		})
	}
	return changes
}
