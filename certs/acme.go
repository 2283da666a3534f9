package certs

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// certmagicEngine obtains certificates through certmagic's ACME issuer: its
// account, its challenges, its second thoughts (after a failure Let's Encrypt's
// staging CA is tried first). When to renew, and what is served, is not left to
// certmagic, whose tries are forgotten at every start.
type certmagicEngine struct {
	cache  *certmagic.Cache // empty; certmagic insists on one
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
}

func newCertmagicEngine(o engineOptions) (*certmagicEngine, error) {
	template, err := issuerTemplate(o)
	if err != nil {
		return nil, err
	}
	e := &certmagicEngine{}
	e.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return e.config, nil },
		Logger:           template.Logger,
	})
	e.config = certmagic.New(e.cache, certmagic.Config{
		Storage:        &certmagic.FileStorage{Path: o.folder},
		Logger:         template.Logger,
		OCSP:           certmagic.OCSPConfig{DisableStapling: true},
		ShouldEmitFunc: func(string) bool { return false },
	})
	e.issuer = certmagic.NewACMEIssuer(e.config, template)
	e.config.Issuers = []certmagic.Issuer{e.issuer}
	return e, nil
}

// issuerTemplate sets every field of which certmagic has a changeable global
// default.
func issuerTemplate(o engineOptions) (certmagic.ACMEIssuer, error) {
	template := certmagic.ACMEIssuer{CA: o.directory(), Email: o.Email, Agreed: true, Profile: o.Profile, Logger: zap.New(&zapToSlog{handler: o.log.Handler()})}
	var err error
	if template.TrustedRoots, err = o.roots(); err != nil {
		return template, err
	}
	if o.EABKeyID != "" {
		key, err := o.eabKey()
		if err != nil {
			return template, err
		}
		template.ExternalAccount = &acme.EAB{KeyID: o.EABKeyID, MACKey: base64.RawURLEncoding.EncodeToString(key)}
	}
	o.setChallenges(&template)
	return template, nil
}

// setChallenges tells certmagic where gateway listens, lest it listens itself. The
// CA connects to ports 443 and 80 only: where one of them is gateway's own, the
// other challenge is left out unless it can work too. Elsewhere a router may
// forward them, so both are tried.
func (o engineOptions) setChallenges(template *certmagic.ACMEIssuer) {
	tlsHost, tlsPort := preferred(o.endpoints, certmagic.TLSALPNChallengePort)
	_, httpPort := preferred(o.plain, certmagic.HTTPChallengePort)
	template.ListenHost, template.AltTLSALPNPort, template.AltHTTPPort = tlsHost, tlsPort, httpPort
	certain := tlsPort == certmagic.TLSALPNChallengePort
	template.DisableHTTPChallenge = httpPort == 0 || certain && httpPort != certmagic.HTTPChallengePort
	template.DisableTLSALPNChallenge = tlsPort == 0 || !certain && httpPort == certmagic.HTTPChallengePort
}

// preferred returns the endpoint with that port, or the first; port 0: there is
// none. Plain ones are written "http://:80".
func preferred(endpoints []string, port int) (host string, found int) {
	for _, endpoint := range endpoints {
		h, p, err := net.SplitHostPort(strings.TrimPrefix(endpoint, "http://"))
		number, atoiErr := strconv.Atoi(p)
		if err != nil || atoiErr != nil {
			continue
		}
		if found == 0 || number == port {
			host, found = h, number
		}
	}
	return host, found
}

func (e *certmagicEngine) order(ctx context.Context, o order) ([]byte, error) {
	key, err := newPrivateKey(o.keyType)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{o.name}}, key)
	if err != nil {
		return nil, err
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, err
	}
	// Never interactive: certmagic would ask for a mail address on the terminal.
	if err := e.issuer.PreCheck(ctx, []string{o.name}, false); err != nil {
		return nil, newRefusal("rejectedIdentifier", err.Error(), err)
	}
	issued, err := e.issuer.Issue(context.WithValue(ctx, certmagic.AttemptsCtxKey, &o.failures), request)
	if err != nil {
		return nil, fromAcmez(err)
	}
	secret, err := encodeKey(key)
	return slices.Concat(secret, bytes.TrimSpace(issued.Certificate), []byte("\n")), err
}

// fromAcmez finds the CA's own words in an error.
func fromAcmez(err error) error {
	var problem acme.Problem
	if !errors.As(err, &problem) {
		return err
	}
	for _, sub := range problem.Subproblems { // they are the more exact
		return newRefusal(sub.Type, sub.Detail, err)
	}
	return newRefusal(problem.Type, problem.Detail, err)
}

func (e *certmagicEngine) advise(ctx context.Context, leaf *x509.Certificate) (advice, error) {
	info, err := e.issuer.GetRenewalInfo(ctx, certmagic.Certificate{Certificate: tls.Certificate{Leaf: leaf}})
	if err != nil {
		return advice{}, err
	}
	given := advice{start: info.SuggestedWindow.Start, end: info.SuggestedWindow.End}
	if info.RetryAfter != nil {
		given.askAgain = *info.RetryAfter
	}
	return given, nil
}

func (e *certmagicEngine) challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return e.config.GetCertificate(hello)
}

func (e *certmagicEngine) answer(w http.ResponseWriter, r *http.Request) bool {
	return e.issuer.HandleHTTPChallenge(w, r)
}

func (e *certmagicEngine) close() { e.cache.Stop() }
