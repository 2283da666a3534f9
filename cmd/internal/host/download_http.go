package host

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// client speaks HTTPS only, also behind a redirect, and through the proxy that
// HTTPS_PROXY and NO_PROXY name.
func (d Download) client() (*http.Client, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.CAFile != "" {
		pem, err := os.ReadFile(d.CAFile)
		if err != nil {
			return nil, fmt.Errorf("the authorities to trust for downloads: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", d.CAFile)
		}
	}
	proxy := httpproxy.FromEnvironment().ProxyFunc()
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 func(r *http.Request) (*url.URL, error) { return proxy(r.URL) },
			TLSClientConfig:       trust,
			TLSHandshakeTimeout:   30 * time.Second,
			ResponseHeaderTimeout: time.Minute,
			ForceAttemptHTTP2:     true,
		},
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			switch {
			case next.URL.Scheme != "https":
				return permanentError{fmt.Errorf("the server leads on to %s, which is not HTTPS: write another URL", next.URL.Redacted())}
			case len(before) >= 10:
				return permanentError{errors.New("the server leads on more than 10 times: write another URL")}
			}
			return nil
		},
	}, nil
}

// try makes one request for what is missing and puts what comes into the part.
func (d downloader) try(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	from, validator := d.part.resumable(d.URL)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL, nil)
	if err != nil {
		return permanentError{err}
	}
	request.Header.Set("Accept-Encoding", "identity") // ranges and sum are of the file itself
	if from > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		request.Header.Set("If-Range", validator)
	}
	response, err := d.client.Do(request)
	if err != nil {
		return untrusted(err)
	}
	defer response.Body.Close()
	total, err := d.answered(response, from)
	if err != nil {
		return err
	}
	silence := time.AfterFunc(d.stall, func() { cancel(fmt.Errorf("the server sent nothing for %s", d.stall)) })
	defer silence.Stop()
	err = d.body(ctx, awake{response.Body, silence, d.stall}, total)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// untrusted marks what another try does not mend: a server that is not the one
// that was meant.
func untrusted(err error) error {
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) {
		return permanentError{fmt.Errorf("%w: the server, or whoever answers for it, is not trusted: "+
			"if your network has an authority of its own, name its file with ca_file", err)}
	}
	return err
}

// answered prepares the part for the body of an answer, and returns the size of
// the whole file; -1 if the server does not say.
func (d downloader) answered(response *http.Response, from int64) (total int64, err error) {
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		if err := d.part.begin(d.URL, validatorOf(response.Header)); err != nil {
			return 0, permanentError{err}
		}
		total = response.ContentLength
	case code == http.StatusPartialContent:
		var first int64
		if first, total, err = parseContentRange(response.Header.Get("Content-Range")); err != nil || first != from {
			d.part.discard()
			return 0, fmt.Errorf("the server sent another part than was asked for (%q)", response.Header.Get("Content-Range"))
		}
	case code == http.StatusRequestedRangeNotSatisfiable && response.Header.Get("Content-Range") == fmt.Sprintf("bytes */%d", from):
		return 0, errComplete
	case code == http.StatusRequestedRangeNotSatisfiable:
		d.part.discard()
		return 0, errors.New("the server has fewer bytes than are here already")
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		return 0, fmt.Errorf("the server answered %s", response.Status)
	default:
		return 0, permanentError{fmt.Errorf("the server answered %s: check the URL", response.Status)}
	}
	if total > d.Limit {
		return 0, permanentError{d.tooLarge()}
	}
	return total, nil
}

func (d downloader) tooLarge() error {
	return fmt.Errorf("it is larger than %d bytes, so it is hardly an installer: check the URL", d.Limit)
}

// body writes what is read to the end of the part.
func (d downloader) body(ctx context.Context, from io.Reader, total int64) (err error) {
	to, err := d.part.open()
	if err != nil {
		return permanentError{err}
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	what := path.Base(d.URL)
	done, buffer := d.part.size(), make([]byte, 256<<10)
	for {
		n, readErr := from.Read(buffer)
		if done += int64(n); done > d.Limit {
			return permanentError{d.tooLarge()}
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return permanentError{err}
		}
		d.progress(what, done, max(total, 0))
		switch {
		case errors.Is(readErr, io.EOF) && total >= 0 && done < total:
			return io.ErrUnexpectedEOF
		case errors.Is(readErr, io.EOF):
			return nil
		case readErr != nil:
			return readErr
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}

// awake puts off the alarm with every read that gives something.
type awake struct {
	io.Reader
	alarm *time.Timer
	after time.Duration
}

func (a awake) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if n > 0 {
		a.alarm.Reset(a.after)
	}
	return n, err
}

// validatorOf is what a server can know this very file by again: RFC 9110,
// section 13.1.5 wants a strong ETag, and else takes a date.
func validatorOf(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return h.Get("Last-Modified")
}

// parseContentRange reads "bytes 5-9/10": RFC 9110, section 14.4. total is -1 for "*".
func parseContentRange(text string) (first, total int64, err error) {
	span, size, found := strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	from, to, found2 := strings.Cut(span, "-")
	first, err = strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	total = -1
	var err3 error
	if size != "*" {
		total, err3 = strconv.ParseInt(size, 10, 64)
	}
	if err := errors.Join(err, err2, err3); err != nil || !found || !found2 {
		return 0, 0, fmt.Errorf("%q is no Content-Range", text)
	}
	if first < 0 || last < first || total != -1 && last >= total {
		return 0, 0, fmt.Errorf("%q is no sensible Content-Range", text)
	}
	return first, total, nil
}
