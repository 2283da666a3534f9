// Package conda is the step of `gateway setup` that installs one conda for all
// users of a host.
package conda

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
