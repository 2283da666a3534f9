package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gateway/health"
)

func newBackendCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "backend",
		Short: "See, start, stop and restart backends, and read their logs",
		Args:  unknownVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(
		newBackendStatusCommand(),
		newBackendActCommand("start", callBackendStart, "Start a backend that was stopped, or at once one that waits for its next start"),
		newBackendActCommand("stop", callBackendStop, "Let requests under way finish, and stop the backend; it stays down"),
		newBackendActCommand("restart", callBackendRestart, "Let requests under way finish, and start the backend anew; new requests wait"),
		newBackendLogsCommand(),
	)
	return command
}

// oneBackend is the name in the arguments, "" for all.
func oneBackend(cmd *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return usageError{fmt.Errorf("%s takes one backend's name, but got %q as well", cmd.CommandPath(), args[1])}
}

func nameIn(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func newBackendStatusCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Tell how the backends are",
		Long: `status tells how the backends are: exit code 0 when all that were asked for
answer, 1 when one does not.`,
		Args: oneBackend,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		var statuses []health.Status
		if err := askGateway(cmd, callBackendStatus, backendRequest{Name: nameIn(args)}, &statuses, false); err != nil {
			return err
		}
		if err := printStatuses(cmd.OutOrStdout(), statuses, *asJSON); err != nil {
			return err
		}
		return unlessAllUp(statuses)
	}
	return command
}

// newBackendActCommand is a verb that does something and tells how the backends
// are afterwards.
func newBackendActCommand(verb, call, short string) *cobra.Command {
	command := &cobra.Command{Use: verb + " [NAME]", Short: short, Args: oneBackend}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		var statuses []health.Status
		if err := askGateway(cmd, call, backendRequest{Name: nameIn(args)}, &statuses, true); err != nil {
			return err
		}
		return printStatuses(cmd.OutOrStdout(), statuses, *asJSON)
	}
	return command
}

func newBackendLogsCommand() *cobra.Command {
	var lines int
	var follow bool
	command := &cobra.Command{
		Use:   "logs [NAME]",
		Short: "Print what a backend wrote last, of 64 KiB at most",
		Args:  oneBackend,
		RunE: func(cmd *cobra.Command, args []string) error {
			request := backendRequest{Name: nameIn(args), Lines: lines}
			if follow {
				return streamGateway(cmd, callBackendFollow, request)
			}
			var text string
			if err := askGateway(cmd, callBackendLogs, request, &text, false); err != nil {
				return err
			}
			_, err := io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
	command.Flags().IntVarP(&lines, "lines", "n", 40, "this many `LINES`; 0: all that are kept")
	command.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what the backend writes, until Ctrl-C")
	return command
}

func printStatuses(w io.Writer, statuses []health.Status, asJSON bool) error {
	if asJSON {
		return printJSON(w, statuses)
	}
	for _, status := range statuses {
		if _, err := io.WriteString(w, statusText(status)); err != nil {
			return err
		}
	}
	return nil
}

// unlessAllUp makes the exit code tell what a script wants to know.
func unlessAllUp(statuses []health.Status) error {
	for _, status := range statuses {
		if status.State != health.Up.String() {
			return silentError{errors.New("a backend is not up")}
		}
	}
	return nil
}
