package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"gateway/cmd/internal/host"
	"gateway/health"
	"gateway/proxy"
)

// open does all that can be refused before anything is served, for a gateway
// that nobody gives anything to.
func (g *gateway) open(ctx context.Context) error {
	if err := g.openLog(); err != nil {
		return err
	}
	lock, err := lockState(g.config().State, g.log)
	if err != nil {
		return err
	}
	if err := g.openFront(ctx); err != nil {
		return errors.Join(err, lock.Close())
	}
	if err := g.takeDuty(lock); err != nil {
		g.server.Close()
		return errors.Join(err, lock.Close(), g.access.Close(), g.scraped.close())
	}
	g.duty().notices.changes.Note(health.GatewayStarted, version)
	return nil
}

// openLog opens the error log, and makes the state folder unless it is there.
func (g *gateway) openLog() error {
	if err := g.errorLog.Open(); err != nil {
		return fmt.Errorf("log.error: %w", err)
	}
	// It holds keys and the queue of notices, so it is nobody else's.
	if err := os.MkdirAll(g.config().State, 0o700); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

// openFront opens the access log, loads the certificates and opens every address.
// What was opened is closed again if a later step fails.
func (g *gateway) openFront(ctx context.Context) (err error) {
	c := g.config()
	if err := g.access.Open(); err != nil {
		return fmt.Errorf("log.access: %w", err)
	}
	defer closeUnlessServed(&err, g.access)
	if err := g.store.Apply(ctx, c.Certs()); err != nil {
		return err
	}
	if err := g.scraped.open(ctx, g.listenOwn, c.Admin.Metrics); err != nil {
		return err
	}
	if err := g.server.Bind(ctx, endpoints(c)); err != nil {
		return errors.Join(explainBind(ctx, err, g.anotherAddress), g.scraped.close())
	}
	return nil
}

// closeUnlessServed undoes a step of open when a later one failed.
func closeUnlessServed(failed *error, opened io.Closer) {
	if *failed != nil {
		*failed = errors.Join(*failed, opened.Close())
	}
}

// anotherListen is the way out when an address of a site cannot be had.
const anotherListen = "write another address in the site's listen"

// explainBind names the process that holds an address, and the way out.
func explainBind(ctx context.Context, err error, instead string) error {
	var refused *proxy.BindError
	if !errors.As(err, &refused) {
		return err
	}
	endpoint, parseErr := proxy.ParseEndpoint(refused.Endpoint)
	if parseErr != nil {
		return err
	}
	return host.ListenError(ctx, endpoint.Network, endpoint.Address, refused.Err, instead)
}

// serve runs until ctx ends and everything has stopped, in this order: nobody
// can give commands any more, the servers drain, and only then the backends that
// answer the last requests are stopped, then the certificates and the log; the
// notices that all this makes are queued and, within seconds, delivered last.
func (g *gateway) serve(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, g.errorLog.Close()) }()
	if err := health.KeepPowers(); err != nil {
		return err
	}
	g.control.bind() // so that who reads that gateway serves can give it commands
	g.log.Info("serving", "addresses", strings.Join(g.addresses(), " "), "version", version)
	if err := health.AdoptOrphans(); err != nil {
		g.log.Warn("a backend that goes into the background may be lost sight of", "error", err)
	}
	return runLifetimes(ctx, append(g.beneath, []lifetime{
		{"access log", g.access.Run},
		{"orphans", health.ReapOrphans},
		{"duty", g.runDuty},
		{"servers", g.serveRequests},
		{"metrics", g.scraped.run},
		{"control socket", g.control.run},
		{"test mail", g.testOnStart},
		{"watchdog", g.showLife},
		{"memory", newMemory().run},
		{"announcement", g.announce},
	}...))
}

// announce tells whoever waits for it that gateway serves. It comes last.
func (g *gateway) announce(ctx context.Context) error {
	select {
	case <-g.duty().backends.looked: // else the first command after an upgrade would not find the backends
	case <-ctx.Done():
		return nil
	}
	g.ready()
	if !g.inherited { // else the unit is ready already, and hears its main process alone
		g.tellReady()
	}
	<-ctx.Done()
	return nil
}

func (g *gateway) serveRequests(ctx context.Context) error {
	defer func() { g.current.Load().handler.Close() }()
	told := make(chan struct{})
	untold := context.AfterFunc(ctx, func() {
		defer close(told)
		timeouts := g.config().Timeouts
		if g.lent.Load() {
			g.log.Info("leaving to the gateway that has taken over", "requests_may_finish_within", timeouts.Handover)
			return
		}
		g.manager.Stopping(g.stopsWithin())
		g.log.Info("stopping: requests in flight may finish", "within", timeouts.Drain, "websockets_within", timeouts.Upgraded)
	})
	err := g.server.Serve(ctx)
	if !untold() {
		<-told
	}
	g.log.Info("stopped")
	return err
}

// tellReady tells the service manager that gateway serves, and where.
func (g *gateway) tellReady() { g.manager.Ready("serving " + strings.Join(g.addresses(), " ")) }

// stopRest is for what is written down and delivered last.
const stopRest = 30 * time.Second

// stopsWithin is how long stopping may take: the requests, then the backends.
func (g *gateway) stopsWithin() time.Duration {
	c, longest := g.config(), time.Duration(0)
	for _, backend := range c.Backends {
		longest = max(longest, backend.EndsWithin())
	}
	return max(c.Timeouts.Drain, c.Timeouts.Upgraded) + longest + stopRest
}

// addresses are what is served, as "https://127.0.0.1:7879".
func (g *gateway) addresses() []string {
	var all []string
	for written, bound := range g.server.Addrs() {
		scheme := "https://"
		if endpoint, err := proxy.ParseEndpoint(written); err == nil && endpoint.PlainOnly {
			scheme = "http://"
		}
		all = append(all, scheme+bound.String())
	}
	slices.Sort(all)
	return all
}
