// Package sshd is the step of `gateway setup` that closes ssh to passwords and
// to root, and never to the admin.
//
// What it wants is written to a file of its own that sshd reads before every
// other, since sshd keeps the first value that it reads. The step judges by what
// sshd says it would do for each user, and by what the running sshd offers to a
// client, never by the files alone.
package sshd

import (
	"fmt"
	"regexp"
	"time"

	"gateway/cmd/internal/host"
)

// Config is the table [setup.sshd].
type Config struct {
	Password     bool          `toml:"password"`       // logins by password, also keyboard-interactive; default false
	Root         bool          `toml:"root"`           // logins of root, by key; default false
	AllowUsers   []string      `toml:"allow_users"`    // nobody else may log in; default: everybody
	MaxAuthTries int           `toml:"max_auth_tries"` // keys and passwords that a connection may try; default 0, as it is
	Keepalive    time.Duration `toml:"keepalive"`      // a client that is silent for so long is asked for a sign of life, and cut off at the third in vain; default 0, as it is
	Forwarding   bool          `toml:"forwarding"`     // of ports, agents, sockets and X11; default true, as it is
}

// Default is the table as it is where the file has only its header.
func Default() Config { return Config{Forwarding: true} }

// keepaliveTries is sshd's own default of ClientAliveCountMax.
const keepaliveTries = 3

// pattern is a user of AllowUsers, with "*" and "?", and where they may come
// from: USER or USER@HOST (sshd_config(5)).
var pattern = regexp.MustCompile(`^[A-Za-z0-9_.*?-]+(@[A-Za-z0-9_.:*?/-]+)?$`)

// Validate reports what is wrong with the words and numbers of the table.
func (c Config) Validate(report host.Report) {
	for i, user := range c.AllowUsers {
		if !pattern.MatchString(user) {
			report(fmt.Sprintf("allow_users[%d]", i), fmt.Sprintf("%q is no user", user), `write the name of an account, such as "alice", or with where it comes from, "alice@192.0.2.*"`)
		}
	}
	if c.MaxAuthTries < 0 || c.MaxAuthTries > 100 {
		report("max_auth_tries", fmt.Sprintf("%d is out of range", c.MaxAuthTries), "write how many keys and passwords a connection may try, such as 4, or 0 to leave it as it is")
	}
	if k := c.Keepalive; k != 0 && (k < time.Second || k%time.Second != 0 || k > 24*time.Hour) {
		report("keepalive", fmt.Sprintf("%s is no whole number of seconds up to a day", k), `write "1m", or "0s" to leave it as it is`)
	}
}
