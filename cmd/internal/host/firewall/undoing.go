package firewall

import (
	"context"
	"maps"
	"slices"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Undoing tells why an undo must not be that gives files, by their paths, these
// contents: the firewall would be on with the rules of then, and close the door of
// ssh that is open now, or has moved since.
func Undoing(ctx context.Context, m host.Machine, around Around, files map[string][]byte) ([]host.Refusal, error) {
	now, err := ufw{}, error(nil)
	if _, concerned := files[confFile]; concerned && account.Installed(m, "ufw") {
		now, err = readUFW(ctx, m)
	}
	then := now.with(files)
	if err != nil || !then.active {
		return nil, err
	}
	doors, _, err := (&Step{around: around}).sshDoors(ctx, m)
	if err != nil || !now.letsIn(doors, around.Present) || then.letsIn(doors, around.Present) {
		return nil, err
	}
	return []host.Refusal{{
		What: "the firewall would be on as it was, and keep ssh closed", Why: "you would be cut off",
		Instead: "have sshd listen on the port that was open then, or sit at the console of this host and say --force",
	}}, nil
}

// with is the firewall once some of its files have other contents and are loaded.
func (u ufw) with(files map[string][]byte) ufw {
	u.files = maps.Clone(u.files)
	for name, was := range u.files {
		if text, changed := files[name]; changed {
			u.files[name] = file{text, was.perm}
		}
	}
	u.parse()
	u.active = u.enabled
	return u
}

// letsIn tells whether there is a way in by ssh: by the port of the present login,
// or, at the console, by any.
func (u ufw) letsIn(doors []Door, present account.Present) bool {
	return !u.active || present.Client.Addr().IsLoopback() || slices.ContainsFunc(doors, func(d Door) bool {
		used := !present.Server.IsValid() || int(present.Server.Port()) == d.Port
		return used && u.letsInBy(d.Port, present)
	})
}

func (u ufw) letsInBy(port int, present account.Present) bool {
	client := present.Client.Addr()
	return slices.ContainsFunc(u.families(), func(family int) bool {
		if client.IsValid() && client.Is4() != (family == 4) {
			return false
		}
		a := ask(u.rules, family, port, client)
		return a.open || a.partly && !client.IsValid() || !a.decided && u.input == "ACCEPT"
	})
}
