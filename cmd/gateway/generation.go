package main

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"gateway/certs"
	"gateway/cmd/internal/config"
	"gateway/cmd/internal/control"
	"gateway/cmd/internal/handover"
	"gateway/health"
	"gateway/proxy"
)

// generation is everything that is made from one configuration. Making one
// touches nothing outside: open does.
type generation struct {
	config   *config.Config
	errorLog *proxy.ErrorLog
	log      *slog.Logger
	access   *proxy.AccessLog
	store    *certs.Store
	truth    truth
	handler  *proxy.Handler
	server   *proxy.Server
	backends *backends
	notices  *notices
	control  *control.Server
	manager  handover.Manager
	lock     io.Closer // on the state folder
	path     string    // of the file
	started  time.Time

	anotherAddress string     // the way out when an address cannot be had
	ready          func()     // called once connections are accepted
	beneath        []lifetime // what all others use
}

func newGeneration(path string, c *config.Config) (*generation, error) {
	errorLog, err := proxy.NewErrorLog(c.Log)
	if err != nil {
		return nil, fmt.Errorf("log.error: %w", err)
	}
	log := errorLog.Logger()
	g := &generation{config: c, errorLog: errorLog, log: log, manager: handover.Manager{Log: log}, path: path, started: time.Now(), anotherAddress: anotherListen, ready: func() {}}
	if g.access, err = proxy.NewAccessLog(c.Log, g.log); err != nil {
		return nil, fmt.Errorf("log.access: %w", err)
	}
	ledger, err := openLedger(c, g.log)
	if err != nil {
		return nil, err
	}
	g.store = certs.NewStore(c.State, g.log)
	g.store.Endpoint = proxy.EndpointOf
	g.notices = newNotices(c, noticeDeps{
		ledger: ledger, certificates: g.certificateStatus, log: g.log,
		look: func(backend string) (health.Status, []byte) { return g.backends.look(backend) },
	})
	if g.backends, err = newBackends(c, ledger, g.notices.tell, g.log); err != nil {
		return nil, err
	}
	if g.handler, err = proxy.NewHandler(c.Proxy(), proxy.Deps{
		Log: g.log, Unreachable: g.backends.nudge, Availability: g.backends.availability, Count: g.backends.ledger.Count,
	}); err != nil {
		return nil, err
	}
	g.server = proxy.NewServer(proxy.Options{
		Limits:   c.Limits,
		Timeouts: c.Timeouts,
		TLS:      g.store.TLSConfig(),
		Handler:  g.access.Wrap(g.store.WrapHTTP(g.handler)),
		Log:      g.log,
	})
	g.control = g.newControl()
	return g, nil
}

// endpoints are all addresses that the sites name.
func endpoints(c *config.Config) []string {
	var all []string
	for _, site := range c.Sites {
		all = append(all, site.Listen...)
	}
	return all
}
