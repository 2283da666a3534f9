package user

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"
	"syscall"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Modes of what holds keys. sshd asks only that nobody else can write, but what
// an account trusts is nobody's business.
const (
	keyDirPerm  fs.FileMode = 0o700
	keyFilePerm fs.FileMode = 0o600
)

// place is where sshd looks for the keys of an account.
type place struct {
	file   string // with the links followed that root made
	within string // the home, below which the account decides; "": only root writes there
	text   []byte // what is in it now
	owner  host.Owner
}

// findPlace finds the file of keys, and reads it.
func findPlace(ctx context.Context, s *sight, a account.Account, p *host.Plan) (place, error) {
	file := keyFile(ctx, s, a, p)
	real, err := s.RealPath(file)
	if err != nil {
		return place{}, err
	}
	home, err := s.RealPath(a.Home)
	if err != nil {
		return place{}, err
	}
	at := place{file: real}
	if strings.HasPrefix(real, strings.TrimSuffix(home, "/")+"/") {
		at.within, at.owner = home, a.Owner()
	}
	at.text, err = account.ReadKeyFile(s.Machine, real)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return place{}, err
	}
	return at, nil
}

// keyFile is the first of AuthorizedKeysFile, which sshd is asked for.
func keyFile(ctx context.Context, s *sight, a account.Account, p *host.Plan) string {
	var settings account.Settings
	if s.isRoot() && account.Installed(s.Machine, "sshd") {
		var err error
		if settings, err = account.SSHD(ctx, s.Machine, a.Name, netip.Addr{}); err != nil {
			p.Notes = append(p.Notes, fmt.Sprintf("sshd does not say where it looks for keys, so the usual file is taken: %v", err))
		}
	}
	if files := settings.KeyFiles(a); len(files) > 0 {
		return files[0]
	}
	p.Notes = append(p.Notes, "sshd looks for keys in no file (AuthorizedKeysFile none): those of "+a.Name+" have no effect")
	return path.Join(a.Home, ".ssh/authorized_keys")
}

// planKeys adds keys, and mends owners and modes of what is there, keys or not.
func planKeys(ctx context.Context, s *sight, a account.Account, keys []account.Key, p *host.Plan) error {
	if !homeForKeys(s, a, len(keys) > 0, p) {
		return nil
	}
	at, err := findPlace(ctx, s, a, p)
	if err != nil {
		return keysUnread(s, a, err, p)
	}
	text := at.text
	if len(keys) > 0 {
		text = account.Merge(at.text, keys)
		p.Notes = append(p.Notes, keptOptions(at, keys)...)
	}
	return planKeyFile(s, a, at, text, fmt.Sprintf("add %s to %s", counted(added(at.text, text), "key"), at.file), p)
}

// keptOptions tells of keys that are there already, with other options than those
// that are asked for: "from" or "command" may keep the account out all the same.
func keptOptions(at place, keys []account.Key) []string {
	var notes []string
	there, _ := account.ParseKeys(at.text)
	for _, key := range keys {
		i := slices.IndexFunc(there, key.Same)
		if i >= 0 && !slices.Equal(there[i].Options, key.Options) {
			notes = append(notes, fmt.Sprintf("%s has the key %s already, and it keeps its options there (%s): to have others, take it away first, with `gateway setup user key`",
				at.file, key, optionsOf(there[i])))
		}
	}
	return notes
}

func optionsOf(key account.Key) string {
	if len(key.Options) == 0 {
		return "none"
	}
	return strings.Join(key.Options, ",")
}

// homeForKeys refuses keys for an account that is there and has no home of its
// own, as those of programs, to put them in.
func homeForKeys(s *sight, a account.Account, needed bool, p *host.Plan) bool {
	if _, found := s.Account(a.Name); !found {
		return true // it gets one
	}
	info, err := s.Stat(a.Home)
	if errors.Is(err, fs.ErrPermission) || err == nil && info.IsDir() && path.Clean(a.Home) != "/" && path.IsAbs(a.Home) {
		return true
	}
	if needed {
		refuse(p, fmt.Sprintf("%s has no home (%q)", a.Name, a.Home), "there is no place for its keys", "make one: `mkhomedir_helper "+a.Name+"`")
	}
	return false
}

// planKeyFile writes the file of keys with a new text, if it is new.
func planKeyFile(s *sight, a account.Account, at place, text []byte, what string, p *host.Plan) error {
	acts, mended, err := at.mend(s)
	var made []host.Act
	if err == nil && len(text) > 0 {
		made, err = at.folders(s)
	}
	if err != nil {
		return s.unseen(p, "the keys of "+a.Name, err)
	}
	if len(mended) > 0 {
		p.Changes = append(p.Changes, host.Change{
			What: "set owner and mode of " + strings.Join(mended, " and "), Why: "sshd takes no key from what others can write to, and nobody else needs to read it", Acts: acts,
		})
	}
	if bytes.Equal(text, at.text) {
		return nil
	}
	p.Changes = append(p.Changes, host.Change{
		What: what, Why: "whoever holds one of the keys in it can log in as " + a.Name,
		Diff: host.Diff(at.file, at.text, text),
		Acts: append(made, host.File{Path: at.file, Data: text, Perm: at.perm(), Owner: at.owner, Within: at.within}),
	})
	return nil
}

// perm is the mode of the file: one that root keeps for all is read by sshd as
// the account.
func (at place) perm() fs.FileMode {
	if at.within == "" {
		return 0o644
	}
	return keyFilePerm
}

// folders makes what is missing of the way to the file of keys.
func (at place) folders(s *sight) (acts []host.Act, err error) {
	perm := keyDirPerm
	if at.within == "" {
		perm = 0o755 // sshd goes through it as the account
	}
	for dir := path.Dir(at.file); dir != at.within && dir != "/"; dir = path.Dir(dir) {
		if _, err := s.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return acts, err
		}
		acts = slices.Insert(acts, 0, host.Act(host.Folder{Path: dir, Perm: perm, Owner: at.owner, Within: at.within}))
	}
	return acts, nil
}

// mend sets right what is there of the folder and the file, and names it.
func (at place) mend(s *sight) (acts []host.Act, mended []string, err error) {
	if at.within == "" {
		return nil, nil, nil
	}
	for _, part := range []struct {
		path string
		perm fs.FileMode
	}{{path.Dir(at.file), keyDirPerm}, {at.file, keyFilePerm}} {
		info, err := s.Lstat(part.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, nil, err
		case part.path != at.within && at.isWrong(info):
			acts = append(acts, host.Attributes{Path: part.path, Perm: part.perm, Owner: at.owner, Within: at.within})
			mended = append(mended, part.path)
		}
	}
	return acts, mended, nil
}

func (at place) isWrong(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return info.Mode().Perm()&0o077 != 0 || ok && (int(stat.Uid) != at.owner.UID || int(stat.Gid) != at.owner.GID)
}

// keysUnread is a file of keys that root won't read: a link of the account, a
// pipe, a flood.
func keysUnread(s *sight, a account.Account, err error, p *host.Plan) error {
	if err := s.unseen(p, "the keys of "+a.Name, err); err == nil || errors.Is(err, fs.ErrPermission) {
		return err
	}
	refuse(p, fmt.Sprintf("the keys of %s are not touched: %v", a.Name, err), "root would read and write what the account chose", "let "+a.Name+" put a plain folder .ssh and a plain file there")
	return nil
}

func added(before, after []byte) int {
	old, _ := account.ParseKeys(before)
	now, _ := account.ParseKeys(after)
	return len(now) - len(old)
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
