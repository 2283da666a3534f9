package certs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// orderTraffic carries what one order of autocert says to the CA, and gives
// autocert what it would miss:
//
//   - the address of the order in the answer to a finalization, which autocert
//     insists on and RFC 8555 section 7.4 does not promise;
//   - the CA's reason for a failed challenge, which autocert drops.
//
// After close it carries nothing.
type orderTraffic struct {
	ctx  context.Context // of the order
	next *http.Transport

	mu       sync.Mutex
	orders   map[string]string // finalize URL -> order URL
	accounts string            // where accounts are made
	said     *refusal          // the last that explains a failure
	nonce    *refusal          // of the last answer, if that did not take the nonce
	broken   error             // the last failure to reach the CA
}

// maxAnswer bounds what is read of the CA's answer; a chain is a few KB.
const maxAnswer = 1 << 20

func newOrderTraffic(ctx context.Context, roots *x509.CertPool) *orderTraffic {
	return &orderTraffic{ctx: ctx, orders: map[string]string{}, next: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   30 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		ForceAttemptHTTP2:     true,
	}}
}

// closedTraffic carries nothing at all.
func closedTraffic() *orderTraffic {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return newOrderTraffic(ctx, nil)
}

func (t *orderTraffic) close() { t.next.CloseIdleConnections() }

// RoundTrip carries one request unless the order is over.
func (t *orderTraffic) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.ctx.Err() != nil {
		return nil, errStopped
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	answer, err := t.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		t.note(func() { t.broken = err })
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	t.note(func() { t.broken = nil; t.read(r.URL.String(), answer, body) })
	return answer, nil
}

func (t *orderTraffic) note(what func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	what()
}

// document has the fields of the CA's objects that matter here: an order, an
// authorization, a problem, the directory (RFC 8555 sections 7.1.3, 7.1.4, 6.7 and
// 7.1.1).
type document struct {
	NewAccount  string            `json:"newAccount"`
	Finalize    string            `json:"finalize"`
	Error       *problemDocument  `json:"error"`
	Challenges  []challengeObject `json:"challenges"`
	Subproblems []problemDocument `json:"subproblems"`
	problemDocument
}

type problemDocument struct {
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

type challengeObject struct {
	Error *problemDocument `json:"error"`
}

// read notes what an answer tells; t.mu is held.
func (t *orderTraffic) read(url string, answer *http.Response, body []byte) {
	var d document
	if !strings.Contains(answer.Header.Get("Content-Type"), "json") || json.Unmarshal(body, &d) != nil {
		return
	}
	if place := answer.Header.Get("Location"); place != "" && d.Finalize != "" {
		t.orders[d.Finalize] = place
	}
	if place := t.orders[url]; place != "" && answer.Header.Get("Location") == "" {
		answer.Header.Set("Location", place)
	}
	if d.NewAccount != "" {
		t.accounts = d.NewAccount
	}
	t.nonce = nil // the request that it was about has been repeated
	for _, problem := range d.problems() {
		t.keep(problem, url, answer.Header)
	}
}

// problems are all that the document holds, the most exact last.
func (d document) problems() []problemDocument {
	all := append([]problemDocument{d.problemDocument}, d.Subproblems...)
	if d.Error != nil {
		all = append(all, *d.Error)
	}
	for _, one := range d.Challenges {
		if one.Error != nil {
			all = append(all, *one.Error)
		}
	}
	return all
}

func (t *orderTraffic) keep(p problemDocument, url string, header http.Header) {
	if !strings.HasPrefix(p.Type, refusalNamespace) {
		return
	}
	said := newRefusal(p.Type, p.Detail, nil).until(retryAfter(header, time.Now()))
	said.ofAccount = url == t.accounts
	if said.kind == "badNonce" {
		t.nonce = said
		return
	}
	t.said = said
}

// explain puts the reason in the place of autocert's own words.
func (t *orderTraffic) explain(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.ctx.Err() != nil:
		return errors.Join(errStopped, t.ctx.Err())
	case t.broken != nil:
		return t.broken
	}
	if said := cmp.Or(t.nonce, t.said); said != nil {
		said.err = err
		return said
	}
	return err
}
