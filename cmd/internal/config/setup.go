package config

import (
	"errors"
	"io/fs"
	"os"
	"strings"

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

// setupDefaults are the tables of [setup] as they are where the file has only
// their header.
func setupDefaults() []any {
	return []any{sshd.Default(), firewall.Default(), conda.Default(), jupyter.Default(), service.Default()}
}

// validate lets every step judge the table that it was given.
func (s *Setup) validate(f *findings) {
	user.Validate(s.Users, f.below("setup"))
	if s.SSHD != nil {
		s.SSHD.Validate(f.below("setup.sshd"))
	}
	if s.Firewall != nil {
		s.Firewall.Validate(f.below("setup.firewall"))
	}
	if s.Conda != nil {
		s.Conda.Validate(f.below("setup.conda"))
	}
	if s.Jupyter != nil {
		s.Jupyter.Validate(f.below("setup.jupyter"))
	}
	if s.Service != nil {
		s.Service.Validate(f.below("setup.service"))
	}
}

// LoadForSetup is Load for a host that is still being made ready: that an
// account, a certificate or a folder is not there yet is no problem. What can be
// told without looking at the host is, as is everything about [setup] and about
// the ports that a firewall must let in. A file that is not there holds the
// defaults, unless it must be there.
func LoadForSetup(path string, must bool) (*Config, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !must {
		config := Default()
		return &config, nil
	}
	text, unreadable := readText(path)
	if unreadable != nil {
		return nil, Problems{*unreadable}
	}
	config, f, err := decodeFile(path, text)
	if err != nil {
		return nil, err
	}
	if config != nil {
		told := len(f.found)
		config.validate(f)
		f.found = append(f.found[:told:told], f.found[told:].about("setup", "site.listen")...)
	}
	if problems := f.sorted(); len(problems) > 0 {
		return nil, problems
	}
	return config, nil
}

// about are the problems of some keys and of what lies below them.
func (ps Problems) about(keys ...string) Problems {
	var some Problems
	for _, p := range ps {
		for _, key := range keys {
			if p.Key == key || strings.HasPrefix(p.Key, key+".") {
				some = append(some, p)
			}
		}
	}
	return some
}
