package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"gateway/certs"
	"gateway/cmd/internal/config"
	"gateway/cmd/internal/handover"
	"gateway/health"
	"gateway/proxy"
)

// gateway is the running program: all that outlives a change of its file.
// Making one touches nothing outside: open does.
type gateway struct {
	path     string // of the file
	started  time.Time
	errorLog *proxy.ErrorLog
	log      *slog.Logger
	access   *proxy.AccessLog
	store    *certs.Store
	truth    truth
	server   *proxy.Server
	backends *backends
	notices  *notices
	control  *controls
	manager  handover.Manager
	lock     io.Closer // on the state folder

	current   atomic.Pointer[generation]
	reloading sync.Mutex
	asides    sync.WaitGroup // what signals have asked for

	anotherAddress string     // the way out when an address cannot be had
	ready          func()     // called once connections are accepted
	beneath        []lifetime // what all others use
}

// generation is what is made from one configuration, and replaced as a whole by
// the next one.
type generation struct {
	config  *config.Config
	handler *proxy.Handler
}

func newGateway(path string, c *config.Config) (*gateway, error) {
	errorLog, err := proxy.NewErrorLog(c.Log)
	if err != nil {
		return nil, fmt.Errorf("log.error: %w", err)
	}
	log := errorLog.Logger()
	g := &gateway{errorLog: errorLog, log: log, manager: handover.Manager{Log: log}, path: path, started: time.Now(), anotherAddress: anotherListen, ready: func() {}}
	if g.access, err = proxy.NewAccessLog(c.Log, g.log); err != nil {
		return nil, fmt.Errorf("log.access: %w", err)
	}
	g.store = certs.NewStore(c.State, g.log)
	g.store.Endpoint = proxy.EndpointOf
	if err := g.newSupervision(c); err != nil {
		return nil, err
	}
	handler, err := proxy.NewHandler(c.Proxy(), proxy.Deps{
		Log: g.log, Unreachable: g.backends.nudge, Availability: g.backends.availability, Count: g.backends.ledger.Count,
	})
	if err != nil {
		return nil, err
	}
	g.current.Store(&generation{c, handler})
	g.server = proxy.NewServer(proxy.Options{
		Limits:   c.Limits,
		Timeouts: c.Timeouts,
		TLS:      g.store.TLSConfig(),
		Handler:  g.answers(handler),
		Log:      g.log,
	})
	g.control = newControls(g.newControl(c.Admin.Socket), g.log)
	return g, nil
}

// newSupervision makes the monitors of the backends, and who is told of them.
func (g *gateway) newSupervision(c *config.Config) error {
	ledger, err := openLedger(c, g.log)
	if err != nil {
		return err
	}
	g.notices = newNotices(c, noticeDeps{
		ledger: ledger, certificates: g.noticedCertificates, log: g.log,
		look: func(backend string) (health.Status, []byte) { return g.backends.look(backend) },
	})
	g.backends, err = newBackends(c, backendDeps{ledger: ledger, state: c.State, tell: g.notices.tell, drain: g.drain, log: g.log})
	return err
}

// answers is the chain that every request goes through.
func (g *gateway) answers(handler *proxy.Handler) http.Handler {
	return g.access.Wrap(g.store.WrapHTTP(handler))
}

// endpoints are all addresses that the sites name.
func endpoints(c *config.Config) []string {
	var all []string
	for _, site := range c.Sites {
		all = append(all, site.Listen...)
	}
	return all
}

// config is the configuration that is in force.
func (g *gateway) config() *config.Config { return g.current.Load().config }

// drain lets the requests under way to a backend finish.
func (g *gateway) drain(ctx context.Context, backend string) error {
	now := g.current.Load()
	ctx, cancel := context.WithTimeout(ctx, now.config.Timeouts.Drain)
	defer cancel()
	return now.handler.Drain(ctx, backend)
}
