package user

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Shell makes the step that changes the shell of an account that is there.
func Shell(name, shell string) *Step { return &Step{wishes: []wish{shellOf{name, shell}}} }

// SetPassword makes the step that sets the password of an account that is there.
func SetPassword(name string, password []byte) *Step {
	return &Step{wishes: []wish{passwordOf{name, password}}}
}

// LockPassword makes the step after which no password fits any more.
func LockPassword(name string) *Step { return &Step{wishes: []wish{locked{name}}} }

// AddKeys makes the step that adds keys to an account that is there.
func AddKeys(name string, keys []account.Key) *Step {
	return &Step{wishes: []wish{keysOf{name: name, add: keys}}}
}

// RemoveKey makes the step that takes away the key with a fingerprint or a comment.
func RemoveKey(name, key string) *Step { return &Step{wishes: []wish{keysOf{name: name, remove: key}}} }

// existing finds the account of a person, or refuses.
func existing(s *sight, name string, p *host.Plan) (account.Account, bool) {
	a, found := s.Account(name)
	if !found {
		refuse(p, "there is no account "+name, "only accounts of this host (/etc/passwd) can be changed", "see them with `gateway setup user list`")
	}
	return a, found
}

type shellOf struct{ name, shell string }

func (w shellOf) plan(ctx context.Context, s *sight, p *host.Plan) error {
	a, found := existing(s, w.name, p)
	if !found {
		return nil
	}
	return wanted{Config: Config{Shell: w.shell}}.planShell(ctx, s, a, p)
}

func (w shellOf) verify(_ context.Context, m host.Machine) error {
	d, err := account.Read(m)
	if a, _ := d.Account(w.name); err == nil && a.Shell != w.shell {
		err = fmt.Errorf("the shell of %s is %s, although usermod succeeded", w.name, a.Shell)
	}
	return err
}

type passwordOf struct {
	name     string
	password []byte
}

func (w passwordOf) plan(_ context.Context, s *sight, p *host.Plan) error {
	a, found := existing(s, w.name, p)
	if !found {
		return nil
	}
	_, err := wanted{password: append([]byte{}, w.password...)}.planPassword(s, a, p)
	return err
}

func (w passwordOf) verify(_ context.Context, m host.Machine) error {
	d, err := account.Read(m)
	if state := d.Password(w.name); err == nil && state != account.PasswordSet {
		err = fmt.Errorf("the password of %s is %s, although chpasswd succeeded", w.name, state)
	}
	return err
}

// keysOf adds keys, or takes one away.
type keysOf struct {
	name   string
	add    []account.Key
	remove string
}

func (w keysOf) plan(ctx context.Context, s *sight, p *host.Plan) error {
	a, found := existing(s, w.name, p)
	if !found {
		return nil
	}
	if w.remove == "" {
		tellKeptOut(ctx, s, a, nil, p)
		return planKeys(ctx, s, a, w.add, p)
	}
	at, err := findPlace(ctx, s, a, p)
	if err != nil {
		return keysUnread(s, a, err, p)
	}
	keys, _ := account.ParseKeys(at.text)
	key, found := account.FindKey(keys, w.remove)
	if !found {
		refuse(p, fmt.Sprintf("%s has no key %q in %s", a.Name, w.remove, at.file), "there is nothing to take away", "see the keys with `gateway setup user key "+a.Name+"`")
		return nil
	}
	last, err := lastWayOf(ctx, s, a.Name, func(admin account.Admin) account.Admin {
		admin.Keys.Usable = slices.DeleteFunc(slices.Clone(admin.Keys.Usable), key.Same)
		return admin
	})
	if err != nil {
		return err
	}
	if last {
		refuseLast(p, a.Name, "the key is taken away")
		return nil
	}
	return planKeyFile(s, a, at, account.Without(at.text, key), fmt.Sprintf("take the key %s out of %s", key, at.file), p)
}

func (w keysOf) verify(ctx context.Context, m host.Machine) error {
	s, err := look(m)
	if err != nil {
		return err
	}
	a, _ := s.Account(w.name)
	at, err := findPlace(ctx, s, a, &host.Plan{})
	if err != nil {
		return err
	}
	keys, _ := account.ParseKeys(at.text)
	for _, key := range w.add {
		if !slices.ContainsFunc(keys, key.Same) {
			return fmt.Errorf("%s does not hold %s, although it was written", at.file, key)
		}
	}
	if _, found := account.FindKey(keys, w.remove); found && w.remove != "" {
		return fmt.Errorf("%s still holds %q: another key has that name, give the fingerprint", at.file, w.remove)
	}
	return nil
}

// lastWayOf is lastWay for a change of one account.
func lastWayOf(ctx context.Context, s *sight, name string, changed func(account.Admin) account.Admin) (bool, error) {
	return lastWay(ctx, s, func(admin account.Admin) account.Admin {
		if admin.Name == name {
			return changed(admin)
		}
		return admin
	})
}

// lastWay tells whether a change of accounts would take the last way to root over
// ssh from this host: no admin would be left who works by key, or no admin at
// all, where there is one now.
func lastWay(ctx context.Context, s *sight, changed func(account.Admin) account.Admin) (bool, error) {
	if !s.isRoot() {
		return false, nil // a plan only; root looks again
	}
	admins, err := account.Admins(ctx, s.Machine, netip.Addr{})
	if err != nil {
		return false, fmt.Errorf("looking for the other admins: %w", err)
	}
	after := slices.Clone(admins)
	for i := range after {
		after[i] = changed(after[i])
	}
	works, becomes := account.Admin.Works, account.Admin.BecomesRoot
	return slices.ContainsFunc(admins, works) && !slices.ContainsFunc(after, works) ||
		slices.ContainsFunc(admins, becomes) && !slices.ContainsFunc(after, becomes), nil
}

func refuseLast(p *host.Plan, name, what string) {
	refuse(p, name+" is the last admin who can come in by key and become root", "once "+what+", nobody could administrate this host over ssh",
		"make another admin first: `gateway setup user add NAME --key FILE --sudo=nopasswd`")
}
