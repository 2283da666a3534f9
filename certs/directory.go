package certs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// notDirectory is what is found in the place of a CA's directory.
type notDirectory struct{ found string }

func (n *notDirectory) Error() string { return n.found }

// explained finds the reason of an order's failure for which the CA gave none: it
// may not be a CA at all that was asked.
func (a ACME) explained(ctx context.Context, err error) error {
	var refused *refusal
	var damaged *damagedAccount
	if errors.As(err, &refused) || errors.As(err, &damaged) || a.unreachable(err) != "" || ofStorage(err) || ctx.Err() != nil {
		return err
	}
	var elsewhere *notDirectory
	if found := a.askDirectory(ctx); errors.As(found, &elsewhere) {
		return found
	}
	return err
}

// askDirectory gets the directory (RFC 8555 section 7.1.1). The error is a
// *notDirectory if something answers that has none.
func (a ACME) askDirectory(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	roots, err := a.roots()
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.directory(), nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return judgeDirectory(answer)
}

func judgeDirectory(answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return &notDirectory{fmt.Sprintf("it answers with status %s", answer.Status)}
	}
	var directory struct {
		NewOrder string `json:"newOrder"`
	}
	err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(&directory)
	if err != nil || directory.NewOrder == "" {
		return &notDirectory{fmt.Sprintf("it answers with something else (Content-Type %q)", answer.Header.Get("Content-Type"))}
	}
	return nil
}
