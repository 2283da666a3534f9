package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// engine obtains certificates by ACME. It keeps its account in a folder and no
// certificates: what comes of an order, and when to make the next, is for its
// caller. All methods may be called at the same time, but of the orders for one
// name only one at a time.
type engine interface {
	// order makes one order (RFC 8555 section 7.4) and returns key and chain as PEM
	// text. It answers the CA by challenge and answer, which must be reachable. An
	// error of the CA is a *refusal.
	order(ctx context.Context, o order) ([]byte, error)
	// challenge returns the certificate that answers tls-alpn-01 (RFC 8737).
	challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// answer answers http-01 (RFC 8555 section 8.3) and tells whether it did; if not,
	// the request is somebody else's.
	answer(w http.ResponseWriter, r *http.Request) bool
	// close ends what the engine runs; it is not used after.
	close()
}

// adviser is an engine that asks the CA when to renew (RFC 9773).
type adviser interface {
	advise(ctx context.Context, leaf *x509.Certificate) (advice, error)
}

// advice is the CA's wish for the time of a renewal.
type advice struct {
	start, end time.Time // the window that the CA suggests
	askAgain   time.Time // zero: the CA does not say
}

// order is what is asked of a CA.
type order struct {
	name     string            // canonical
	keyType  string            // KeyECDSA or KeyRSA
	failures int               // orders for it that failed since the last success
	replaces *x509.Certificate // which the CA is told (RFC 9773 section 5); nil: it is not
}

// engineOptions is what an engine is made of.
type engineOptions struct {
	ACME
	folder    string   // for its account
	endpoints []string // where TLS is spoken
	plain     []string // where plain HTTP is spoken
	log       *slog.Logger
}

// newEngine starts the engine that the configuration names.
func newEngine(o engineOptions) (engine, error) {
	if o.Engine == EngineAutocert {
		return newAutocertEngine(o)
	}
	return newCertmagicEngine(o)
}

// lateEngine is started by the first that is asked of it, and again if that fails:
// a disk that is full when gateway starts may have room later.
type lateEngine struct {
	options engineOptions

	mu      sync.Mutex
	started engine // nil: not yet
	closed  bool
}

func (l *lateEngine) start() (engine, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errStopped
	}
	if l.started == nil {
		e, err := newEngine(l.options)
		if err != nil {
			return nil, err
		}
		l.started = e
	}
	return l.started, nil
}

func (l *lateEngine) order(ctx context.Context, o order) ([]byte, error) {
	e, err := l.start()
	if err != nil {
		return nil, err
	}
	return e.order(ctx, o)
}

func (l *lateEngine) advise(ctx context.Context, leaf *x509.Certificate) (advice, error) {
	if l.options.Engine == EngineAutocert {
		return advice{}, errNoAdvice
	}
	e, err := l.start()
	if err != nil {
		return advice{}, err
	}
	asked, can := e.(adviser)
	if !can {
		return advice{}, errNoAdvice
	}
	return asked.advise(ctx, leaf)
}

func (l *lateEngine) challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	e, err := l.start() // another process may have ordered
	if err != nil {
		return nil, fmt.Errorf("%w: an ACME challenge, and %w", ErrNoCertificate, err)
	}
	return e.challenge(hello)
}

func (l *lateEngine) answer(w http.ResponseWriter, r *http.Request) bool {
	e, err := l.start()
	return err == nil && e.answer(w, r)
}

func (l *lateEngine) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed = true; l.started != nil {
		l.started.close()
	}
}

// newPrivateKey makes the key of one certificate.
func newPrivateKey(keyType string) (crypto.Signer, error) {
	if keyType == KeyRSA {
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// encodeKey writes a private key as PEM text.
func encodeKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// errNoAdvice is for engines that do not ask the CA when to renew.
var errNoAdvice = errors.New("the engine does not ask")

// errStopped is why an engine does nothing any more.
var errStopped = errors.New("gateway is stopping")
