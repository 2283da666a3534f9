// Package jupyter is the step of `gateway setup` that installs a JupyterHub for
// all users of a host, reached through gateway.
package jupyter

// Config is the table [setup.jupyter].
type Config struct {
	Prefix string `toml:"prefix"` // of its environment; default /opt/jupyter
}
