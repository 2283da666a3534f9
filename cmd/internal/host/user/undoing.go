package user

import (
	"context"
	"fmt"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Undoing tells why an undo that leaves ssh closed must not be: it would take the
// last admin away. concerns tells whether it changes an account.
func Undoing(ctx context.Context, m host.Machine, concerns func(name, home string) bool) ([]host.Refusal, error) {
	s, err := look(m)
	if err != nil {
		return nil, err
	}
	for _, a := range s.People() {
		if !concerns(a.Name, a.Home) {
			continue
		}
		last, err := lastWay(ctx, s, func(admin account.Admin) account.Admin {
			if concerns(admin.Name, admin.Home) {
				return account.Admin{}
			}
			return admin
		})
		if err != nil || !last {
			return nil, err
		}
		return []host.Refusal{{
			What:    fmt.Sprintf("the undo would take away %s, the last admin who can come in by key and become root, and leave ssh closed to the others", a.Name),
			Why:     "nobody could administrate this host over ssh",
			Instead: "open ssh first with `gateway setup undo sshd`, or make another admin: `gateway setup user add NAME --key FILE --sudo=nopasswd`; at the console of this host, --force undoes it all the same",
		}}, nil
	}
	return nil, nil
}
