package account

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"gateway/cmd/internal/host"
)

// KeyLogin is whether an account can log in by ssh key.
type KeyLogin struct {
	Usable   []Key    // that open a shell
	Problems []string // why others don't, each a sentence without its full stop
}

// KeyLogin judges the keys of an account as sshd would for a client at an
// address; the zero address stands for a client anywhere.
func (d Database) KeyLogin(m host.Machine, a Account, s Settings, from netip.Addr) KeyLogin {
	if why := d.noLogin(m, a, s, from); why != "" {
		return KeyLogin{Problems: []string{why}}
	}
	var login KeyLogin
	for _, file := range s.KeyFiles(a) {
		text, err := ReadKeyFile(m, file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			login.Problems = append(login.Problems, err.Error())
			continue
		}
		if why := d.unsafePath(m, a, s, file); why != "" {
			login.Problems = append(login.Problems, why)
			continue
		}
		login.read(s, file, text, from)
	}
	return login
}

// keyFileLimit is the most bytes that are read of a file of keys: thousands of them.
const keyFileLimit = 1 << 20

// ReadKeyFile reads a file of keys, which belongs to a user.
func ReadKeyFile(m host.Machine, file string) ([]byte, error) {
	return m.ReadRegular(file, keyFileLimit)
}

// read adds what is in one file of keys.
func (l *KeyLogin) read(s Settings, file string, text []byte, from netip.Addr) {
	if strings.HasPrefix(string(text), byteOrderMark) {
		// sshd takes the mark for a part of the first line; ParseKeys passes over it.
		l.Problems = append(l.Problems, file+" begins with a byte order mark, which hides its first key from sshd")
		_, rest, _ := strings.Cut(string(text), "\n")
		text = []byte(rest)
	}
	keys, wrong := ParseKeys(text)
	for _, err := range wrong {
		l.Problems = append(l.Problems, fmt.Sprintf("%s: %v", file, err))
	}
	for _, key := range keys {
		why := s.rejects(key)
		if why == "" {
			why = key.limited(from, time.Now())
		}
		if why != "" {
			l.Problems = append(l.Problems, fmt.Sprintf("%s: the key %s %s", file, key, why))
			continue
		}
		l.Usable = append(l.Usable, key)
	}
}

// noLogin tells what keeps an account out whatever its keys are.
func (d Database) noLogin(m host.Machine, a Account, s Settings, from netip.Addr) string {
	if why := s.admits(a.Name, d.GroupsOf(a), from); why != "" {
		return why
	}
	switch state := d.Password(a.Name); {
	case !a.HasShell():
		return "the shell " + a.Shell + " lets nobody in"
	case a.Shell != "" && !executable(m, a.Shell):
		return "the shell " + a.Shell + " is not there"
	case state == AccountExpired:
		return "the account has expired (chage -l tells when)"
	case state == PasswordStale:
		return "the password is to be changed at the next login, before anything else"
	case state == PasswordLocked && s.Get("usepam") == "no":
		return "the password is locked, and without PAM sshd refuses the whole account then (UsePAM no)"
	}
	if _, err := m.Stat("/etc/nologin"); err == nil {
		return "nobody but root may log in while there is /etc/nologin"
	}
	return ""
}

func executable(m host.Machine, file string) bool {
	info, err := m.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// limited tells why a key does not open a shell for a client, or "". Of the
// options of sshd(8) those count that keep an admin from working.
func (k Key) limited(from netip.Addr, now time.Time) string {
	for _, option := range k.Options {
		name, value, _ := strings.Cut(option, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "command":
			return "runs only one command"
		case "cert-authority":
			return "only signs the keys of others"
		case "no-pty":
			return "gives no terminal"
		case "restrict":
			if !slices.Contains(k.Options, "pty") {
				return "gives no terminal"
			}
		case "expiry-time":
			if expired(value, now) {
				return "expired at " + value
			}
		case "from":
			if !fromMatches(value, from) {
				return "works only from " + value
			}
		}
	}
	if k.Type == "ssh-dss" {
		return "is a DSA key, which sshd does not take any more"
	}
	return ""
}

// fromMatches reads the comma separated patterns of from="": one must match, and
// none that begins with "!" may.
func fromMatches(list string, from netip.Addr) bool {
	matched := false
	for pattern := range strings.SplitSeq(list, ",") {
		if not, found := strings.CutPrefix(pattern, "!"); found {
			if matchAddress(not, from) {
				return false
			}
			continue
		}
		matched = matched || matchAddress(pattern, from)
	}
	return matched
}

// expired reads YYYYMMDD[HHMM[SS]][Z] of sshd(8); what it can't read has expired.
func expired(text string, now time.Time) bool {
	zone := time.Local
	if bare, utc := strings.CutSuffix(text, "Z"); utc {
		text, zone = bare, time.UTC
	}
	layouts := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}
	at, err := time.ParseInLocation(layouts[len(text)], text, zone)
	return err != nil || !now.Before(at)
}

// unsafePath tells why sshd does not trust a file of keys (StrictModes): it, and
// every folder above it up to the home, must be writable by nobody else.
func (d Database) unsafePath(m host.Machine, a Account, s Settings, file string) string {
	if s.Get("strictmodes") == "no" {
		return ""
	}
	for at := file; ; at = path.Dir(at) {
		info, err := m.Stat(at)
		if err != nil {
			return err.Error()
		}
		if why := d.unsafe(m, a, info); why != "" {
			return at + " " + why + ", so sshd takes no key from " + file
		}
		if at == path.Clean(a.Home) || at == "/" {
			return ""
		}
	}
}

func (d Database) unsafe(m host.Machine, a Account, info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	mode := info.Mode().Perm()
	switch {
	case ok && int(stat.Uid) != a.UID && stat.Uid != 0:
		return fmt.Sprintf("belongs to user %d", stat.Uid)
	case ok && stat.Uid == 0 && int(stat.Gid) != a.GID && mode&needed(info) == 0:
		return fmt.Sprintf("belongs to root and has mode %04o: sshd reads as the user, who may not", mode)
	case mode&0o002 != 0:
		return fmt.Sprintf("has mode %04o: everybody can write to it", mode)
	case mode&0o020 != 0 && !(ok && d.private(m, a, int(stat.Gid))):
		return fmt.Sprintf("has mode %04o: its group can write to it", mode)
	}
	return ""
}

// needed is what others must be allowed to: read a file, enter a folder.
func needed(info fs.FileInfo) fs.FileMode {
	if info.IsDir() {
		return 0o001
	}
	return 0o004
}

// private tells whether Debian's sshd tolerates that a group can write: nobody
// else is in it.
func (d Database) private(m host.Machine, a Account, gid int) bool {
	if _, err := m.Stat("/etc/debian_version"); err != nil {
		return false
	}
	group, found := d.ByGID(gid)
	other := func(b Account) bool { return b.GID == gid && b.Name != a.Name }
	otherName := func(name string) bool { return name != a.Name }
	return found && !slices.ContainsFunc(d.Accounts, other) && !slices.ContainsFunc(group.Members, otherName)
}
