// Package service is the step of `gateway setup` that makes gateway a service of
// the system.
package service

// Config is the table [setup.service].
type Config struct {
	User string `toml:"user"` // whom gateway runs as; default "gateway"
}
