package certs

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// certmagicEngine obtains certificates through certmagic's ACME issuer: its
// account, its challenges, its second thoughts (after a failure Let's Encrypt's
// staging CA is tried first). When to renew, and what is served, is not left to
// certmagic, whose tries are forgotten at every start.
type certmagicEngine struct {
	folder string
	heard  *pauses
	cache  *certmagic.Cache // empty; certmagic insists on one
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
}

func newCertmagicEngine(o engineOptions) (*certmagicEngine, error) {
	e := &certmagicEngine{folder: o.folder, heard: &pauses{}}
	template, err := issuerTemplate(o, e.heard)
	if err != nil {
		return nil, err
	}
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
func issuerTemplate(o engineOptions, heard *pauses) (certmagic.ACMEIssuer, error) {
	template := certmagic.ACMEIssuer{CA: o.directory(), Email: o.Email, Agreed: true, Profile: o.Profile,
		NewAccountFunc: withoutFolderName, Logger: zap.New(&zapToSlog{handler: o.log.Handler(), heard: heard})}
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

// withoutFolderName keeps certmagic from registering "default" as a mail address.
// That is the folder of an account without an address; where only a part of the
// account is in it, since gateway was killed while certmagic wrote it, certmagic
// takes the folder's name for the address of a new one, which every CA refuses.
func withoutFolderName(_ context.Context, _ *certmagic.ACMEIssuer, account acme.Account) (acme.Account, error) {
	if slices.Equal(account.Contact, []string{"mailto:default"}) {
		account.Contact = nil
	}
	return account, nil
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
	begun := time.Now()
	ctx = context.WithValue(ctx, certmagic.AttemptsCtxKey, &o.failures)
	issued, err := e.issuer.Issue(replacing{ctx, o.replaces}, request)
	if worthAnother(err, o.replaces != nil) {
		issued, err = e.issuer.Issue(ctx, request)
	}
	if err != nil {
		return nil, e.explain(err, begun)
	}
	secret, err := encodeKey(key)
	return slices.Concat(secret, bytes.TrimSpace(issued.Certificate), []byte("\n")), err
}

// explain finds out what certmagic's error is about. Of its account it has only words.
func (e *certmagicEngine) explain(err error, begun time.Time) error {
	if strings.Contains(err.Error(), "getting ACME account: ") && !ofStorage(err) {
		return &damagedAccount{filepath.Join(e.folder, "acme"), err}
	}
	return fromAcmez(err, e.heard.since(begun))
}

// worthAnother tells whether the same order may go through at once, with nothing
// said of what it replaces. Either the CA did not take the order itself, which was
// checked against an older one; or it did not know the account any more, and by then
// certmagic has made a new one.
func worthAnother(err error, replaces bool) bool {
	var problem acme.Problem
	switch {
	case err == nil:
		return false
	case errors.As(err, &problem):
		return replaces && strings.Contains(err.Error(), "creating new order") && problem.Type != acme.ProblemTypeRateLimited
	}
	return strings.Contains(err.Error(), "no certificate chains")
}

// replacing tells certmagic which certificate an order replaces. certmagic looks
// that up in the context by a key that it keeps to itself, so the key is known by
// how it prints. Were it called otherwise one day, orders would merely not say it.
type replacing struct {
	context.Context
	leaf *x509.Certificate // nil: none
}

// Value answers for certmagic's key, and leaves all others to the context beneath.
func (r replacing) Value(key any) any {
	if r.leaf != nil && fmt.Sprintf("%T %v", key, key) == "certmagic.ctxKey ari_replaces" {
		return r.leaf
	}
	return r.Context.Value(key)
}

// fromAcmez finds the CA's own words in an error. The pause is the one that the CA
// asked for meanwhile.
func fromAcmez(err error, pause time.Time) error {
	var problem acme.Problem
	if !errors.As(err, &problem) {
		return err
	}
	said := newRefusal(problem.Type, problem.Detail, err)
	if len(problem.Subproblems) > 0 { // they are the more exact
		said = newRefusal(problem.Subproblems[0].Type, problem.Subproblems[0].Detail, err)
	}
	// certmagic's words; it has no type for it.
	said.ofAccount = strings.Contains(err.Error(), "registering account")
	return said.until(pause)
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
