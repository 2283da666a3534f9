package wechat

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"gateway/certs"
)

// Items of the list beside those of certs, in its order.
const (
	itemDomain    = "domain"
	itemAddress   = "address"
	itemReachable = "reachable"
	itemPost      = "post"
	itemErrors    = "errors"
	itemSocket    = "wss"
	itemProof     = "verify file"
	itemTime      = "time"
)

// mostAddresses bounds how many addresses of a name are looked at.
const mostAddresses = 8

// Check is what is to be looked at.
type Check struct {
	Target    Target
	Addresses []netip.Addr   // where to connect instead of asking DNS
	Path      string         // what a POST is sent to
	Socket    string         // path of a WebSocket; "": the root is tried, and may have none
	Proof     *Proof         // nil: none is asked for
	Roots     *x509.CertPool // roots of a private CA; nil: the public ones
	Lookup    func(ctx context.Context, network, host string) ([]netip.Addr, error)
	Waits     Waits
}

// Waits bound what is waited for.
type Waits struct {
	Lookup    time.Duration // an answer of DNS
	Connect   time.Duration // a TCP connection
	Handshake time.Duration // a TCP and TLS handshake
	Answer    time.Duration // a whole answer
	Slow      time.Duration // an answer that is told to be slow
}

// DefaultWaits returns those of a phone: WeChat gives a request 60 seconds, and
// ends it after 5 when the mini-program goes into the background.
func DefaultWaits() Waits {
	return Waits{Lookup: 10 * time.Second, Connect: 10 * time.Second, Handshake: 10 * time.Second, Answer: 60 * time.Second, Slow: 5 * time.Second}
}

// Result is one line of the report.
type Result struct {
	Address string `json:"address,omitempty"` // of the server, where the item is about one
	certs.Finding
}

// Report is everything that was seen.
type Report struct {
	Target  string   `json:"target"`
	Ready   bool     `json:"ready"` // nothing has failed
	Results []Result `json:"results"`
	Console Console  `json:"console"`
}

// Run looks at everything. An error means that it could not, whatever the server
// is like.
func (c Check) Run(ctx context.Context) (Report, error) {
	if c.Roots == nil {
		system, err := x509.SystemCertPool()
		if err != nil || system.Equal(x509.NewCertPool()) {
			return Report{}, errors.New("this machine has no public root certificates to compare with: install them (apt-get install ca-certificates)")
		}
	}
	report := Report{Target: c.Target.authority(), Console: c.Target.Console()}
	addresses, found := c.addresses(ctx)
	report.add("", c.Target.judge(), found)
	seen := make([][]certs.Finding, len(addresses))
	var all sync.WaitGroup
	for i, address := range addresses {
		all.Go(func() { seen[i] = c.server(ctx, address) })
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return Report{}, fmt.Errorf("stopped before everything was looked at: %w", err)
	}
	blame(seen)
	for i, findings := range seen {
		report.add(c.endpoint(addresses[i]), findings...)
	}
	report.Ready = !slices.ContainsFunc(report.Results, func(r Result) bool { return r.Verdict == certs.Failed })
	return report, nil
}

func (r *Report) add(address string, findings ...certs.Finding) {
	for _, f := range findings {
		r.Results = append(r.Results, Result{address, f})
	}
}

func (c Check) endpoint(address netip.Addr) string {
	return netip.AddrPortFrom(address, uint16(c.Target.Port)).String()
}

// blame turns "this machine has no IPv6" into a failure where there is nothing
// else to look at.
func blame(seen [][]certs.Finding) {
	lookedAt := func(findings []certs.Finding) bool { return findings[0].Verdict != certs.Skipped }
	if len(seen) > 0 && !slices.ContainsFunc(seen, lookedAt) {
		seen[0][0].Verdict = certs.Failed
	}
}

// server looks at one address.
func (c Check) server(ctx context.Context, address netip.Addr) []certs.Finding {
	dial := func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", c.endpoint(address))
	}
	reached := c.reach(ctx, dial, address)
	if reached.Verdict != certs.Passed {
		return []certs.Finding{reached}
	}
	phone := certs.Phone{Roots: c.Roots, Now: time.Now(), Timeout: c.Waits.Handshake}
	shown, spoken := phone.Server(ctx, dial, c.Target.Host)
	return slices.Concat([]certs.Finding{reached}, shown, c.requests(ctx, dial, spoken))
}

// ReadRoots reads the roots of a private CA.
func ReadRoots(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form: write the file with the CA's root", path)
	}
	return roots, nil
}
