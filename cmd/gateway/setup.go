package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/deadman"
)

func newSetupCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "setup",
		Short: "Make this machine ready: accounts, ssh, firewall, conda, JupyterHub, the service",
		Long: `setup makes of this machine what the tables [setup...] of the file declare.

  gateway setup plan             show what would be done; nothing is changed
  sudo gateway setup apply       show it, ask, and do it
  sudo gateway setup undo        take the last run back
  sudo gateway setup confirm     from a new ssh login: what was applied may stay

A run is done whole or taken back. What could lock you out is taken back by
itself unless you confirm it in time.`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(newSetupPlanCommand(), newSetupApplyCommand(), newSetupUndoCommand(), newSetupConfirmCommand(), newSetupStatusCommand(),
		newSetupUserCommand(), newSetupFirewallCommand(), newSetupCondaCommand(), newSetupJupyterCommand())
	return command
}

// stepArguments takes names of steps, or none for all.
func stepArguments(_ *cobra.Command, args []string) error {
	for _, name := range args {
		if !slices.Contains(stepNames(), name) {
			return usageError{fmt.Errorf("%q is no step of setup: write one or more of %s", name, strings.Join(stepNames(), ", "))}
		}
	}
	return nil
}

// newSetupEngine makes the engine for this machine, with the journals in a state
// folder. What it does is told on out.
func newSetupEngine(cmd *cobra.Command, state string, out io.Writer) *host.Engine {
	machine := host.This()
	machine.Progress = progressOn(cmd.ErrOrStderr())
	engine := host.NewEngine(machine, state)
	engine.Deadman = deadman.New(state)
	engine.By = whoAsks()
	engine.Tell = func(e host.Event) { fmt.Fprintln(out, eventText(e)) }
	return engine
}

// setupState is the state folder for commands that need nothing else of the
// file. A file that is not there means the usual folder, unless it was named.
func setupState(cmd *cobra.Command) (string, error) {
	state, err := config.StateFolder(configPath(cmd))
	if err != nil && !cmd.Flags().Changed("config") {
		return config.Default().State, nil
	}
	return state, err
}

// whoAsks names the user for the journal, and the one behind sudo.
func whoAsks() string {
	name := fmt.Sprintf("user %d", os.Geteuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if behind := os.Getenv("SUDO_USER"); behind != "" && behind != name {
		name += " (sudo of " + plainText(behind) + ")"
	}
	return name
}

// untilInterrupted ends with Ctrl-C, with the end of the terminal's connection
// and when the system asks the command to end. What it prints to a terminal that
// is gone is lost, and must not kill it in the middle of a run.
func untilInterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	return ctx, func() {
		signal.Stop(broken)
		stop()
	}
}

// setupProblems are those of the file, or an error as it is.
func setupProblems(cmd *cobra.Command, err error) error {
	var problems config.Problems
	if errors.As(err, &problems) {
		return tellProblems(cmd.ErrOrStderr(), err)
	}
	return err
}
