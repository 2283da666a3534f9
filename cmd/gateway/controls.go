package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"gateway/cmd/internal/control"
)

// controls is the control socket, which a reload may move to another path.
type controls struct {
	log  *slog.Logger
	next chan *control.Server // holds one; bound, and to take the place of the one that serves

	mu      sync.Mutex
	current *control.Server // nil: could not be had
}

func newControls(first *control.Server, log *slog.Logger) *controls {
	return &controls{log: log, next: make(chan *control.Server, 1), current: first}
}

// bind opens the first socket. From then on commands find it, and wait until run
// answers them. Without its socket the front door still does its work, so that is
// an error to tell and no reason to end.
func (c *controls) bind() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.current.Bind(); err != nil {
		c.log.Error("`gateway status` and its like cannot reach this gateway: write a path that it may use into [admin] socket", "error", err)
		c.current = nil
	}
}

// run answers other commands until ctx ends. It comes after bind.
func (c *controls) run(ctx context.Context) error {
	for {
		next, err := c.serve(ctx, c.serving())
		if next == nil {
			return errors.Join(err, c.giveUp())
		}
		if err != nil {
			c.log.Warn("the former control socket", "error", err)
		}
		c.become(next)
	}
}

func (c *controls) serving() *control.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

func (c *controls) become(server *control.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = server
}

// serve serves until ctx ends or another server is to take over. nil is a socket
// that could not be had.
func (c *controls) serve(ctx context.Context, server *control.Server) (next *control.Server, err error) {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		if server != nil {
			if err := server.Serve(serving); err != nil {
				ended <- err
				return
			}
		}
		<-serving.Done()
		ended <- nil
	}()
	select {
	case err := <-ended:
		return nil, err
	case next := <-c.next:
		stop() // which lets the call that has asked for this finish
		return next, <-ended
	}
}

// retire gives the socket up, for another process. Calls in progress go on.
func (c *controls) retire() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return nil
	}
	return c.current.Retire()
}

// resume takes the socket again that retire gave up.
func (c *controls) resume(server *control.Server) error {
	if err := server.Bind(); err != nil {
		return err
	}
	c.replace(server)
	return nil
}

// giveUp closes a server that did not come to serve.
func (c *controls) giveUp() error {
	select {
	case waiting := <-c.next:
		return waiting.Close()
	default:
		return nil
	}
}

// replace has a server that is bound take over. It does not wait.
func (c *controls) replace(next *control.Server) {
	if err := c.giveUp(); err != nil {
		c.log.Warn("a control socket that was not used", "error", err)
	}
	c.next <- next
}
