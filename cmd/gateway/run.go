package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/handover"
	"gateway/proxy"
)

func newRunCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Serve what the file says, until SIGTERM or Ctrl-C",
		Long: `run checks the file, binds every address, and then serves.

If anything in the file is wrong, it says all of it at once, starts nothing, and
ends with exit code 1. SIGTERM (or Ctrl-C) lets requests in flight finish; a
second one ends at once. SIGUSR1 opens the log files anew.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := handover.Find()
			if err != nil {
				return err
			}
			path := configPath(cmd)
			loaded, err := config.Load(path)
			if err != nil {
				if from != nil {
					from.Refuse(err)
				}
				return tellProblems(cmd.ErrOrStderr(), err)
			}
			return serveConfig(cmd.Context(), path, loaded, from)
		},
	}
}

// serveConfig opens everything the configuration needs and serves it until a
// signal says to stop. from is the gateway that serves so far; nil: none.
func serveConfig(ctx context.Context, path string, c *config.Config, from *handover.Predecessor) error {
	path, err := filepath.Abs(path) // status shows it to people in other folders
	if err != nil {
		return fmt.Errorf("the folder of %s: %w", path, err)
	}
	if from != nil {
		from.Otherwise = proxy.ListenTCP
		g, err := newGateway(path, c, from.Listen)
		if err != nil {
			from.Refuse(err)
			return err
		}
		return g.takeOver(ctx, from)
	}
	sockets, err := handover.Activated()
	if err != nil {
		return err
	}
	sockets.Otherwise = proxy.ListenTCP
	g, err := newGateway(path, c, sockets.Listen)
	if err != nil {
		return err
	}
	if err := g.open(ctx); err != nil {
		return g.leaveToHeir(err)
	}
	for _, address := range sockets.Left() {
		g.log.Warn("the service manager has opened an address that no site listens on, and it is closed: take it out of the socket unit, or put it into the site's listen", "address", address)
	}
	if err := sockets.Close(); err != nil {
		return err
	}
	return runUntilSignal(ctx, g)
}
