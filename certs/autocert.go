package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// autocertEngine obtains certificates through autocert. A Manager forgets the
// cause of a failure, tries again only after half an hour, and can't be told to
// renew. So every order has a Manager of its own, behind a transport that keeps
// what the CA said and carries nothing when the order is over; the timer that a
// Manager leaves behind then finds no way to the CA.
type autocertEngine struct {
	options engineOptions
	roots   *x509.CertPool
	binding *acme.ExternalAccountBinding
	account *ecdsa.PrivateKey
	tokens  autocert.DirCache // answers to challenges, which another process may be asked for
	stopped context.Context
	stop    context.CancelFunc
	orders  sync.Map // name -> *autocert.Manager
}

func newAutocertEngine(o engineOptions) (*autocertEngine, error) {
	e := &autocertEngine{options: o, tokens: autocert.DirCache(filepath.Join(o.folder, "tokens"))}
	var err error
	if e.roots, err = o.ACME.roots(); err != nil {
		return nil, err
	}
	if o.EABKeyID != "" {
		key, err := o.eabKey()
		if err != nil {
			return nil, err
		}
		e.binding = &acme.ExternalAccountBinding{KID: o.EABKeyID, Key: key}
	}
	if e.account, err = openAccountKey(filepath.Join(o.folder, "account.key")); err != nil {
		return nil, err
	}
	e.stopped, e.stop = context.WithCancel(context.Background())
	return e, nil
}

// openAccountKey reads the key of the account, and makes it when there is none.
// The first of several processes decides.
func openAccountKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeAccountKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(text); block != nil {
		if key, _ := parseKey(block.Type, block.Bytes); key != nil {
			if account, ok := key.(*ecdsa.PrivateKey); ok {
				return account, nil
			}
		}
	}
	return nil, &damagedAccount{path, errors.New("it holds no ECDSA key")}
}

func makeAccountKey(path string) error {
	key, err := newPrivateKey(KeyECDSA)
	if err != nil {
		return err
	}
	text, err := encodeKey(key)
	if err != nil {
		return err
	}
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	return createFile(path, text, 0o600)
}

func (e *autocertEngine) order(ctx context.Context, o order) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.stopped, cancel)()
	traffic := newOrderTraffic(ctx, e.roots)
	defer traffic.close()
	manager := e.newManager(o.name, traffic)
	e.orders.Store(o.name, manager)
	defer e.orders.Delete(o.name)
	certificate, err := manager.GetCertificate(helloFor(o))
	if err != nil {
		return nil, traffic.explain(err)
	}
	return encodeCertificate(certificate)
}

func (e *autocertEngine) newManager(name string, traffic *orderTraffic) *autocert.Manager {
	m := &autocert.Manager{
		Prompt:                 autocert.AcceptTOS,
		Cache:                  tokenCache{e.tokens},
		HostPolicy:             autocert.HostWhitelist(name),
		Email:                  e.options.Email,
		ExternalAccountBinding: e.binding,
		Client: &acme.Client{Key: e.account, DirectoryURL: e.options.directory(), HTTPClient: &http.Client{Transport: traffic},
			RetryBackoff: retryPause},
	}
	if len(e.options.plain) > 0 {
		m.HTTPHandler(nil) // turns http-01 on
	}
	return m
}

// retryPause is how long to wait before a request is sent for the nth time more;
// 0: it is not. autocert by itself would ask a CA that wants to be left alone for
// five minutes on end. A nonce that is not accepted (RFC 8555 section 6.5) costs
// nothing but another request.
func retryPause(n int, _ *http.Request, answer *http.Response) time.Duration {
	switch {
	case answer == nil || n > 10 || answer.StatusCode == http.StatusTooManyRequests:
		return 0
	case answer.StatusCode < http.StatusInternalServerError:
		return time.Duration(n) * 50 * time.Millisecond
	case n > 2:
		return 0
	}
	return time.Second
}

// helloFor is from a client that knows one kind of key.
func helloFor(o order) *tls.ClientHelloInfo {
	hello := &tls.ClientHelloInfo{ServerName: o.name, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	if o.keyType == KeyECDSA {
		hello.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		hello.SignatureSchemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}
		hello.SupportedCurves = []tls.CurveID{tls.CurveP256}
	}
	return hello
}

// encodeCertificate writes key and chain as PEM text.
func encodeCertificate(c *tls.Certificate) ([]byte, error) {
	text, err := encodeKey(c.PrivateKey)
	for _, der := range c.Certificate {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text, err
}

// manager is the one that has an order for the name, or one that finds only what
// another process has put into the cache.
func (e *autocertEngine) manager(name string) *autocert.Manager {
	if m, found := e.orders.Load(name); found {
		return m.(*autocert.Manager)
	}
	return e.newManager(name, closedTraffic())
}

func (e *autocertEngine) challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if !slices.Equal(hello.SupportedProtos, []string{acmeProtocol}) {
		return nil, ErrNoCertificate // a Manager would make an order
	}
	return e.manager(canonicalName(hello.ServerName)).GetCertificate(hello)
}

func (e *autocertEngine) answer(w http.ResponseWriter, r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name // its policy takes no port
	}
	asked := r.Clone(r.Context())
	asked.Host = canonicalName(host)
	held := &heldAnswer{header: http.Header{}}
	e.manager(asked.Host).HTTPHandler(http.NotFoundHandler()).ServeHTTP(held, asked)
	if held.status != 0 {
		return false // not its own: another's answer may lie behind
	}
	_, _ = w.Write(held.body) // fails only for a client that is gone
	return true
}

// heldAnswer keeps what a Manager says, so that its refusals go no further.
type heldAnswer struct {
	header http.Header
	body   []byte
	status int // 0: 200
}

func (h *heldAnswer) Header() http.Header    { return h.header }
func (h *heldAnswer) WriteHeader(status int) { h.status = status }
func (h *heldAnswer) Write(text []byte) (int, error) {
	h.body = append(h.body, text...)
	return len(text), nil
}

func (e *autocertEngine) close() { e.stop() }

// tokenCache keeps answers to challenges only: certificates are kept elsewhere.
type tokenCache struct{ autocert.DirCache }

func isToken(key string) bool {
	return strings.HasSuffix(key, "+token") || strings.HasSuffix(key, "+http-01")
}

// Get reads the answer to a challenge.
func (c tokenCache) Get(ctx context.Context, key string) ([]byte, error) {
	if !isToken(key) {
		return nil, autocert.ErrCacheMiss
	}
	return c.DirCache.Get(ctx, key)
}

// Put keeps the answer to a challenge.
func (c tokenCache) Put(ctx context.Context, key string, data []byte) error {
	if !isToken(key) {
		return nil
	}
	return c.DirCache.Put(ctx, key, data)
}
