// Package service is the step of `gateway setup` that makes gateway a service of
// the system: an account of its own, the rights that it needs and no others, and
// a unit of systemd. Where Apache httpd has the ports, it takes them over.
package service

import (
	"regexp"

	"gateway/cmd/internal/host"
)

// Config is the table [setup.service].
type Config struct {
	User   string `toml:"user"`   // whom gateway runs as; default "gateway"
	Apache string `toml:"apache"` // what becomes of an Apache that has a port of gateway: "keep" or "stop"; default "keep"
}

// What the key "apache" may say.
const (
	KeepApache = "keep" // it is left alone, and the step refused
	StopApache = "stop" // it is stopped and disabled once gateway's own check passes
)

// Default is the table as it is where the file has only its header.
func Default() Config { return Config{User: "gateway", Apache: KeepApache} }

// accountName is what useradd(8) takes for an account of the system.
var accountName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// Validate reports what is wrong with the words of the table.
func (c Config) Validate(report host.Report) {
	switch {
	case c.User == "":
		report("user", "is empty", `write the account that gateway runs as, such as "gateway"`)
	case c.User == "root":
		report("user", "root may do everything, and gateway needs only a few rights", `write an account of its own, such as "gateway": it still starts backends as other users`)
	case !accountName.MatchString(c.User):
		report("user", "is no name of an account", `write small letters, digits, "-" and "_", such as "gateway"`)
	}
	if c.Apache != KeepApache && c.Apache != StopApache {
		report("apache", "is neither \"keep\" nor \"stop\"", `write "stop" if gateway shall take the place of a running Apache, or leave it out`)
	}
}
