package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Server answers calls at a control socket. It is set up by Handle and
// HandleStream, opened by Bind, and runs in Serve.
type Server struct {
	path    string
	log     *slog.Logger
	mux     *http.ServeMux
	allowed func(Peer) bool
	timeout time.Duration // to read a call, and to write an answer that is no stream
	grace   time.Duration // for calls in progress when the server stops
	socket  *socket       // nil before Bind

	streams  context.Context // ends when the server begins to stop
	stop     context.CancelFunc
	inFlight sync.WaitGroup
	retired  atomic.Bool
}

// NewServer prepares a server for the socket at path.
func NewServer(path string, log *slog.Logger) *Server {
	s := &Server{path: path, log: log, mux: http.NewServeMux(), allowed: rootOrSelf, timeout: ioTimeout, grace: grace}
	s.streams, s.stop = context.WithCancel(context.Background())
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, http.StatusNotFound, fmt.Errorf("the running gateway does not know %s %s: it may be another version than this command: compare `gateway version` with `gateway status`, then `gateway upgrade`", r.Method, r.URL.Path))
	})
	return s
}

func rootOrSelf(p Peer) bool { return p.UID == 0 || p.UID == os.Geteuid() }

// Bind opens the socket, with mode 0600, in a folder that is made with mode 0700
// if it is absent. A socket that a dead process left is replaced. It returns an
// *AliveError when another process serves it.
func (s *Server) Bind() error {
	socket, err := bind(s.path)
	if err != nil {
		return err
	}
	s.socket = socket
	return nil
}

// Close gives up a socket that Bind opened and that nobody serves.
func (s *Server) Close() error {
	if s.socket == nil {
		return nil
	}
	return s.socket.Close()
}

// Retire gives the socket up, so that another process may have it. Calls in
// progress go on for as long as they take, unlike when ctx of Serve ends; Serve
// returns after the last one.
func (s *Server) Retire() error {
	s.retired.Store(true)
	return s.Close()
}

// Serve answers calls until ctx ends. Streams end at once then, other calls have
// 5 s to finish; the socket is removed. It returns when no handler runs any more.
func (s *Server) Serve(ctx context.Context) error {
	if s.socket == nil {
		return fmt.Errorf("control socket %s: not bound", s.path)
	}
	server := &http.Server{
		Handler:           s.guarded(s.mux),
		ConnContext:       withPeer,
		ReadHeaderTimeout: s.timeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.socket) }()
	var err error
	select {
	case err = <-served: // http.Server has closed the socket
		s.stop()
		if s.retired.Load() {
			s.inFlight.Wait()
			err = s.shutdown(context.WithoutCancel(ctx), server)
			break
		}
		_ = server.Close()
	case <-ctx.Done():
		s.stop()
		err = s.shutdown(context.WithoutCancel(ctx), server)
		<-served
	}
	s.inFlight.Wait()
	if err = errors.Join(err, s.socket.Close()); err != nil {
		return fmt.Errorf("control socket %s: %w", s.path, err)
	}
	return nil
}

func (s *Server) shutdown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, s.grace)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("a command was still running and was cut off", "socket", s.path, "after", s.grace)
		return server.Close()
	}
	return err
}

// guarded lets only those in who may call, and keeps count of the calls.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.inFlight.Add(1)
		defer s.inFlight.Done()
		peer, known := PeerFrom(r.Context())
		if !known || !s.allowed(peer) {
			s.log.Warn("refused a command of another user", "socket", s.path, "path", r.URL.Path, "uid", peer.UID, "pid", peer.PID)
			s.refuse(w, http.StatusForbidden, fmt.Errorf("only root and user %s may command this gateway", userName(os.Geteuid())))
			return
		}
		s.log.Debug("command", "path", r.URL.Path, "uid", peer.UID, "pid", peer.PID)
		next.ServeHTTP(w, r)
	})
}

type peerKey struct{}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	peer, err := peerOf(c)
	if err != nil {
		return ctx // guarded refuses a call from nobody
	}
	return context.WithValue(ctx, peerKey{}, peer)
}

// PeerFrom tells a handler who calls.
func PeerFrom(ctx context.Context) (Peer, bool) {
	peer, ok := ctx.Value(peerKey{}).(Peer)
	return peer, ok
}
