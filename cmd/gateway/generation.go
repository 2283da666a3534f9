package main

import (
	"fmt"
	"log/slog"
	"time"

	"gateway/certs"
	"gateway/cmd/internal/config"
	"gateway/cmd/internal/control"
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
	handler  *proxy.Handler
	server   *proxy.Server
	backends *backends
	control  *control.Server
	path     string // of the file
	started  time.Time
}

func newGeneration(path string, c *config.Config) (*generation, error) {
	errorLog, err := proxy.NewErrorLog(c.Log)
	if err != nil {
		return nil, fmt.Errorf("log.error: %w", err)
	}
	g := &generation{config: c, errorLog: errorLog, log: errorLog.Logger(), path: path, started: time.Now()}
	if g.access, err = proxy.NewAccessLog(c.Log, g.log); err != nil {
		return nil, fmt.Errorf("log.access: %w", err)
	}
	if g.backends, err = newBackends(c, g.log); err != nil {
		return nil, err
	}
	if g.handler, err = proxy.NewHandler(c.Proxy(), proxy.Deps{Log: g.log, Unreachable: g.backends.nudge}); err != nil {
		return nil, err
	}
	g.store = certs.NewStore(c.State, g.log)
	g.server = proxy.NewServer(proxy.Options{
		Limits:   c.Limits,
		Timeouts: c.Timeouts,
		TLS:      g.store.TLSConfig(),
		Handler:  g.access.Wrap(g.handler),
		Log:      g.log,
	})
	g.control = g.newControl()
	return g, nil
}

// certificateSites are the sites that speak TLS, as package certs sees them.
func certificateSites(c *config.Config) []certs.Site {
	var sites []certs.Site
	for _, site := range c.Sites {
		endpoints := tlsEndpoints(site.Listen)
		if len(endpoints) == 0 {
			continue
		}
		sites = append(sites, certs.Site{
			Name: site.Name, Aliases: site.Aliases, Default: site.Default,
			Endpoints: endpoints, Config: site.Config,
		})
	}
	return sites
}

// tlsEndpoints are those of the addresses on which TLS is spoken.
func tlsEndpoints(listen []string) []string {
	var endpoints []string
	for _, written := range listen {
		if endpoint, err := proxy.ParseEndpoint(written); err == nil && !endpoint.PlainOnly {
			endpoints = append(endpoints, written)
		}
	}
	return endpoints
}

// endpoints are all addresses that the sites name.
func endpoints(c *config.Config) []string {
	var all []string
	for _, site := range c.Sites {
		all = append(all, site.Listen...)
	}
	return all
}
