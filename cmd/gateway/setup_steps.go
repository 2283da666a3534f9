package main

import (
	"fmt"
	"runtime"
	"slices"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/conda"
	"gateway/cmd/internal/host/firewall"
	"gateway/cmd/internal/host/jupyter"
	"gateway/cmd/internal/host/service"
	"gateway/cmd/internal/host/sshd"
	"gateway/cmd/internal/host/user"
)

// setupStep makes a step of what the file declares. make answers nil where its
// table is not there; declare puts the table there as it is with its header alone.
type setupStep struct {
	name    string
	make    func(setupParts) host.Step
	declare func(*config.Setup)
}

// setupParts are what steps are made of: the file, and the accounts that the same
// run makes before the other steps are applied.
type setupParts struct {
	*config.Config
	path  string // of the file
	named []string
	users []user.Config
}

// setupOrder are the steps in the order in which they are applied: there is an
// admin with a key before ssh is closed to passwords, and ssh's port is known
// before the firewall is on.
func setupOrder() []setupStep {
	return []setupStep{
		{"user", userStep, func(*config.Setup) {}},
		{"sshd", sshdStep, func(s *config.Setup) { s.SSHD = orDefault(s.SSHD, sshd.Default()) }},
		{"firewall", firewallStep, func(s *config.Setup) { s.Firewall = orDefault(s.Firewall, firewall.Default()) }},
		{"conda", condaStep, func(s *config.Setup) { s.Conda = orDefault(s.Conda, conda.Default()) }},
		{"jupyter", jupyterStep, func(s *config.Setup) { s.Jupyter = orDefault(s.Jupyter, jupyter.Default()) }},
		{"service", serviceStep, func(s *config.Setup) { s.Service = orDefault(s.Service, service.Default()) }},
	}
}

func orDefault[T any](table *T, usual T) *T {
	if table != nil {
		return table
	}
	return &usual
}

func stepNames() []string {
	var names []string
	for _, s := range setupOrder() {
		names = append(names, s.name)
	}
	return names
}

// stepsOf are the steps of a file: those that are named, or all that it declares.
// A step that is named and not declared is taken as with the header of its table
// alone.
func stepsOf(c *config.Config, path string, named []string) ([]host.Step, error) {
	parts := setupParts{Config: c, path: path, named: named}
	if len(named) == 0 || slices.Contains(named, "user") {
		parts.users = c.Setup.Users
	}
	var steps []host.Step
	for _, s := range setupOrder() {
		wanted := slices.Contains(named, s.name)
		if len(named) > 0 && !wanted {
			continue
		}
		if wanted {
			s.declare(&c.Setup)
		}
		switch step := s.make(parts); {
		case step != nil:
			steps = append(steps, step)
		case wanted:
			return nil, fmt.Errorf("the file declares nothing for the step %s: see [setup] in config.example.toml", s.name)
		}
	}
	return steps, nil
}

func userStep(p setupParts) host.Step {
	if len(p.users) == 0 {
		return nil
	}
	return user.New(p.users)
}

func sshdStep(p setupParts) host.Step {
	if p.Setup.SSHD == nil {
		return nil
	}
	var admins []string
	for _, u := range p.users {
		if u.Sudo != "" && u.Sudo != user.SudoNo && (len(u.AuthorizedKeys) > 0 || u.KeyFile != "") {
			admins = append(admins, u.Name)
		}
	}
	return sshd.New(*p.Setup.SSHD, admins)
}

func firewallStep(p setupParts) host.Step {
	if p.Setup.Firewall == nil {
		return nil
	}
	return firewall.New(*p.Setup.Firewall, aroundFirewall(p.Config))
}

func condaStep(p setupParts) host.Step {
	if p.Setup.Conda == nil {
		return nil
	}
	return newConda(p)
}

// newConda is conda as the file says, or as it usually is.
func newConda(p setupParts) *conda.Step {
	around := conda.Surroundings{Arch: runtime.GOARCH, Kernels: p.Setup.Jupyter != nil}
	for _, u := range p.users {
		around.Users = append(around.Users, u.Name)
	}
	return conda.New(*orDefault(p.Setup.Conda, conda.Default()), around)
}

func jupyterStep(p setupParts) host.Step {
	if p.Setup.Jupyter == nil {
		return nil
	}
	coming := p.Setup.Conda != nil && (len(p.named) == 0 || slices.Contains(p.named, "conda"))
	return jupyter.New(*p.Setup.Jupyter, newConda(p), coming, gatewayFile{p.path})
}
