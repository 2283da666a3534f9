package main

import (
	"os"
	"path/filepath"
	"time"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/service"
	"gateway/health"
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
		StopsWithin: stopsWithin(p.Config), Connections: p.Limits.Connections, Limits: raisedLimits(p.Config), Holder: host.Holder,
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
			started = append(started, service.Backend{User: b.User, Dir: b.Dir, Spared: b.OOMScore < 0})
		}
	}
	if p.Setup.Jupyter != nil {
		started = append(started, service.Backend{User: "root"})
	}
	return started
}

// raisedLimits are the largest of those that the backends ask for. What is left
// out has no upper limit for a service by itself.
func raisedLimits(c *config.Config) map[string]uint64 {
	limits := map[string]uint64{}
	for _, b := range c.Backends {
		for name, limit := range map[string]health.Limit{"LimitNOFILE": b.Rlimit.NoFile, "LimitNPROC": b.Rlimit.NProc, "LimitMEMLOCK": b.Rlimit.MemLock} {
			if limit.Set {
				limits[name] = max(limits[name], limit.Value)
			}
		}
	}
	return limits
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
