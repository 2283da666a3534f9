package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// runUntilSignal serves until SIGTERM or SIGINT and lets requests in flight
// finish; a second one of these ends at once. SIGUSR1 opens the log files anew.
func runUntilSignal(ctx context.Context, g *generation) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGHUP)
	defer signal.Stop(signals)

	serving, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- g.serve(serving) }()
	for {
		select {
		case err := <-done:
			return err
		case received := <-signals:
			g.obey(received, serving, stop)
		}
	}
}

// obey does what one signal asks for.
func (g *generation) obey(received os.Signal, serving context.Context, stop context.CancelFunc) {
	switch received {
	case syscall.SIGUSR1:
		g.reopenLogs()
	case syscall.SIGHUP:
		// Ending, which is what the system does by default, would take the front
		// door away from whoever expects a reload.
		g.log.Warn("SIGHUP is ignored: restart gateway to take over a changed file; certificates are taken over by themselves")
	default:
		if serving.Err() != nil {
			g.log.Warn("stopping at once, requests in flight are cut", "signal", received.String())
			g.server.Close()
		}
		stop()
	}
}

func (g *generation) reopenLogs() {
	g.access.Reopen()
	if err := g.errorLog.Reopen(); err != nil {
		g.log.Error("error log can't be opened anew", "error", err)
	}
}
