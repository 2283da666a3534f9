// Package jupyter is the step of `gateway setup` that installs a JupyterHub for
// all users of a host, reached through gateway.
package jupyter

import (
	"path/filepath"

	"gateway/cmd/internal/host"
)

// Config is the table [setup.jupyter].
type Config struct {
	Prefix string `toml:"prefix"` // of its environment; default /opt/jupyter
}

// Default is the table as it is where the file has only its header.
func Default() Config { return Config{Prefix: "/opt/jupyter"} }

// Validate reports what is wrong with the words of the table.
func (c Config) Validate(report host.Report) {
	if c.Prefix == "" || filepath.Clean(c.Prefix) == "/" {
		report("prefix", "is no folder for JupyterHub", `write a folder of its own, such as "/opt/jupyter"`)
	}
}
