package jupyter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Password is the step that gives a user's own Jupyter Server a password, for
// servers that are run without a hub.
type Password struct{ user, hash string }

var _ host.Step = Password{}

// NewPassword makes the step for a user of the machine and a hash.
func NewPassword(user, hash string) Password { return Password{user, hash} }

// Name is "jupyter".
func (p Password) Name() string { return "jupyter" }

// Plan looks at the user's settings. The hash is not shown.
func (p Password) Plan(_ context.Context, m host.Machine) (host.Plan, error) {
	accounts, err := account.Read(m)
	if err != nil {
		return host.Plan{}, err
	}
	one, known := accounts.Account(p.user)
	if !known {
		return host.Plan{Refusals: []host.Refusal{{What: "there is no user " + p.user, Why: "the password is kept in the user's home",
			Instead: "see the accounts: gateway setup user list"}}}, nil
	}
	file := host.File{Path: path.Join(one.Home, ServerFile), Perm: 0o600, Owner: one.Owner(), Within: one.Home}
	old, err := readOwn(m, file.Path)
	if err != nil {
		return host.Plan{}, err
	}
	if file.Data, err = SetPassword(old, p.hash); err != nil {
		return host.Plan{Refusals: []host.Refusal{{What: fmt.Sprintf("%s can't be changed: %v", file.Path, err), Why: "what is in it would be lost",
			Instead: "put it right, or move it away"}}}, nil
	}
	change := host.Change{What: "write the hash of the password to " + file.Path, Why: "Jupyter Server asks for it at every login; restart a server that is running"}
	if _, err := m.Lstat(path.Dir(file.Path)); errors.Is(err, fs.ErrNotExist) {
		change.Acts = append(change.Acts, host.Folder{Path: path.Dir(file.Path), Perm: 0o700, Owner: one.Owner(), Within: one.Home})
	}
	change.Acts = append(change.Acts, file)
	return host.Plan{Changes: []host.Change{change}}, nil
}

// settingsLimit is the most bytes of a user's settings.
const settingsLimit = 1 << 20

// readOwn reads a file of a user, who may have put something else in its place.
func readOwn(m host.Machine, at string) ([]byte, error) {
	info, err := m.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > settingsLimit:
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", at, settingsLimit)
	}
	return m.ReadFile(at)
}

// Ready has nothing to add to the plan, which was made just now.
func (p Password) Ready(context.Context, host.Machine) error { return nil }

// Verify has nothing to ask: what was written is what was meant.
func (p Password) Verify(context.Context, host.Machine) error { return nil }
