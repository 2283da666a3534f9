// Package account tells who there is on a machine, who may become root, whose
// ssh key works, and whose login gateway was started from. It only reads.
//
// The steps of `gateway setup` ask it before they close a door: what it calls a
// working admin is somebody who can come in by key and become root.
package account

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"gateway/cmd/internal/host"
)

// Account is one line of /etc/passwd.
type Account struct {
	Name     string
	UID, GID int
	Home     string
	Shell    string // "" in the file is /bin/sh (passwd(5))
}

// Owner is the account as the owner of files.
func (a Account) Owner() host.Owner { return host.Owner{UID: a.UID, GID: a.GID} }

// Group is one line of /etc/group.
type Group struct {
	Name    string
	GID     int
	Members []string // without those who have it as their primary group
}

// Database is what /etc/passwd, /etc/group and /etc/shadow say. Accounts of a
// directory service (LDAP, SSSD) are not in it.
type Database struct {
	Accounts  []Account
	Groups    []Group
	passwords map[string]Password // nil: /etc/shadow can't be read by us
}

// Read reads the accounts of a machine. Passwords stay unknown where only root
// can see their state.
func Read(m host.Machine) (Database, error) {
	passwd, err := m.ReadFile("/etc/passwd")
	if err != nil {
		return Database{}, fmt.Errorf("reading the accounts: %w", err)
	}
	group, err := m.ReadFile("/etc/group")
	if err != nil {
		return Database{}, fmt.Errorf("reading the groups: %w", err)
	}
	d := Database{Accounts: parsePasswd(string(passwd)), Groups: parseGroup(string(group))}
	shadow, err := m.ReadFile("/etc/shadow")
	switch {
	case err == nil:
		d.passwords = parseShadow(string(shadow))
	case !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist):
		return Database{}, fmt.Errorf("reading the state of the passwords: %w", err)
	}
	return d, nil
}

// Account finds an account by its name.
func (d Database) Account(name string) (Account, bool) {
	return find(d.Accounts, func(a Account) bool { return a.Name == name })
}

// ByUID finds the first account with a number.
func (d Database) ByUID(uid int) (Account, bool) {
	return find(d.Accounts, func(a Account) bool { return a.UID == uid })
}

// Group finds a group by its name.
func (d Database) Group(name string) (Group, bool) {
	return find(d.Groups, func(g Group) bool { return g.Name == name })
}

// ByGID finds the first group with a number.
func (d Database) ByGID(gid int) (Group, bool) {
	return find(d.Groups, func(g Group) bool { return g.GID == gid })
}

func find[T any](all []T, fits func(T) bool) (T, bool) {
	if i := slices.IndexFunc(all, fits); i >= 0 {
		return all[i], true
	}
	var none T
	return none, false
}

// GroupsOf names the groups of an account, the primary one first.
func (d Database) GroupsOf(a Account) []string {
	var names []string
	for _, g := range d.Groups {
		switch {
		case g.GID == a.GID:
			names = slices.Insert(names, 0, g.Name)
		case slices.Contains(g.Members, a.Name):
			names = append(names, g.Name)
		}
	}
	return names
}

// Joined is the database once an account is in more groups than it is today.
func (d Database) Joined(name string, groups []string) Database {
	d.Groups = slices.Clone(d.Groups)
	for i, g := range d.Groups {
		if slices.Contains(groups, g.Name) {
			d.Groups[i].Members = append(slices.Clone(g.Members), name)
		}
	}
	return d
}

// Password is the state of an account's password; it is unknown to anybody but root.
func (d Database) Password(name string) Password { return d.passwords[name] }

// People are the accounts that somebody can log in with, root left out.
func (d Database) People() []Account {
	var people []Account
	for _, a := range d.Accounts {
		if a.UID != 0 && a.HasShell() {
			people = append(people, a)
		}
	}
	return people
}

// HasShell tells whether a login ends in a shell, and not in a program that says
// no, such as nologin(8) or false(1).
func (a Account) HasShell() bool {
	base := a.Shell[strings.LastIndexByte(a.Shell, '/')+1:]
	return !slices.Contains([]string{"nologin", "false", "true", "sync", "halt", "shutdown"}, base)
}

// parsePasswd reads lines of "name:password:uid:gid:gecos:home:shell"; what is no
// such line, as the "+" of NIS, is left out.
func parsePasswd(text string) []Account {
	var accounts []Account
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) != 7 || f[0] == "" {
			continue
		}
		uid, uidErr := number(f[2])
		gid, gidErr := number(f[3])
		if uidErr == nil && gidErr == nil {
			accounts = append(accounts, Account{Name: f[0], UID: uid, GID: gid, Home: f[5], Shell: f[6]})
		}
	}
	return accounts
}

// parseGroup reads lines of "name:password:gid:member,member".
func parseGroup(text string) []Group {
	var groups []Group
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) != 4 || f[0] == "" {
			continue
		}
		gid, err := number(f[2])
		if err != nil {
			continue
		}
		members := strings.FieldsFunc(f[3], func(r rune) bool { return r == ',' || r == ' ' })
		groups = append(groups, Group{Name: f[0], GID: gid, Members: members})
	}
	return groups
}

// number reads a uid or gid, which have 32 bits.
func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err
}
