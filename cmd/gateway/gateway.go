package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"gateway/certs"
	"gateway/cmd/internal/config"
	"gateway/cmd/internal/handover"
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
	control  *controls
	metrics  *metrics
	scraped  *scraped
	manager  handover.Manager

	current   atomic.Pointer[generation]
	held      atomic.Pointer[duty] // nil: not yet
	lent      atomic.Bool          // the duty is another gateway's
	loans     chan *loan
	leaving   chan *handover.Heir // holds one: this process has nothing more to do than to finish
	program   string              // that this process was started from
	listenOwn listenFunc          // opens what is no site's address; nil: in the usual way
	inherited bool                // from a gateway that served before
	reloading sync.Mutex
	asides    sync.WaitGroup // what signals have asked for

	anotherAddress string     // the way out when an address cannot be had
	ready          func()     // called once connections are accepted
	beneath        []lifetime // what all others use
}

// listenFunc opens a listening socket, or finds one that was inherited.
type listenFunc = func(ctx context.Context, network, address string) (net.Listener, error)

// generation is what is made from one configuration, and replaced as a whole by
// the next one.
type generation struct {
	config  *config.Config
	handler *proxy.Handler
}

// newGateway makes one. sockets opens its listening sockets; nil: in the usual way.
func newGateway(path string, c *config.Config, sockets listenFunc) (*gateway, error) {
	errorLog, err := proxy.NewErrorLog(c.Log)
	if err != nil {
		return nil, fmt.Errorf("log.error: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the program's own path: %w", err)
	}
	log := errorLog.Logger()
	g := &gateway{program: program, errorLog: errorLog, log: log, manager: handover.Manager{Log: log}, path: path, started: time.Now(), anotherAddress: anotherListen, ready: func() {}, loans: make(chan *loan), leaving: make(chan *handover.Heir, 1)}
	if g.access, err = proxy.NewAccessLog(c.Log, g.log); err != nil {
		return nil, fmt.Errorf("log.access: %w", err)
	}
	g.metrics = newMetrics(g)
	g.access.Observe = g.metrics.observe
	g.scraped = newScraped(g.metrics, g.log)
	g.listenOwn = sockets
	g.store = certs.NewStore(c.State, g.log)
	g.store.Endpoint = proxy.EndpointOf
	handler, err := proxy.NewHandler(c.Proxy(), proxy.Deps{
		Log: g.log, Unreachable: g.nudge, Availability: g.availability, Count: g.count,
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
		Listen:   sockets,
	})
	g.control = newControls(g.newControl(c.Admin.Socket), g.log)
	return g, nil
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
