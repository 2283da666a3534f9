package user

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"time"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Listed is what is told of one account.
type Listed struct {
	Name      string           `json:"name"`
	UID       int              `json:"uid"`
	Home      string           `json:"home"`
	Shell     string           `json:"shell"`
	Groups    []string         `json:"groups"`
	Sudo      string           `json:"sudo"` // "no", "password", "nopasswd", "is root"; "unknown" to anybody but root
	Password  account.Password `json:"password"`
	Keys      []account.Key    `json:"keys"` // that open a shell
	Problems  []string         `json:"problems,omitempty"`
	LastLogin time.Time        `json:"last_login,omitzero"`
}

// List tells of the people who have an account: root and those with a number of
// a person. With all it tells of the accounts of the system too.
func List(ctx context.Context, m host.Machine, all bool) ([]Listed, error) {
	s, err := look(m)
	if err != nil {
		return nil, err
	}
	list := []Listed{}
	for _, a := range s.Accounts {
		person := a.UID >= s.numbers.defs.uidMin && a.UID <= s.numbers.defs.uidMax
		if !all && !person && a.UID != 0 {
			continue
		}
		listed, err := s.list(ctx, a)
		if err != nil {
			return nil, err
		}
		list = append(list, listed)
	}
	return list, nil
}

func (s *sight) list(ctx context.Context, a account.Account) (Listed, error) {
	listed := Listed{Name: a.Name, UID: a.UID, Home: a.Home, Shell: a.Shell, Groups: s.GroupsOf(a), Sudo: "unknown",
		Password: s.Password(a.Name), Keys: []account.Key{}, LastLogin: account.LastLogin(s.Machine, a.UID)}
	if !s.isRoot() {
		return listed, nil
	}
	if a.UID == 0 {
		listed.Sudo = "is root"
	} else if right, err := account.SudoOf(ctx, s.Machine, a.Name); err != nil {
		return listed, err
	} else {
		listed.Sudo = right.String()
	}
	login, err := s.keyLogin(ctx, a)
	if err != nil {
		// The keys are one column of many: why they can't be judged stands beside it.
		login.Problems = []string{err.Error()}
	}
	if login.Usable != nil {
		listed.Keys = login.Usable
	}
	listed.Problems = login.Problems
	return listed, nil
}

func (s *sight) keyLogin(ctx context.Context, a account.Account) (account.KeyLogin, error) {
	if !a.HasShell() || !account.Installed(s.Machine, "sshd") {
		return account.KeyLogin{}, nil
	}
	settings, err := account.SSHD(ctx, s.Machine, a.Name, netip.Addr{})
	if err != nil {
		return account.KeyLogin{}, err
	}
	return s.KeyLogin(s.Machine, a, settings, netip.Addr{}), nil
}

// Keys lists the keys of one account as they stand in its file, usable or not.
func Keys(ctx context.Context, m host.Machine, name string) ([]account.Key, error) {
	s, err := look(m)
	if err != nil {
		return nil, err
	}
	a, found := s.Account(name)
	if !found {
		return nil, errors.New("there is no account " + name + ": see them with `gateway setup user list`")
	}
	at, err := findPlace(ctx, s, a, &host.Plan{})
	if errors.Is(err, fs.ErrPermission) && !s.isRoot() {
		return nil, errors.New("the keys of " + name + " can only be seen by root: run this with sudo")
	}
	keys, _ := account.ParseKeys(at.text)
	if keys == nil {
		keys = []account.Key{}
	}
	return keys, err
}
