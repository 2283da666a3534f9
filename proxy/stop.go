package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// drainIdle is how long an idle connection may still send a request after the
	// server began to stop, while an admin waits for that. A busy client does within
	// it, and is told in the answer that the connection ends. Closing at once would
	// cut off requests that are on their way.
	drainIdle = time.Second

	// answerWithin is how long a request that is cut off may take to answer.
	answerWithin = 500 * time.Millisecond

	// endWithin bounds how long handlers may take to notice that their
	// connections are gone.
	endWithin = 5 * time.Second
)

var (
	errDrain    = errors.New("the time for requests in flight is over")
	errUpgraded = errors.New("the time for upgraded connections is over")
	errKilled   = errors.New("the server was told to end at once")
)

// HandedOver are the timeouts of a server that stops because another process has
// taken its addresses over. Nobody waits for its end, so requests and upgraded
// connections have Handover, and idle connections keep their time: one that is
// closed early can cross a request on its way, which the client must not send
// again by itself if it is a POST. A client that asks every so often, as programs
// do, comes within that time, and is told in the answer that the connection ends.
func (t Timeouts) HandedOver() Timeouts {
	t.Drain, t.Upgraded, t.handedOver = t.Handover, t.Handover, true
	return t
}

// farewell is how long an idle connection may still send a request after the
// server began to stop.
func (t Timeouts) farewell() time.Duration {
	if t.handedOver {
		return t.Idle
	}
	return drainIdle
}

// stop ends all connections after the listeners were closed. Requests in flight
// have Timeouts.Drain to end, connections that left HTTP, such as WebSockets,
// Timeouts.Upgraded; both clocks start now. What is left then is cut off. It
// returns when no connection and no handler is left.
func (s *Server) stop() error {
	timeouts := s.settings.Load().timeouts
	s.clients.farewell.Store(int64(timeouts.farewell()))
	s.draining.Store(true)
	s.turns.writers.Retire()
	s.clients.drain()
	goodbye := make(chan struct{})
	go func() {
		defer close(goodbye)
		s.sayGoodbye()
	}()
	defer func() { <-goodbye }()

	upgraded := make(chan error, 1)
	go func() { upgraded <- s.endUpgraded(timeouts.Upgraded) }()
	drained := s.within(s.alive, timeouts.Drain, errDrain, onlyUpgraded)
	if errors.Is(drained, errDrain) {
		s.cutOff()
	}
	if err := <-upgraded; err != nil {
		s.opts.Log.Info("upgraded connections were closed", "reason", err)
	}
	if errors.Is(drained, errDrain) {
		drained = fmt.Errorf("requests were cut off after %v: %w", timeouts.Drain, drained)
	}
	return errors.Join(drained, s.end())
}

// sayGoodbye asks all HTTP/2 connections to end after what they have. A
// connection that is new may send its first request before, as on HTTP/1.
func (s *Server) sayGoodbye() {
	_ = s.within(s.alive, drainIdle, errDrain, func(int, int) bool { return s.young.Load() == 0 })
	s.goingAway.Store(true)
	s.http2s.drain()
	_ = s.within(s.alive, drainIdle, errDrain, func(open, upgraded int) bool { return open == upgraded })
	s.http2s.drain() // also those whose handshake took its time, and that ask for nothing
}

// cutOff ends the requests in flight. Those that wait for a backend get the time
// to say so to their clients.
func (s *Server) cutOff() {
	s.cancel(ErrDraining)
	_ = s.within(context.Background(), answerWithin, ErrDraining, onlyUpgraded)
	s.clients.closeAll(func(c *client) bool { return c.state != clientUpgraded })
}

// onlyUpgraded says that every open connection is an upgraded one.
func onlyUpgraded(open, upgraded int) bool { return open == upgraded }

// endUpgraded waits for upgraded connections to end by themselves, then closes them.
func (s *Server) endUpgraded(within time.Duration) error {
	err := s.within(s.alive, within, errUpgraded, func(_, upgraded int) bool { return upgraded == 0 })
	if err != nil {
		s.clients.closeAll(func(c *client) bool { return c.state == clientUpgraded })
	}
	return err
}

// end cuts off whatever is left and waits for it to be gone.
func (s *Server) end() error {
	s.cancel(ErrDraining)
	s.clients.closeAll(func(*client) bool { return true })
	err := s.within(context.Background(), endWithin, context.DeadlineExceeded, func(open, _ int) bool {
		return open == 0 && s.running.Load() == 0
	})
	if err != nil {
		return fmt.Errorf("%d requests did not end within %v of their connections: %w", s.running.Load(), endWithin, err)
	}
	return nil
}

func (s *Server) within(ctx context.Context, d time.Duration, cause error, enough func(open, upgraded int) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, cause)
	defer cancel()
	return s.clients.wait(ctx, enough)
}

// Close ends everything at once: listeners are closed, connections cut off. Serve
// returns soon after. Before Serve it gives up what Bind opened.
func (s *Server) Close() {
	s.kill(errKilled)
	s.stopAccepting()
}

// serveGeneral is where requests come out of net/http.
func (s *Server) serveGeneral(w http.ResponseWriter, r *http.Request) {
	last := &lastWriter{w, s}
	last.tell()
	s.serveRequest(last, r)
}

// lastWriter says in a response that the connection ends, if the server stops
// before its head is written. For requests that don't come out of net/http that is
// what http1.ResponseWriters.Retire does.
type lastWriter struct {
	http.ResponseWriter
	server *Server
}

// tell changes the head. It does nothing when that was written before.
func (w *lastWriter) tell() {
	if w.server.draining.Load() {
		w.Header().Set("Connection", "close")
	}
}

// WriteHeader begins the response, or sends an informational one.
func (w *lastWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.tell()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *lastWriter) Write(p []byte) (int, error) {
	w.tell()
	return w.ResponseWriter.Write(p)
}

// ReadFrom lets net/http use sendfile and splice where it can.
func (w *lastWriter) ReadFrom(src io.Reader) (int64, error) {
	w.tell()
	return io.Copy(w.ResponseWriter, src)
}

// Unwrap is for http.ResponseController.
func (w *lastWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
