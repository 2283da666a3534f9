// Package conda is the step of `gateway setup` that installs one conda for all
// users of a host.
package conda

import (
	"fmt"
	"path/filepath"
	"regexp"

	"gateway/cmd/internal/host"
)

// Config is the table [setup.conda].
type Config struct {
	Installer string        `toml:"installer"` // URL of a self-extracting installer (.sh); default Miniforge
	SHA256    string        `toml:"sha256"`    // of the installer, in hex
	Prefix    string        `toml:"prefix"`    // default /opt/conda
	Mirror    string        `toml:"mirror"`    // a mirror of channels
	Channels  []string      `toml:"channels"`  // default conda-forge
	Envs      []Environment `toml:"env"`
}

// Environment is the table [[setup.conda.env]].
type Environment struct {
	Name     string   `toml:"name"`
	User     string   `toml:"user"` // whose; "": of all
	Packages []string `toml:"packages"`
}

// Default is the table as it is where the file has only its header.
func Default() Config {
	return Config{Prefix: "/opt/conda", Channels: []string{"conda-forge"}}
}

var hexSHA256 = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

// Validate reports what is wrong with the words of the table.
func (c Config) Validate(report host.Report) {
	if c.SHA256 != "" && !hexSHA256.MatchString(c.SHA256) {
		report("sha256", "is no SHA-256", "write the 64 hexadecimal digits that are published beside the installer")
	}
	if c.Prefix == "" || filepath.Clean(c.Prefix) == "/" {
		report("prefix", "is no folder for conda", `write a folder of its own, such as "/opt/conda"`)
	}
	for i, env := range c.Envs {
		if env.Name == "" {
			report(fmt.Sprintf("env[%d].name", i), "is missing", `write what the environment is called, such as name = "work"`)
		}
	}
}
