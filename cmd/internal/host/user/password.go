package user

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// passwordLimit is the longest password that is taken, in bytes: what crypt(5)
// takes whole with every method.
const passwordLimit = 511

// CheckPassword tells why a password can't be set; the error does not hold it.
func CheckPassword(password []byte) error {
	switch {
	case len(password) == 0:
		return errors.New("the password is empty: everybody could log in")
	case len(password) > passwordLimit:
		return fmt.Errorf("the password has %d bytes: at most %d are possible", len(password), passwordLimit)
	case bytes.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the password has a control character, such as an end of line, in it: nobody could type it")
	}
	return nil
}

// planPassword sets the password that was asked for, or the one of the file if
// the account has none. It tells whether the account has one afterwards.
func (w wanted) planPassword(s *sight, a account.Account, p *host.Plan) (has bool, err error) {
	state := s.Password(a.Name)
	password, source := w.password, "the password"
	if password == nil && w.PasswordFile != "" && state != account.PasswordSet {
		source = w.PasswordFile
		var ok bool
		if password, ok = w.filed(s, p); !ok {
			return false, nil
		}
	}
	if password == nil {
		return state == account.PasswordSet, nil
	}
	if err := CheckPassword(password); err != nil {
		refuse(p, fmt.Sprintf("%s of %s: %v", source, a.Name, err), "it would not be a password", "choose another")
		return false, nil
	}
	p.Changes = append(p.Changes, passwordChange(a, state, password))
	return true, nil
}

// filed is the password in the file of the table.
func (w wanted) filed(s *sight, p *host.Plan) (password []byte, ok bool) {
	const instead = "write it alone into that file, for root to read only (chmod 600)"
	text, err := account.ReadKeyFile(s.Machine, w.PasswordFile)
	if err != nil {
		if s.unseen(p, w.PasswordFile, err) != nil {
			refuse(p, fmt.Sprintf("the password of %s can't be read: %v", w.Name, err), "the account would have none", instead)
		}
		return nil, false
	}
	if info, err := s.Stat(w.PasswordFile); err == nil && info.Mode().Perm()&0o007 != 0 {
		refuse(p, fmt.Sprintf("%s can be read by everybody on this host (mode %04o)", w.PasswordFile, info.Mode().Perm()), "everybody would know the password of "+w.Name, instead)
		return nil, false
	}
	return bytes.TrimRight(text, "\r\n"), true
}

// passwordChange gives the password to chpasswd(8) by its standard input: a
// command line is there for everybody to see.
func passwordChange(a account.Account, state account.Password, password []byte) host.Change {
	change := host.Change{What: "set the password of " + a.Name, Why: "the account has none that fits"}
	set := host.Program{Do: host.Command{Argv: []string{"chpasswd"}, Stdin: fmt.Appendf(nil, "%s:%s\n", a.Name, password)}}
	switch state {
	case account.PasswordLocked, account.PasswordUnknown:
		set.Undo = []host.Command{onlyIf(a.Name, "usermod", "--password", "!", a.Name)}
	default:
		change.Why = "another one was asked for"
		change.NoUndo = "the old password is not kept anywhere"
	}
	change.Acts = []host.Act{set}
	return change
}

// locked is an account whose password shall not fit any more.
type locked struct{ name string }

func (l locked) plan(ctx context.Context, s *sight, p *host.Plan) error {
	a, found := existing(s, l.name, p)
	if !found || s.Password(l.name) == account.PasswordLocked {
		return nil
	}
	right, err := account.SudoOf(ctx, s.Machine, l.name)
	if err != nil {
		return err
	}
	if right == account.SudoPassword {
		refuse(p, "sudo asks "+l.name+" for the password that shall be locked", l.name+" could never become root again",
			"let sudo not ask first: `gateway setup user add "+l.name+" --sudo=nopasswd`")
		return nil
	}
	last, err := lastWayOf(ctx, s, l.name, withoutPassword)
	if err != nil {
		return err
	}
	if last {
		refuse(p, "no key lets "+l.name+" in, who is the last admin", "nobody could administrate this host over ssh",
			"add one first: `gateway setup user key "+l.name+" --add FILE`")
		return nil
	}
	p.Changes = append(p.Changes, host.Change{
		What: "lock the password of " + l.name, Why: "no password fits then; keys still do",
		Acts: []host.Act{host.Program{
			Do:   host.Command{Argv: []string{"usermod", "--lock", a.Name}},
			Undo: []host.Command{onlyIf(a.Name, "usermod", "--unlock", a.Name)},
		}},
	})
	return nil
}

// withoutPassword is an admin whose password fits no more: without a key there is
// no way in.
func withoutPassword(admin account.Admin) account.Admin {
	if len(admin.Keys.Usable) == 0 {
		return account.Admin{}
	}
	admin.Password = account.PasswordLocked
	return admin
}

func (l locked) verify(_ context.Context, m host.Machine) error {
	d, err := account.Read(m)
	if state := d.Password(l.name); err == nil && state != account.PasswordLocked {
		err = fmt.Errorf("the password of %s is %s, although usermod succeeded", l.name, state)
	}
	return err
}
