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
	"log/slog"
	"net/http"
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
	name     string // canonical
	keyType  string // KeyECDSA or KeyRSA
	failures int    // orders for it that failed since the last success
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

// errStopped is why an engine does nothing any more.
var errStopped = errors.New("gateway is stopping")
