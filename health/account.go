package health

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"
)

// account is who a backend runs as.
type account struct {
	name, home string
	uid, gid   uint32
	groups     []uint32
	change     bool // differs from who gateway is
}

// lookupAccount finds a user by name or number; "" is gateway's own account.
func lookupAccount(name string) (account, error) {
	found, err := lookupUser(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		return account{}, fmt.Errorf("no user %q on this host", name)
	}
	if err != nil {
		return account{}, fmt.Errorf("user %q can not be looked up: %w", name, err)
	}
	who := account{name: found.Username, home: cmp.Or(found.HomeDir, "/")}
	uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
	if err := cmp.Or(uidErr, gidErr); err != nil {
		return account{}, fmt.Errorf("user %q has no numeric id: %w", name, err)
	}
	who.uid, who.gid = uint32(uid), uint32(gid)
	who.change = name != "" && int(who.uid) != os.Geteuid()
	if who.change {
		who.groups, err = supplementary(found)
	}
	return who, err
}

func lookupUser(name string) (*user.User, error) {
	if name == "" {
		if me, err := user.Current(); err == nil {
			return me, nil
		}
		// A container may run as a number that no file names.
		id := strconv.Itoa(os.Geteuid())
		return &user.User{Uid: id, Gid: strconv.Itoa(os.Getegid()), Username: id, HomeDir: os.Getenv("HOME")}, nil
	}
	found, err := user.Lookup(name)
	if err != nil {
		if byID, idErr := user.LookupId(name); idErr == nil {
			return byID, nil
		}
	}
	return found, err
}

func supplementary(u *user.User) ([]uint32, error) {
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of user %q: %w", u.Username, err)
	}
	var groups []uint32
	for _, id := range ids {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("groups of user %q: %w", u.Username, err)
		}
		groups = append(groups, uint32(n))
	}
	return groups, nil
}

// credential is nil when the process stays who gateway is: only root may call
// setgroups(2), even with the groups it already has.
func (a account) credential() *syscall.Credential {
	if !a.change {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups}
}

// may tells whether the account has a permission (4 read, 2 write, 1 execute)
// by the mode bits of a file; access lists are not looked at.
func (a account) may(info fs.FileInfo, bit fs.FileMode) bool {
	mode := info.Mode().Perm()
	if a.uid == 0 {
		return bit != 1 || info.IsDir() || mode&0o111 != 0
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return true
	case owner.Uid == a.uid:
		return mode&(bit<<6) != 0
	case owner.Gid == a.gid || slices.Contains(a.groups, owner.Gid):
		return mode&(bit<<3) != 0
	}
	return mode&bit != 0
}
