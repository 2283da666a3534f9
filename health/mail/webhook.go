package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a webhook's server may answer.
const (
	maxAnswer     = 64 << 10       // bytes that are read
	maxRetryAfter = 24 * time.Hour // a longer Retry-After is taken for this
)

// Webhook hands notices to one chat or program. It keeps no connection and no
// state, so it may be used by several goroutines at once.
type Webhook struct {
	cfg  WebhookConfig
	chat chat
}

// NewWebhook returns a channel for this configuration, which must have passed
// Validate. It opens nothing: URL and secret are read for each delivery, so that a
// corrected file is used at once.
func NewWebhook(cfg WebhookConfig) *Webhook { return &Webhook{cfg, chatOf(cfg.Kind)} }

// Name returns the webhook's name.
func (w *Webhook) Name() string { return w.cfg.name() }

// Targets returns one target: a webhook has no receivers of its own.
func (w *Webhook) Targets(Notice) []string { return []string{""} }

// Fallback reports whether the webhook is used only when another channel fails.
func (w *Webhook) Fallback() bool { return w.cfg.When == whenMailFails }

// Deliver posts n.
func (w *Webhook) Deliver(ctx context.Context, n Notice, targets []string) Outcome {
	ctx, cancel := context.WithTimeoutCause(ctx, w.cfg.timeout(), tookTooLong(w.cfg.timeout()))
	defer cancel()
	log := &transcript{}
	request, err := w.request(ctx, n, log)
	if err != nil {
		return failed(targets, &Failure{Stage: StagePrepare, Server: "webhook " + w.Name(), Kind: Setup, Err: err})
	}
	outcome := w.post(request, targets, log)
	outcome.Transcript = log.all()
	return outcome
}

// request builds the signed request.
func (w *Webhook) request(ctx context.Context, n Notice, log *transcript) (*http.Request, error) {
	target, err := w.cfg.readURL()
	if err != nil {
		return nil, err
	}
	secret, err := w.cfg.secret().Read()
	if err != nil {
		return nil, err
	}
	log.hide(append(urlSecrets(target), secret.Reveal())...)
	request := (&http.Request{Method: http.MethodPost, URL: target, Host: target.Host, Header: http.Header{}}).WithContext(ctx)
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Set("User-Agent", "gateway")
	payload := w.chat.fill(n, chatText(n, w.chat.limit))
	signed := !secret.Empty() && w.chat.sign != nil
	if signed {
		w.chat.sign(request, payload, secret, time.Now())
	}
	body, err := encode(payload)
	if err != nil {
		return nil, err
	}
	if signed {
		signBody(request, body, secret)
	}
	request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return request, nil
}

// encode writes JSON without escaping <, > and &, which no chat needs.
func encode(payload map[string]any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(payload); err != nil {
		return nil, fmt.Errorf("encode the notice: %w", err)
	}
	return b.Bytes(), nil
}

// urlSecrets lists the pieces of a URL that an answer might repeat.
func urlSecrets(u *url.URL) []string {
	pieces := []string{u.String(), u.RequestURI()}
	words := strings.Split(u.Path, "/")
	for _, values := range u.Query() {
		words = append(words, values...)
	}
	for _, word := range words {
		if len(word) >= 8 { // a key, not a word like "send"
			pieces = append(pieces, word)
		}
	}
	if password, ok := u.User.Password(); ok {
		pieces = append(pieces, password)
	}
	return pieces
}

func (w *Webhook) post(request *http.Request, targets []string, log *transcript) Outcome {
	fail := func(stage Stage, kind Kind, err error) Outcome {
		return failed(targets, &Failure{Stage: stage, Server: serverOf(request.URL), Kind: kind, Err: err})
	}
	client, err := w.client()
	if err != nil {
		return fail(StagePrepare, Setup, err)
	}
	log.note("POST %s://%s/%s", request.URL.Scheme, request.URL.Host, hidden)
	response, err := client.Do(request)
	if err != nil {
		err = withoutURL(request.Context(), err)
		if tlsKind(err) == Setup {
			return fail(StageTLS, Setup, err)
		}
		return fail(StageConnect, connectKind(err), err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fail(StageWebhook, Temporary, withoutURL(request.Context(), err))
	}
	log.note("%s %s", response.Status, oneLine(string(body)))
	return w.outcome(request, response, body, targets, log)
}

// outcome judges the answer.
func (w *Webhook) outcome(request *http.Request, response *http.Response, body []byte, targets []string, log *transcript) Outcome {
	v := w.chat.judge(response.StatusCode, body)
	if v.err == nil {
		return Outcome{Receipts: []Receipt{{Target: targets[0]}}}
	}
	outcome := failed(targets, &Failure{
		Stage: StageWebhook, Server: serverOf(request.URL), Kind: v.kind, Code: v.code,
		Text: oneLine(log.redact(v.text)), Err: v.err,
	})
	outcome.RetryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
	if errors.Is(v.err, errRateLimit) && outcome.RetryAfter == 0 {
		outcome.RetryAfter = w.chat.pauses
	}
	if v.kind == Permanent {
		outcome.Err = nil
	}
	return outcome
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 if there is neither.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(date.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// client is made for one request. It follows no redirect, which would carry the
// notice, and perhaps the key, to another host.
func (w *Webhook) client() (*http.Client, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if w.cfg.CAFile != "" {
		pool, err := loadAuthorities(w.cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		settings.RootCAs = pool
	}
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: settings, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// withoutURL takes the URL out of net/http's errors, and names the reason when
// the context ended.
func withoutURL(ctx context.Context, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func serverOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return net.JoinHostPort(u.Hostname(), port)
	}
	if u.Scheme == "http" {
		return net.JoinHostPort(u.Hostname(), "80")
	}
	return net.JoinHostPort(u.Hostname(), "443")
}
