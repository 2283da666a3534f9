package proxy

import "time"

// cut ends the connection from the reading side. It tells the client so with
// GOAWAY unless a write is stuck, which a client that doesn't read has caused.
func (g *frameGuard) cut(reason string) {
	if !g.writing.TryLock() {
		g.tell(reason) // first: the connection may be gone at once
		g.cutOff.Store(true)
		return
	}
	defer g.writing.Unlock()
	g.cutWriting(reason)
}

// cutWriting ends the connection; g.writing is held.
func (g *frameGuard) cutWriting(reason string) {
	if g.cutOff.Load() {
		return
	}
	g.tell(reason)
	g.cutOff.Store(true)
	if !g.out.between() {
		return // GOAWAY would land in the middle of another frame
	}
	_ = g.SetWriteDeadline(time.Now().Add(lingerQuiet))
	_, err := g.send(goAwayFrame(g.last.Load(), errorCalm))
	g.goodbye.Store(err == nil)
}

func (g *frameGuard) tell(reason string) {
	if n, due := g.server.cutting.due(time.Now()); due {
		g.server.opts.Log.Warn("an HTTP/2 connection was cut: its client misbehaves",
			"client", g.conn.remote.String(), "reason", reason, "connections", n)
	}
}

// SetReadDeadline bounds reads beside the guard's own bounds.
func (g *frameGuard) SetReadDeadline(t time.Time) error { return g.deadline.setHandler(t) }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (g *frameGuard) SetDeadline(t time.Time) error {
	if err := g.SetReadDeadline(t); err != nil {
		return err
	}
	return g.SetWriteDeadline(t)
}

// Close ends the connection for http2. If the client has been told why, or that
// the server goes away, end gives it the time to read that, and the last answers;
// until then only http2's reading is ended.
func (g *frameGuard) Close() error {
	if g.lingers() {
		return g.SetReadDeadline(time.Unix(1, 0))
	}
	return g.Conn.Close()
}

// lingers tells whether the client may still be sending, and has yet to read.
func (g *frameGuard) lingers() bool { return g.goodbye.Load() || g.server.goingAway.Load() }

// end closes the connection after http2 has let go of it.
func (g *frameGuard) end() {
	defer g.client.is(clientGone)
	if g.lingers() {
		g.client.is(clientWaiting)
		linger(g.Conn, g.client.raw)
	}
	_ = g.client.raw.Close()
}
