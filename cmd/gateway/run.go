package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
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
			path := configPath(cmd)
			loaded, err := config.Load(path)
			if err != nil {
				return tellProblems(cmd.ErrOrStderr(), err)
			}
			return serveConfig(cmd.Context(), path, loaded)
		},
	}
}

// serveConfig opens everything the configuration needs and serves it until a
// signal says to stop.
func serveConfig(ctx context.Context, path string, c *config.Config) error {
	path, err := filepath.Abs(path) // status shows it to people in other folders
	if err != nil {
		return fmt.Errorf("the folder of %s: %w", path, err)
	}
	g, err := newGateway(path, c)
	if err != nil {
		return err
	}
	if err := g.open(ctx); err != nil {
		return err
	}
	return runUntilSignal(ctx, g)
}
