package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// ticketHolder is a client with a session of TLS that it would like to resume.
type ticketHolder struct {
	t      *testing.T
	w      *world
	config *tls.Config
}

func newTicketHolder(t *testing.T, w *world, version uint16) *ticketHolder {
	return &ticketHolder{t, w, &tls.Config{ServerName: "api.example.com", RootCAs: w.ca.pool, MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}}
}

// resumes makes a connection, asks for the page, and compares whether the session
// was resumed with what is wanted.
func (h *ticketHolder) resumes(when string, want bool) {
	h.t.Helper()
	c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", h.w.port), h.config)
	if err != nil {
		h.t.Fatalf("%s: %v", when, err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
	text, err := io.ReadAll(c) // the ticket comes before the answer
	if err != nil || !strings.Contains(string(text), fmt.Sprint("HTTP/1.1 ", http.StatusOK)) {
		h.t.Errorf("%s: %v, %q", when, err, text)
	}
	if got := c.ConnectionState().DidResume; got != want {
		h.t.Errorf("%s: the session was resumed: %t", when, got)
	}
}

func TestUpgrade_SessionsOfTLSAreResumedAndEndWithTheGatewayOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	holders := []*ticketHolder{newTicketHolder(t, w, tls.VersionTLS12), newTicketHolder(t, w, tls.VersionTLS13)}
	all := func(when string, want bool) {
		for _, h := range holders {
			h.resumes(when, want)
		}
	}
	all("the first time", false)
	all("after that", true)
	w.change("[log]", "[log]\nlevel = \"debug\"")
	w.do("reload")
	all("after a reload", true)
	for _, when := range []string{"after an upgrade", "after another one"} {
		old := w.running().PID
		w.upgraded()
		awaitEnd(old, patience) // so that only the new process can answer
		all(when, true)
	}
	last := w.running().PID
	syscall.Kill(last, syscall.SIGTERM)
	awaitEnd(last, patience)
	w.gateway = startProcess(t, builtGateway(t), "run", "-c", w.config)
	w.gateway.waitFor(`the backend is up" backend=api`)
	all("after a restart", false)
}
