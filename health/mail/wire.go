package mail

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

// wire is the connection that go-smtp's client talks over. go-smtp knows no
// context and sets a fresh deadline of minutes before each command; wire caps
// every deadline at the end of the whole exchange. It also writes the transcript.
type wire struct {
	net.Conn
	in    io.Reader
	limit time.Time
	log   *transcript
	spoke bool // something was said to the server
}

func newWire(conn net.Conn, limit time.Time, log *transcript) *wire {
	w := &wire{Conn: conn, limit: limit, log: log}
	w.in = &heardReader{r: conn, log: log}
	_ = conn.SetDeadline(limit)
	return w
}

// Read reads what the server says.
func (w *wire) Read(p []byte) (int, error) { return w.in.Read(p) }

// Write says something to the server.
func (w *wire) Write(p []byte) (int, error) {
	w.log.said(p)
	w.spoke = true
	return w.Conn.Write(p)
}

// SetDeadline sets t or the end of the exchange, whichever comes first. The zero
// time, which would lift the deadline, sets the end of the exchange.
func (w *wire) SetDeadline(t time.Time) error {
	if t.IsZero() || t.After(w.limit) {
		t = w.limit
	}
	return w.Conn.SetDeadline(t)
}

// maxHeard bounds what a server may say in one exchange: real ones say a few
// hundred bytes, and an answer without end would fill the memory.
const maxHeard = 1 << 20

var errTalksTooMuch = errors.New("the server talks without end: it is not a mail server, or a broken one")

// heardReader writes down what is read.
type heardReader struct {
	r     io.Reader
	log   *transcript
	total int
}

func (h *heardReader) Read(p []byte) (int, error) {
	if h.total > maxHeard {
		return 0, errTalksTooMuch
	}
	n, err := h.r.Read(p)
	h.total += n
	h.log.heard(p[:n])
	return n, err
}

// replay makes the next reads return text first, unheard: go-smtp waits for a
// greeting, and after STARTTLS a server sends none (RFC 3207, 4.2).
func (w *wire) replay(text string) {
	w.in = io.MultiReader(strings.NewReader(text), w.in)
}

// capitals makes the keywords of the server's next answers upper case, because
// go-smtp looks them up so while a server may write them in any case (RFC 5321,
// 2.4). The old form "AUTH=LOGIN" becomes "AUTH LOGIN".
func (w *wire) capitals() { w.in = &capitalReader{r: bufio.NewReader(w.in)} }

type capitalReader struct {
	r    *bufio.Reader
	rest []byte
}

func (c *capitalReader) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		line, err := c.r.ReadSlice('\n')
		if len(line) == 0 {
			return 0, err
		}
		c.rest = capitalKeyword(line)
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// capitalKeyword returns a copy of one line of an answer to EHLO with its keyword
// in upper case.
func capitalKeyword(line []byte) []byte {
	line = bytes.Clone(line)
	if len(line) < 5 || !bytes.HasPrefix(line, []byte("250")) {
		return line
	}
	end := bytes.IndexAny(line[4:], " =\r\n")
	if end < 0 {
		return line
	}
	keyword := bytes.ToUpper(line[4 : 4+end])
	copy(line[4:], keyword)
	if string(keyword) == "AUTH" && line[4+end] == '=' {
		line[4+end] = ' '
	}
	return line
}
