package mail

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
)

// maxTranscript bounds the lines kept of one conversation: a server may talk
// without end.
const maxTranscript = 200

// transcript keeps a conversation as an admin may see it: without the password,
// in whatever form it went over the wire, and without the message's text.
type transcript struct {
	mu      sync.Mutex
	lines   []string
	secrets []string
	login   bool // what the client says is a secret
	body    bool // what the client says is the message
	summed  bool // the message's size is told
	sent    int  // bytes of the message
	partial [2]string
}

// hide takes these secrets out of everything that is kept from now on.
func (t *transcript) hide(secrets ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range secrets {
		if s != "" {
			t.secrets = append(t.secrets, s, base64.StdEncoding.EncodeToString([]byte(s)))
		}
	}
}

// redact takes the secrets out of a text that a server sent.
func (t *transcript) redact(s string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.redacted(s)
}

func (t *transcript) redacted(s string) string {
	for _, secret := range t.secrets {
		s = strings.ReplaceAll(s, secret, hidden)
	}
	return s
}

// note adds a remark of our own.
func (t *transcript) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add("*", fmt.Sprintf(format, args...))
}

func (t *transcript) loggingIn(on bool) { t.mu.Lock(); t.login = on; t.mu.Unlock() }

// sendingBody says that what follows is the message, until it is called with false.
func (t *transcript) sendingBody(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sumUp()
	t.body, t.summed, t.sent = on, false, 0
}

// sumUp tells the message's size in place of its text, once: before what the server
// answers to it, if it answers.
func (t *transcript) sumUp() {
	if t.body && !t.summed {
		t.add(">", fmt.Sprintf("(the message, %s)", byteCount(t.sent)))
		t.summed = true
	}
}

// heard and said take bytes as they come from and go to the server.
func (t *transcript) heard(p []byte) { t.feed(0, "<", p) }
func (t *transcript) said(p []byte)  { t.feed(1, ">", p) }

func (t *transcript) feed(side int, mark string, p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if side == 1 && t.body {
		t.sent += len(p)
		return
	}
	if side == 0 && len(p) > 0 {
		t.sumUp()
	}
	text := t.partial[side] + string(p)
	for {
		line, rest, found := strings.Cut(text, "\n")
		if !found {
			break
		}
		if side == 1 && t.login {
			line = hideLogin(line)
		}
		t.add(mark, line)
		text = rest
	}
	t.partial[side] = cutBytes(text, maxLine)
}

// hideLogin leaves of what a client says while it logs in only the mechanism.
func hideLogin(line string) string {
	words := strings.Fields(line)
	if len(words) >= 2 && strings.EqualFold(words[0], "AUTH") {
		if len(words) > 2 {
			return "AUTH " + words[1] + " " + hidden
		}
		return "AUTH " + words[1]
	}
	if line == "*\r" {
		return "*"
	}
	return hidden
}

func (t *transcript) add(mark, line string) {
	switch n := len(t.lines); {
	case n == maxTranscript:
		t.lines = append(t.lines, "* (the rest is left out)")
	case n < maxTranscript:
		t.lines = append(t.lines, mark+" "+cleanLine(t.redacted(strings.TrimRight(line, "\r"))))
	}
}

// all returns the lines so far.
func (t *transcript) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.lines...)
}
