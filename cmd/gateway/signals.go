package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// runUntilSignal serves until SIGTERM or SIGINT and lets requests in flight
// finish; a second one of these ends at once. SIGHUP takes the changed file over,
// SIGUSR1 opens the log files anew.
func runUntilSignal(ctx context.Context, g *gateway) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGPIPE)
	defer signal.Stop(signals)

	serving, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- g.serve(serving) }()
	ended, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	for {
		select {
		case err := <-done:
			end()
			g.asides.Wait()
			return err
		case heir := <-g.leaving:
			g.asides.Go(func() { g.outlive(ended, heir) })
			g.asides.Go(func() { g.forgetBackends(ended) })
			stop()
		case received := <-signals:
			g.obey(received, serving, stop)
		}
	}
}

// obey does what one signal asks for.
func (g *gateway) obey(received os.Signal, serving context.Context, stop context.CancelFunc) {
	switch received {
	case syscall.SIGUSR1:
		g.reopenLogs()
	case syscall.SIGPIPE:
		// Whoever read our standard output is gone. Without this case that would be
		// the end of gateway.
	case syscall.SIGHUP:
		g.asides.Go(func() { g.reload(serving) })
	default:
		if serving.Err() != nil {
			g.log.Warn("stopping at once, requests in flight are cut", "signal", received.String())
			g.server.Close()
		}
		stop()
	}
}

func (g *gateway) reopenLogs() {
	g.access.Reopen()
	if err := g.errorLog.Reopen(); err != nil {
		g.log.Error("error log can't be opened anew", "error", err)
	}
}
