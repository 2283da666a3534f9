package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gateway/health"
)

// version is set by the linker: see the Makefile.
var version = "unknown"

// defaultConfig is where an installed gateway looks for its file.
const defaultConfig = "/etc/gateway/config.toml"

// Exit codes of every verb.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitLost   = 3 // an import left something behind that clients feel
)

// usageError is a command line that cannot be understood: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// silentError is a failure that was told already; only its exit code is left.
type silentError struct{ error }

func (e silentError) Unwrap() error { return e.error }

// lostError is an import that was done, but left behind something that clients
// feel. The report has told it.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

// run does what the arguments say and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == health.LaunchVerb {
		return health.Launch(args[1:], stderr) // becomes the backend
	}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return exitDone
	}
	var lost lostError
	if errors.As(err, &lost) {
		return exitLost
	}
	var silent silentError
	if !errors.As(err, &silent) {
		fmt.Fprintf(stderr, "gateway: %v\n", err)
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(stderr, "See `gateway --help`, or `gateway VERB --help`.")
		return exitUsage
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "gateway",
		Short: "The front door of a small team's backend",
		Long: `gateway serves HTTPS, proxies to your backend, keeps it running, and tells you.

  gateway demo                 see it work: no root, no file, no network
  gateway check -c FILE        every problem of a configuration, all at once
  gateway run -c FILE          serve`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownVerb,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringP("config", "c", defaultConfig, "the configuration `FILE`")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newRunCommand(),
		newReloadCommand(),
		newUpgradeCommand(),
		newCheckCommand(),
		newDemoCommand(),
		newDemoBackendCommand(),
		newStatusCommand(),
		newHistoryCommand(),
		newBackendCommand(),
		newCertsCommand(),
		newMailCommand(),
		newSetupCommand(),
		newHostCommand(),
		newWeChatCommand(),
		newImportCommand(),
		newVersionCommand(),
	)
	return root
}

// unknownVerb turns cobra's silent acceptance of stray arguments into a wrong usage.
func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("unknown command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += fmt.Sprintf(": did you mean %q?", near[0])
	}
	return usageError{errors.New(message)}
}

// noArguments refuses stray words behind a verb.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s takes no arguments, but got %q", cmd.CommandPath(), args[0])}
}

// configPath is the value of -c.
func configPath(cmd *cobra.Command) string {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return defaultConfig
	}
	return path
}
