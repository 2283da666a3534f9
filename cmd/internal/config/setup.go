package config

import (
	"gateway/cmd/internal/host/conda"
	"gateway/cmd/internal/host/firewall"
	"gateway/cmd/internal/host/jupyter"
	"gateway/cmd/internal/host/service"
	"gateway/cmd/internal/host/sshd"
	"gateway/cmd/internal/host/user"
)

// Setup is the table [setup]: what `gateway setup` makes of the host. A table
// that is not there is a part of the host that is left alone.
type Setup struct {
	Users    []user.Config    `toml:"user"`
	SSHD     *sshd.Config     `toml:"sshd"`
	Firewall *firewall.Config `toml:"firewall"`
	Conda    *conda.Config    `toml:"conda"`
	Jupyter  *jupyter.Config  `toml:"jupyter"`
	Service  *service.Config  `toml:"service"`
}
