package account

import (
	"context"
	"net/netip"

	"gateway/cmd/internal/host"
)

// Admin is somebody other than root who may do everything by sudo.
type Admin struct {
	Account
	Sudo     Sudo
	Password Password
	Keys     KeyLogin
}

// BecomesRoot tells whether sudo lets them through: it asks for a password
// unless it is told not to, and there must be one.
func (a Admin) BecomesRoot() bool {
	return a.Sudo == SudoFree || a.Sudo == SudoPassword && a.Password == PasswordSet
}

// Works tells whether they can come in by key and become root: as long as there
// is one such admin, ssh needs neither passwords nor root.
func (a Admin) Works() bool { return a.BecomesRoot() && len(a.Keys.Usable) > 0 }

// Why tells what an admin who does not work is missing.
func (a Admin) Why() []string {
	var reasons []string
	if !a.BecomesRoot() {
		reasons = append(reasons, "sudo asks for a password, and that of the account is "+a.Password.String())
	}
	if len(a.Keys.Usable) == 0 && len(a.Keys.Problems) == 0 {
		reasons = append(reasons, "no ssh key is there")
	}
	return append(reasons, a.Keys.Problems...)
}

// Admins finds the admins of a machine and judges how each would fare with ssh
// from an address; the zero address stands for a client anywhere. Only root can ask.
func Admins(ctx context.Context, m host.Machine, from netip.Addr) ([]Admin, error) {
	d, err := Read(m)
	if err != nil {
		return nil, err
	}
	var admins []Admin
	for _, a := range d.People() {
		sudo, err := SudoOf(ctx, m, a.Name)
		if err != nil {
			return nil, err
		}
		if sudo == SudoNone {
			continue
		}
		keys, err := d.keysOf(ctx, m, a, from)
		if err != nil {
			return nil, err
		}
		admins = append(admins, Admin{Account: a, Sudo: sudo, Password: d.Password(a.Name), Keys: keys})
	}
	return admins, nil
}

func (d Database) keysOf(ctx context.Context, m host.Machine, a Account, from netip.Addr) (KeyLogin, error) {
	if !Installed(m, "sshd") {
		return KeyLogin{Problems: []string{"there is no sshd on this host"}}, nil
	}
	settings, err := SSHD(ctx, m, a.Name, from)
	if err != nil {
		return KeyLogin{}, err
	}
	return d.KeyLogin(m, a, settings, from), nil
}
