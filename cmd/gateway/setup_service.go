package main

import (
	"os"
	"path/filepath"
	"time"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/service"
	"gateway/proxy"
)

func serviceStep(p setupParts) host.Step {
	if p.Setup.Service == nil {
		return nil
	}
	return service.New(*p.Setup.Service, aroundService(p))
}

// aroundService is what the service must know: what gateway reads, writes and
// starts, and where it listens.
func aroundService(p setupParts) service.Around {
	around := service.Around{
		File: p.path, State: p.State, Socket: p.Admin.Socket, Reads: p.Reads(), Logs: logsOf(p.Config),
		StopsWithin: stopsWithin(p.Config), Connections: p.Limits.Connections, Holder: host.Holder,
	}
	if absolute, err := filepath.Abs(p.path); err == nil {
		around.File = absolute
	}
	if program, err := os.Executable(); err == nil {
		around.Program = program
	}
	for _, written := range endpoints(p.Config) {
		if endpoint, err := proxy.ParseEndpoint(written); err == nil && endpoint.Port() != 0 {
			around.Listen = append(around.Listen, service.Address{Network: endpoint.Network, Address: endpoint.Address})
		}
	}
	around.Backends = startedBackends(p)
	return around
}

// startedBackends are those that gateway starts, with the hub that the step
// jupyter adds to the file.
func startedBackends(p setupParts) []service.Backend {
	var started []service.Backend
	for _, b := range p.Backends {
		if b.Supervised() {
			started = append(started, service.Backend{User: b.User, Dir: b.Dir, Limits: b.Raises()})
		}
	}
	if p.Setup.Jupyter != nil {
		started = append(started, service.Backend{User: "root"})
	}
	return started
}

// logsOf are the files that gateway writes, besides its state.
func logsOf(c *config.Config) []string {
	var logs []string
	written := []string{c.Log.Access, c.Log.Error}
	for _, b := range c.Backends {
		written = append(written, b.Log)
	}
	for _, log := range written {
		if log != "" && log != "-" {
			logs = append(logs, log)
		}
	}
	return logs
}

// stopsWithin is how long gateway may take to stop: first requests end, then
// WebSockets, then the backends, all of them at the same time.
func stopsWithin(c *config.Config) time.Duration {
	var longest time.Duration
	for _, b := range c.Backends {
		if b.Supervised() {
			longest = max(longest, b.EndsWithin())
		}
	}
	return c.Timeouts.Drain + c.Timeouts.Upgraded + longest
}
