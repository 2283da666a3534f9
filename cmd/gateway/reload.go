package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/control"
	"gateway/health"
	"gateway/proxy"
)

// reloadReport is the answer to "gateway reload".
type reloadReport struct {
	Problems []string `json:"problems,omitempty"` // nothing was changed because of them
	Changes  []string `json:"changes"`            // empty: the file says what it said
	// TakenOver tells that another gateway serves since an upgrade that was waited
	// for: it is the one to ask.
	TakenOver bool `json:"taken_over,omitempty"`
}

func newReloadCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "reload",
		Short: "Have the running gateway take the changed file over, without dropping a request",
		Long: `reload has the running gateway read its file again. If anything is wrong with
it, all of that is told, nothing changes, and the exit code is 1. Otherwise
everything changes: sites, addresses, certificates, backends, limits, notices.
Requests, downloads and WebSockets go on. A backend is started anew only if the
file starts it in another way. SIGHUP does the same; the error log then has the
answer.`,
		Args: noArguments,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		report, err := askReload(cmd)
		if err != nil {
			return err
		}
		if *asJSON {
			if err := printJSON(cmd.OutOrStdout(), report); err != nil {
				return err
			}
		} else {
			printReload(cmd, report)
		}
		if len(report.Problems) > 0 {
			return silentError{errors.New("nothing was changed")}
		}
		return nil
	}
	return command
}

// reloadTries is how many upgrades in a row a reload follows.
const reloadTries = 5

// askReload asks the gateway that serves, and after an upgrade meanwhile the next
// one: whoever reloads can't know of it, such as what has renewed a certificate.
func askReload(cmd *cobra.Command) (reloadReport, error) {
	for try := 1; ; try++ {
		report := reloadReport{}
		err := askGateway(cmd, callReload, struct{}{}, &report, true)
		if err != nil || !report.TakenOver || try == reloadTries {
			return report, err
		}
	}
}

func printReload(cmd *cobra.Command, r reloadReport) {
	for _, problem := range r.Problems {
		fmt.Fprintln(cmd.ErrOrStderr(), problem)
	}
	switch {
	case len(r.Problems) > 0:
		fmt.Fprintln(cmd.ErrOrStderr(), "nothing was changed: gateway goes on with what it had")
	case len(r.Changes) == 0:
		fmt.Fprintln(cmd.OutOrStdout(), "the file says what it said: nothing to change")
	}
	for _, change := range r.Changes {
		fmt.Fprintln(cmd.OutOrStdout(), change)
	}
}

// reloadAsked is the call behind `gateway reload`. It goes on when the caller leaves.
func (g *gateway) reloadAsked(ctx context.Context, _ struct{}) (reloadReport, error) {
	return g.reload(context.WithoutCancel(ctx)), nil
}

// reload takes the file over as it is now, or changes nothing and tells why. One
// at a time.
func (g *gateway) reload(ctx context.Context) reloadReport {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	if g.lent.Load() {
		return reloadReport{Problems: []string{"another gateway has taken over: ask that one"}, Changes: []string{}, TakenOver: true}
	}
	g.manager.Reloading()
	defer g.tellReady()
	changes, err := g.tryReload(ctx)
	g.metrics.change(kindReload, err)
	if err != nil {
		problems := strings.Split(err.Error(), "\n")
		g.log.Error("the file was not taken over: gateway goes on with what it had", "file", g.path, "problems", len(problems), "error", err)
		return reloadReport{Problems: problems, Changes: []string{}}
	}
	g.duty().notices.changes.Note(health.ConfigReloaded, g.path)
	g.log.Info("the file was taken over", "file", g.path, "changes", strings.Join(changes, "; "))
	return reloadReport{Changes: changes}
}

// tryReload returns what was changed.
func (g *gateway) tryReload(ctx context.Context) ([]string, error) {
	loaded, err := config.Load(g.path)
	if err != nil {
		return nil, err
	}
	before := g.config()
	if loaded.State != before.State {
		return nil, fmt.Errorf("%s: state: is another folder than the one that is in use, %s: change it back, or stop gateway and start it again", g.path, before.State)
	}
	t := &transition{gateway: g, next: &generation{config: loaded}}
	if err := t.prepare(ctx); err != nil {
		t.discard()
		return nil, err
	}
	t.commit()
	return changesBetween(before, loaded), nil
}

// transition is a change to another configuration with all that could fail behind it.
type transition struct {
	*gateway
	next    *generation
	roster  *roster
	logs    []*proxy.LogChange
	control *control.Server // nil: the socket stays
	bound   *proxy.Prepared
	scraped net.Listener // of metrics; meant only if their address has changed
	undo    []func()
}

// prepare does all that can be refused. Certificates come last: they are swapped
// in by their own all or nothing.
func (t *transition) prepare(ctx context.Context) (err error) {
	c := t.next.config
	if t.next.handler, err = t.current.Load().handler.Next(c.Proxy()); err != nil {
		return err
	}
	if t.roster, err = t.duty().backends.prepare(c); err != nil {
		return err
	}
	if err := t.prepareLogs(c); err != nil {
		return err
	}
	if err := t.prepareControl(c); err != nil {
		return err
	}
	if err := t.prepareMetrics(ctx, c); err != nil {
		return err
	}
	if t.bound, err = t.server.Prepare(ctx, endpoints(c)); err != nil {
		return explainBind(ctx, err, t.anotherAddress)
	}
	t.undo = append(t.undo, t.bound.Discard)
	return t.store.Apply(ctx, c.Certs())
}

func (t *transition) prepareMetrics(ctx context.Context, c *config.Config) (err error) {
	if c.Admin.Metrics == t.config().Admin.Metrics {
		return nil
	}
	if t.scraped, err = t.gateway.scraped.listen(ctx, nil, c.Admin.Metrics); t.scraped != nil {
		t.undo = append(t.undo, func() { _ = t.scraped.Close() })
	}
	return err
}

// discard closes again what prepare has opened.
func (t *transition) discard() {
	for _, undo := range t.undo {
		undo()
	}
}

func (t *transition) prepareLogs(c *config.Config) error {
	if c.Log == t.config().Log {
		return nil
	}
	access, err := t.access.Prepare(c.Log)
	if err != nil {
		return fmt.Errorf("log.access: %w", err)
	}
	t.logs, t.undo = append(t.logs, access), append(t.undo, func() { _ = access.Discard() })
	errorLog, err := t.errorLog.Prepare(c.Log)
	if err != nil {
		return fmt.Errorf("log.error: %w", err)
	}
	t.logs, t.undo = append(t.logs, errorLog), append(t.undo, func() { _ = errorLog.Discard() })
	return nil
}

func (t *transition) prepareControl(c *config.Config) error {
	if c.Admin.Socket == t.config().Admin.Socket {
		return nil
	}
	t.control = t.newControl(c.Admin.Socket)
	if err := t.control.Bind(); err != nil {
		return err
	}
	t.undo = append(t.undo, func() { _ = t.control.Close() })
	return nil
}

// commit puts everything in force. Backends come first, so that no request finds
// one unknown, and those that are not wanted any more go last, when no new
// request can reach them.
func (t *transition) commit() {
	for _, log := range t.logs {
		log.Commit()
	}
	c, before := t.next.config, t.current.Load()
	t.server.Configure(c.Limits, c.Timeouts)
	duty := t.duty()
	rosterBefore := duty.backends.roster.Swap(t.roster)
	t.current.Store(t.next)
	t.server.SetHandler(t.answers(t.next.handler))
	t.bound.Commit()
	before.handler.Retire(t.next.handler)
	duty.backends.settle(rosterBefore, func(ctx context.Context, name string) error {
		ctx, cancel := context.WithTimeout(ctx, c.Timeouts.Drain)
		defer cancel()
		return before.handler.Drain(ctx, name)
	})
	duty.notices.apply(c)
	if c.Admin.Metrics != before.config.Admin.Metrics {
		t.gateway.scraped.move(t.scraped)
	}
	if t.control != nil {
		t.gateway.control.replace(t.control)
	}
}
