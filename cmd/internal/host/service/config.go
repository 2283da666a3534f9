// Package service is the step of `gateway setup` that makes gateway a service of
// the system.
package service

import "gateway/cmd/internal/host"

// Config is the table [setup.service].
type Config struct {
	User string `toml:"user"` // whom gateway runs as; default "gateway"
}

// Default is the table as it is where the file has only its header.
func Default() Config { return Config{User: "gateway"} }

// Validate reports what is wrong with the words of the table.
func (c Config) Validate(report host.Report) {
	if c.User == "" {
		report("user", "is empty", `write the account that gateway runs as, such as "gateway"`)
	}
}
