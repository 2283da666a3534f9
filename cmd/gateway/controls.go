package main

import (
	"context"
	"errors"
	"log/slog"

	"gateway/cmd/internal/control"
)

// controls is the control socket, which a reload may move to another path.
type controls struct {
	log  *slog.Logger
	next chan *control.Server // holds one; bound, and to take the place of the one that serves
	// first is bound by run.
	first *control.Server
}

func newControls(first *control.Server, log *slog.Logger) *controls {
	return &controls{log: log, next: make(chan *control.Server, 1), first: first}
}

// run answers other commands until ctx ends. Without its socket the front door
// still does its work, so that is an error to tell and no reason to end.
func (c *controls) run(ctx context.Context) error {
	server := c.first
	if err := server.Bind(); err != nil {
		c.log.Error("`gateway status` and its like cannot reach this gateway: write a path that it may use into [admin] socket", "error", err)
		server = nil
	}
	for {
		next, err := c.serve(ctx, server)
		if next == nil {
			return errors.Join(err, c.giveUp())
		}
		if err != nil {
			c.log.Warn("the former control socket", "error", err)
		}
		server = next
	}
}

// serve serves until ctx ends or another server is to take over. nil is a socket
// that could not be had.
func (c *controls) serve(ctx context.Context, server *control.Server) (next *control.Server, err error) {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		if server == nil {
			<-serving.Done()
			ended <- nil
			return
		}
		ended <- server.Serve(serving)
	}()
	select {
	case err := <-ended:
		return nil, err
	case next := <-c.next:
		stop() // which lets the call that has asked for this finish
		return next, <-ended
	}
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
