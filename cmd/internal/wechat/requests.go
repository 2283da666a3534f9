package wechat

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"gateway/certs"
)

const (
	// nowhere is a path that no backend has.
	nowhere = "/gateway-wechat-check/no-such-path"
	// referer is of the form that every request of a mini-program has.
	referer = "https://servicewechat.com/wx0000000000000000/0/page-frame.html"
	// agent begins as WeChat's does, and says who it is.
	agent = "Mozilla/5.0 (Linux; Android 10) MicroMessenger/8.0.54 (gateway wechat check)"
	// mostBody bounds how much of an answer is read, and mostHead its head.
	mostBody = 1 << 20
	mostHead = 64 << 10
)

// answer is what became of a request.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
	err    error
}

func (a answer) late() bool {
	return errors.Is(a.err, context.DeadlineExceeded) || errors.Is(a.err, os.ErrDeadlineExceeded)
}

// cause is why there was no answer, without the URL.
func (a answer) cause() string {
	var wrapped *url.Error
	if errors.As(a.err, &wrapped) {
		return wrapped.Err.Error()
	}
	return a.err.Error()
}

// requests looks at what is answered over HTTPS.
func (c Check) requests(ctx context.Context, dial certs.Dial, spoken bool) []certs.Finding {
	items := []string{itemPost, itemErrors, itemSocket, itemTime}
	if c.Proof != nil {
		items = slices.Insert(items, 3, itemProof)
	}
	if !spoken {
		var all []certs.Finding
		for _, item := range items {
			all = append(all, certs.Finding{Item: item, Verdict: certs.Skipped, Seen: "there is no TLS connection"})
		}
		return all
	}
	client := c.client(dial, "h2", "http/1.1")
	defer client.CloseIdleConnections()
	var post, lost answer
	var socket, proof certs.Finding
	var all sync.WaitGroup
	all.Go(func() { post = c.ask(ctx, client, http.MethodPost, c.Path, agent) })
	all.Go(func() { lost = c.ask(ctx, client, http.MethodGet, nowhere, agent) })
	all.Go(func() { socket = c.socket(ctx, dial) })
	if c.Proof != nil {
		all.Go(func() { proof = c.proof(ctx, client) })
	}
	all.Wait()
	findings := []certs.Finding{c.posted(post), judgeError(lost), socket, c.slowest(post, lost)}
	if c.Proof != nil {
		findings = slices.Insert(findings, 3, proof)
	}
	return findings
}

// client speaks to one address, whatever proxy the environment names, follows no
// redirect, and trusts any certificate: those are judged apart, and nothing
// secret is sent.
func (c Check) client(dial certs.Dial, protocols ...string) *http.Client {
	transport := &http.Transport{
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		TLSClientConfig:        &tls.Config{ServerName: c.Target.Host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, CipherSuites: certs.AnySuites(), NextProtos: protocols},
		TLSHandshakeTimeout:    c.Waits.Handshake,
		MaxResponseHeaderBytes: mostHead,
		DisableCompression:     true,
		ForceAttemptHTTP2:      slices.Contains(protocols, "h2"),
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ask makes one request and reads the answer. A POST carries an empty JSON object.
func (c Check) ask(ctx context.Context, client *http.Client, method, path, as string) answer {
	ctx, cancel := context.WithTimeout(ctx, c.Waits.Answer)
	defer cancel()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("{}")
	}
	request, err := http.NewRequestWithContext(ctx, method, c.Target.url(path), body)
	if err != nil {
		return answer{err: err}
	}
	request.Header = http.Header{"User-Agent": {as}, "Referer": {referer}, "Accept": {"*/*"}}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	start := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return answer{err: err, took: time.Since(start)}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, mostBody))
	return answer{status: response.StatusCode, header: response.Header, body: text, took: time.Since(start), err: err}
}

// posted tells whether a POST comes to its end where it was sent to.
func (c Check) posted(a answer) certs.Finding {
	f := certs.Finding{Item: itemPost, Verdict: certs.Passed, Seen: fmt.Sprintf("POST %s: %d, no redirect", c.Path, a.status)}
	location := a.header.Get("Location")
	switch {
	case a.late():
		return certs.Finding{Item: itemPost, Verdict: certs.Skipped, Seen: "there was no answer in time"}
	case a.err != nil:
		f.Verdict, f.Seen = certs.Failed, fmt.Sprintf("POST %s brought no answer: %s", c.Path, a.cause())
		f.Remedies = []string{"see the server's error log"}
	case a.status >= 300 && a.status < 400 && location != "":
		return c.redirected(a.status, location)
	case a.status >= 500:
		f.Verdict, f.Seen = certs.Warned, fmt.Sprintf("POST %s: %d: what is behind the server is away or broken", c.Path, a.status)
		f.Remedies = []string{"gateway: gateway status, gateway backend logs", "nginx, Apache: see the error log, and whether the backend runs"}
	}
	return f
}

// redirected judges where a POST is sent to. WeChat follows only to what its
// console knows, and a POST becomes a GET on the way unless the status is 307 or 308.
func (c Check) redirected(status int, location string) certs.Finding {
	f := certs.Finding{Item: itemPost, Verdict: certs.Failed, Seen: fmt.Sprintf("POST %s is redirected with %d to %s", c.Path, status, location)}
	base, err := url.Parse(c.Target.url(c.Path))
	if err == nil {
		base, err = base.Parse(location)
	}
	switch {
	case err != nil || base.Scheme != "https" || !strings.EqualFold(strings.TrimSuffix(base.Host, ":443"), c.Target.authority()):
		f.Seen += ": another server than the one in WeChat's console, so the request fails (url not in domain list)"
	case status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect:
		f.Seen += ": the POST becomes a GET there, and its body is lost"
	default:
		f.Verdict = certs.Warned
		f.Seen += ": every request takes two ways"
	}
	f.Remedies = []string{"let the mini-program ask for the final address, or check another path: --path /api/x",
		"gateway: redirects nothing over https, so it is the backend's", "nginx: no return 301 and no rewrite for the paths of the API; mind the slash at the end of location and proxy_pass",
		"Apache: no Redirect and no RewriteRule [R] for them"}
	return f
}

// judgeError tells whether an error can be read by a mini-program, which gets
// every status as a success and parses the body.
func judgeError(a answer) certs.Finding {
	f := certs.Finding{Item: itemErrors, Verdict: certs.Warned}
	f.Remedies = []string{"gateway: its own errors are JSON, so this is the backend's: let it answer with JSON",
		`nginx: error_page 404 @json; location @json { default_type application/json; return 404 '{"error":"not found"}'; } and the same for 502, 503, 504`,
		`Apache: ErrorDocument 404 '{"error":"not found"}' and the same for 502, 503, 504`}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	what := fmt.Sprintf("an unknown path is answered with %d", a.status)
	switch {
	case a.late():
		return certs.Finding{Item: itemErrors, Verdict: certs.Skipped, Seen: "there was no answer in time"}
	case a.err != nil:
		return certs.Finding{Item: itemErrors, Verdict: certs.Skipped, Seen: "there was no answer: " + a.cause()}
	case !utf8.Valid(a.body):
		f.Seen, f.Remedies = what+" in another encoding than UTF-8, which WeChat reads", []string{"let the backend write UTF-8"}
	case json.Valid(a.body):
		return certs.Finding{Item: itemErrors, Verdict: certs.Passed, Seen: what + " in JSON"}
	case a.status < 400 && kind != "text/html":
		return certs.Finding{Item: itemErrors, Verdict: certs.Skipped, Seen: what + ", so no error was seen"}
	case kind == "":
		f.Seen = what + " and no JSON"
	default:
		f.Seen = fmt.Sprintf("%s in %s: a mini-program takes it for a success, and can't read it as JSON", what, kind)
	}
	return f
}

// slowest tells how long the answers took.
func (c Check) slowest(answers ...answer) certs.Finding {
	slowest := slices.MaxFunc(answers, func(a, b answer) int { return int(a.took - b.took) })
	f := certs.Finding{Item: itemTime, Verdict: certs.Passed, Seen: fmt.Sprintf("answers after %v at most", slowest.took.Round(time.Millisecond))}
	backend := "gateway: gateway status and gateway backend logs tell what keeps the backend; long work is better started by one request and asked for by others"
	switch {
	case slices.ContainsFunc(answers, answer.late):
		f.Verdict, f.Seen, f.Remedies = certs.Failed, fmt.Sprintf("no answer in %v, the longest that WeChat waits", c.Waits.Answer), []string{backend}
	case slowest.took > c.Waits.Slow:
		f.Verdict, f.Remedies = certs.Warned, []string{backend}
		f.Seen += fmt.Sprintf(": what takes more than %v is broken off when the mini-program goes into the background", c.Waits.Slow)
	}
	return f
}
