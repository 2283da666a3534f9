package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/handover"
	"gateway/health"
)

// How long each part of an upgrade may take before it is given up: reading and
// checking the file, then taking over what only one process may have.
const (
	preparedWithin = time.Minute
	servingWithin  = time.Minute
	settledWithin  = 30 * time.Second
)

// upgradeRequest names the program that is to take over.
type upgradeRequest struct {
	Binary string `json:"binary"` // "": the one at the path that gateway was started from
}

// upgradeReport is who serves now.
type upgradeReport struct {
	PID     int    `json:"pid"`
	Version string `json:"version"`
	Before  string `json:"before"` // the version that served so far
}

func newUpgradeCommand() *cobra.Command {
	var binary string
	command := &cobra.Command{
		Use:   "upgrade",
		Short: "Have another version of gateway take over, without dropping a request",
		Long: `upgrade has the running gateway start the program that lies at its path now, or
the one that --binary names. The new process reads the file, takes the listening
sockets over and serves; then the old one finishes what it has and leaves. The
backends run on and notice nothing.

If the new program crashes, hangs or refuses the file, nothing is changed and
upgrade tells why.`,
		Args: noArguments,
	}
	command.Flags().StringVar(&binary, "binary", "", "the `PATH` of the new program")
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		request := upgradeRequest{}
		if binary != "" {
			path, err := filepath.Abs(binary)
			if err != nil {
				return err
			}
			request.Binary = path
		}
		var report upgradeReport
		if err := askGateway(cmd, callUpgrade, request, &report, true); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), report)
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "version %s serves now, as process %d; %s finishes what it has and leaves\n", report.Version, report.PID, report.Before)
		return err
	}
	return command
}

// upgrade has another program take over. It goes on when the caller leaves.
func (g *gateway) upgrade(ctx context.Context, r upgradeRequest) (upgradeReport, error) {
	if !g.reloading.TryLock() {
		return upgradeReport{}, errors.New("a reload or an upgrade is under way: wait for it to end")
	}
	defer g.reloading.Unlock()
	if g.lent.Load() {
		return upgradeReport{}, errors.New("another gateway has taken over already")
	}
	served, err := g.tryUpgrade(context.WithoutCancel(ctx), r)
	g.metrics.change(kindUpgrade, err)
	if err != nil {
		err = fmt.Errorf("nothing was changed, version %s goes on: %w", version, err)
		g.log.Error("the upgrade failed", "error", err)
		return upgradeReport{}, err
	}
	g.log.Info("another gateway has taken over", "pid", served.PID, "version", served.Version)
	return upgradeReport{PID: served.PID, Version: served.Version, Before: version}, nil
}

func (g *gateway) tryUpgrade(ctx context.Context, r upgradeRequest) (handover.Served, error) {
	program, err := g.programFor(r.Binary)
	if err != nil {
		return handover.Served{}, err
	}
	heir, err := handover.Start(program, []string{"run", "-c", g.path}, g.sockets(), os.Stderr)
	if err != nil {
		return handover.Served{}, err
	}
	if err := heir.Prepared(preparedWithin); err != nil {
		heir.Kill()
		return handover.Served{}, fmt.Errorf("%s: %w", program, err)
	}
	served, err := g.handOver(ctx, heir)
	if err != nil {
		return handover.Served{}, fmt.Errorf("%s: %w", program, err)
	}
	return served, nil
}

// programFor is the program that is to be started.
func (g *gateway) programFor(asked string) (string, error) {
	path := asked
	if path == "" {
		path = g.program
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("the new program: %w: name it with --binary", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no file, so it cannot be run: name a program with --binary", path)
	case info.Mode().Perm()&0o111 == 0:
		return "", fmt.Errorf("%s may not be run: chmod 755 it, or name another program with --binary", path)
	}
	return path, nil
}

// sockets are the listening sockets, which both processes have for a moment.
func (g *gateway) sockets() []handover.Socket {
	var all []handover.Socket
	for endpoint, listener := range g.server.Listeners() {
		all = append(all, handover.Socket{Network: endpoint.Network, Address: endpoint.Address, Listener: listener})
	}
	if own := g.scraped.at.Load(); own != nil && *own != nil {
		all = append(all, handover.Socket{Network: "tcp", Address: g.config().Admin.Metrics, Listener: *own})
	}
	return all
}

// handOver lets a heir that is prepared have the duty, and takes it back if the
// heir does not serve after all.
func (g *gateway) handOver(ctx context.Context, heir *handover.Heir) (handover.Served, error) {
	settling, cancel := context.WithTimeout(ctx, settledWithin)
	defer cancel()
	if err := g.duty().backends.settled(settling); err != nil {
		heir.Kill()
		return handover.Served{}, err
	}
	l := &loan{released: make(chan error, 1), back: make(chan struct{}), retaken: make(chan struct{})}
	g.loans <- l
	retired := g.control.retire()
	if err := errors.Join(<-l.released, retired); err != nil {
		g.log.Warn("letting go of what only one gateway may have", "error", err)
	}
	served, err := heir.Lease(g.store.Tickets(), servingWithin)
	if err != nil {
		heir.Kill()
		close(l.back)
		<-l.retaken // so that the caller, who looks or tries again, finds all as it was
		<-g.duty().backends.looked
		return handover.Served{}, errors.Join(err, g.control.resume(g.newControl(g.config().Admin.Socket)))
	}
	g.manager.Main(served.PID)
	g.leaveTo(heir)
	return served, nil
}

// leaveTo has this process finish what it has and end. Should the heir end before
// that, there is nobody left whom admins can reach, so it does not take long.
func (g *gateway) leaveTo(heir *handover.Heir) {
	c := g.config()
	g.server.Configure(c.Limits, c.Timeouts.HandedOver())
	g.leaving <- heir
}

// leaveToHeir ends this process in peace where the service manager has started it
// although a gateway serves: the one before was killed in the middle of an upgrade,
// and could not tell of its heir any more.
func (g *gateway) leaveToHeir(err error) error {
	held := (*heldError)(nil)
	if !errors.As(err, &held) || !g.manager.Adopt(held.pid, "serving") {
		return err
	}
	g.log.Warn("the gateway before was killed in the middle of an upgrade: its heir serves, and is the main process of the service from now on", "pid", held.pid)
	return nil
}

// lookAfter is how often a process that was taken over from looks whether any
// gateway is left, and for connections that it no longer needs.
const lookAfter = time.Second

// outlive cuts off what this process still serves, some time after the last
// gateway has ended that took over from it, or from its heir, and so on. It does
// nothing when ctx ends before.
func (g *gateway) outlive(ctx context.Context, heir *handover.Heir) {
	heir.Gone(ctx)
	c := g.config()
	tick := time.NewTicker(lookAfter)
	defer tick.Stop()
	alone := time.Now()
	for time.Since(alone) < c.Timeouts.Drain {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if stateHeld(c.State) {
			alone = time.Now()
		}
	}
	g.log.Warn("gateway was stopped elsewhere, so requests that go on for long are cut")
	g.server.Close()
}

// forgetBackends keeps no connection to a backend that no request uses, as long as
// this process finishes what it has: a backend that the other gateway restarts may
// wait for them to end, and a request that is sent on one just then would be lost.
func (g *gateway) forgetBackends(ctx context.Context) {
	tick := time.NewTicker(lookAfter)
	defer tick.Stop()
	for {
		g.current.Load().handler.Retire(nil)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// takeOver serves in the place of the gateway that has started this process.
func (g *gateway) takeOver(ctx context.Context, from *handover.Predecessor) error {
	if err := errors.Join(g.openLog(), g.openFront(ctx)); err != nil {
		from.Refuse(err)
		return err
	}
	tickets, err := from.AwaitLease()
	if err != nil {
		return err
	}
	if err := g.lockDuty(); err != nil {
		from.Refuse(err)
		return err
	}
	if err := g.store.AdoptTickets(tickets); err != nil {
		g.log.Warn("clients that were here before must begin their TLS sessions anew", "error", err)
	}
	g.duty().notices.changes.Note(health.GatewayUpgraded, version)
	g.inherited = true
	g.metrics.change(kindUpgrade, nil)
	g.ready = func() {
		if err := from.Serving(version); err != nil {
			g.log.Warn("the gateway that served before does not hear that this one serves", "error", err)
		}
	}
	return runUntilSignal(ctx, g)
}
