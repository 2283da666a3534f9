// Package config reads gateway's one file. It joins the tables that the rooms
// own into one schema, and tells an admin everything that is wrong with a file
// at once, by line, in words that say what to write instead.
//
// The promises: a file with any problem gives no Config; a Config is a value
// that nothing writes after Load; every Load starts from fresh defaults, so
// nothing of an earlier file shines through; no file makes Load panic.
package config

import (
	"runtime"
	"slices"

	"gateway/certs"
	"gateway/health"
	"gateway/health/mail"
	"gateway/proxy"
)

// Config is the whole file.
type Config struct {
	State          string               `toml:"state"`           // folder for certificates, queued notices, incidents
	TrustedProxies []string             `toml:"trusted_proxies"` // addresses or CIDR prefixes whose X-Forwarded-* are believed
	Log            proxy.LogConfig      `toml:"log"`
	Limits         proxy.Limits         `toml:"limits"`
	Timeouts       proxy.Timeouts       `toml:"timeouts"`
	Sites          []Site               `toml:"site"`
	Backends       []Backend            `toml:"backend"`
	ACME           certs.ACME           `toml:"acme"`
	Mail           mail.Config          `toml:"mail"`
	Webhooks       []mail.WebhookConfig `toml:"webhook"`
	Admin          Admin                `toml:"admin"`
	Setup          Setup                `toml:"setup"`
}

// Site is one [[site]]: what is served under a public name, and the certificate for it.
type Site struct {
	proxy.Site
	certs.Config
}

// Backend is one [[backend]]: where requests go, and how it is kept alive.
type Backend struct {
	proxy.Backend
	health.Config
}

// Admin is the table [admin]: how other commands reach the running gateway.
type Admin struct {
	Socket  string `toml:"socket"`  // path of a unix socket
	Metrics string `toml:"metrics"` // address for Prometheus, such as "127.0.0.1:7880"; "": none
}

// Default is what holds where the file says nothing. Every call returns fresh
// values. There are no defaults inside [[site]], [[backend]] and [[webhook]]:
// those types answer for theirs when asked.
func Default() Config {
	return Config{
		State:    "/var/lib/gateway",
		Log:      proxy.DefaultLog(),
		Limits:   proxy.DefaultLimits(),
		Timeouts: proxy.DefaultTimeouts(),
		ACME:     certs.DefaultACME(),
		Mail:     mail.DefaultConfig(),
		Admin:    Admin{Socket: defaultSocket(runtime.GOOS)},
	}
}

// defaultSocket is in the folder for the sockets of services, which macOS has
// under /var only.
func defaultSocket(goos string) string {
	if goos == "darwin" {
		return "/var/run/gateway/gateway.sock"
	}
	return "/run/gateway/gateway.sock"
}

// Proxy is the part of the file that the proxy needs.
func (c *Config) Proxy() proxy.Config {
	p := proxy.Config{TrustedProxies: c.TrustedProxies, Log: c.Log, Limits: c.Limits, Timeouts: c.Timeouts}
	for _, site := range c.Sites {
		p.Sites = append(p.Sites, site.Site)
	}
	for _, backend := range c.Backends {
		p.Backends = append(p.Backends, backend.Backend)
	}
	return p
}

// Certs is the part of the file that the certificates need: the sites that
// speak TLS, each with the addresses on which it does.
func (c *Config) Certs() []certs.Site {
	var sites []certs.Site
	for _, site := range c.Sites {
		addresses := tlsAddresses(site.Listen)
		if len(addresses) == 0 {
			continue
		}
		one := certs.Site{Name: site.Name, Aliases: site.Aliases, Default: site.Default, Endpoints: addresses, Config: site.Config}
		if site.Certificate == certs.FromACME {
			one.Plain, one.ACME = c.plainAddresses(), c.ACME
		}
		sites = append(sites, one)
	}
	return sites
}

// plainAddresses are where any site takes plain HTTP that a CA can ask for: all
// addresses that are for nothing else, and port 80 whatever it is for.
func (c *Config) plainAddresses() []string {
	var addresses []string
	for _, site := range c.Sites {
		for _, address := range site.Listen {
			endpoint, err := proxy.ParseEndpoint(address)
			if err == nil && (endpoint.PlainOnly || endpoint.Port() == 80) && !slices.Contains(addresses, endpoint.Address) {
				addresses = append(addresses, endpoint.Address)
			}
		}
	}
	return addresses
}

// tlsAddresses leaves out the addresses that are plain HTTP only, and writes the
// others as the listeners are named. One that can't be read stays in as it is,
// since it may well be meant for TLS.
func tlsAddresses(listen []string) []string {
	var addresses []string
	for _, address := range listen {
		switch endpoint, err := proxy.ParseEndpoint(address); {
		case err != nil:
			addresses = append(addresses, address)
		case !endpoint.PlainOnly:
			addresses = append(addresses, endpoint.String())
		}
	}
	return addresses
}
