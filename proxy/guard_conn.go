package proxy

import (
	"io"
	"net"
	"time"
)

// Bounds of a lingering close, as nginx and Apache have them.
const (
	lingerQuiet = 2 * time.Second  // without a byte from the client
	lingerMost  = 10 * time.Second // in all
)

// begin is called when a request reaches the server's handler. It says so in
// conn.refused if that request stands for a head that was refused.
func (g *wireGuard) begin() {
	if r := g.refusal.Load(); r != nil && r.after == g.served {
		g.conn.refused.Store(&r.refusal)
	}
	g.served++
}

// finished is called when net/http has answered a request and keeps the connection.
func (g *wireGuard) finished() {
	g.conn.answered()
	g.answered++
	if g.phase == phaseUpgrade { // it was not granted
		g.phase = phaseHead
	}
	if g.failed != nil {
		g.failed = io.EOF
	}
	if g.heads > g.answered {
		return
	}
	g.client.is(clientWaiting)
	if len(g.in) > 0 {
		g.deadline.setGuard(time.Now().Add(g.timeouts.Header), false)
		return
	}
	g.armIdle()
}

// hijacked is called when the connection leaves HTTP. From now on all bytes pass.
func (g *wireGuard) hijacked() {
	g.phase, g.failed, g.cleared = phaseOpen, nil, len(g.in)
	g.unread.Store(false)
	g.deadline.setGuard(time.Time{}, false)
	g.client.is(clientUpgraded)
}

// armIdle starts the clock of an idle connection.
func (g *wireGuard) armIdle() {
	g.deadline.setGuard(time.Now().Add(g.timeouts.Idle), true)
	if g.draining.Load() {
		g.hasten()
	}
}

// hasten ends the connection soon if it is idle.
func (g *wireGuard) hasten() {
	g.deadline.hasten(time.Now().Add(time.Duration(g.client.among.farewell.Load())))
}

// Write counts what is sent.
func (g *wireGuard) Write(p []byte) (int, error) {
	n, err := g.Conn.Write(p)
	g.conn.sent.Add(int64(n))
	return n, err
}

// relay sends what there is to read from src, without a copy if the client speaks
// plain HTTP and src is a socket.Pipe.
func (g *wireGuard) relay(src io.Reader) (int64, error) {
	to := g.Conn
	if first, ok := to.(*sniffed); ok {
		to = first.Conn
	}
	n, err := io.Copy(to, src)
	g.conn.sent.Add(n)
	return n, err
}

// SetReadDeadline bounds reads beside the guard's own bounds.
func (g *wireGuard) SetReadDeadline(t time.Time) error { return g.deadline.setHandler(t) }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (g *wireGuard) SetDeadline(t time.Time) error {
	if err := g.SetReadDeadline(t); err != nil {
		return err
	}
	return g.SetWriteDeadline(t)
}

// NetConn is the connection below, as of a *tls.Conn.
func (g *wireGuard) NetConn() net.Conn { return g.Conn }

// CloseWrite tells the client that nothing more is coming.
func (g *wireGuard) CloseWrite() error { return closeWrite(g.Conn) }

// Close closes the connection: with a reset when the response was cut short, so
// that what arrived of it can't pass for the whole, and only after the client
// had time to read when it may still be sending.
func (g *wireGuard) Close() error {
	defer g.client.is(clientGone)
	g.conn.answered() // before the client is counted as gone: stopping waits for that, and then for the log
	if g.aborted.Load() {
		return reset(g.client.raw)
	}
	if g.unread.Load() {
		g.client.is(clientWaiting)
		linger(g.Conn, g.client.raw)
	}
	return g.Conn.Close()
}

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// reset closes a TCP connection with RST in place of FIN, and says no goodbye in TLS.
func reset(raw net.Conn) error {
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only when it is closed already
	}
	return raw.Close()
}

// linger ends c's writing side and throws away what the client still sends, until
// it closes, falls silent or takes too long. Closing with data unread would make
// the kernel reset the connection, and an answer on its way could be lost.
func linger(c, raw net.Conn) {
	_ = c.SetWriteDeadline(time.Now().Add(lingerQuiet))
	if closeWrite(c) != nil {
		return
	}
	_ = closeWrite(raw) // ends the stream below TLS as well
	var scratch [512]byte
	for end := time.Now().Add(lingerMost); time.Now().Before(end); {
		_ = raw.SetReadDeadline(time.Now().Add(lingerQuiet))
		if _, err := raw.Read(scratch[:]); err != nil {
			return
		}
	}
}
