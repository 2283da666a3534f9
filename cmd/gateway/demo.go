package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"gateway/certs"
	"gateway/cmd/internal/config"
	"gateway/cmd/internal/demo"
	"gateway/cmd/internal/host"
	"gateway/health"
)

func newDemoCommand() *cobra.Command {
	setup := demo.Defaults()
	command := &cobra.Command{
		Use:   "demo",
		Short: "See gateway work: no root, no file, no network",
		Long: `demo serves a small backend of its own over HTTPS, with a certificate of a CA
that it makes for itself, and prints commands worth trying. Mails to admins go
to a mailbox of the demo, which shows them.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd, setup) },
	}
	flags := command.Flags()
	flags.StringSliceVar(&setup.Listen, "listen", setup.Listen, "serve HTTPS on these `ADDRESSES`")
	flags.StringVar(&setup.Backend, "backend", setup.Backend, "run the demo backend on this `ADDRESS`")
	flags.StringVar(&setup.State, "state", "", "keep certificates and the file in this `FOLDER` (default ~/.local/state/gateway-demo)")
	return command
}

// newDemoBackendCommand is the backend as a program of its own, so that it can
// be killed like a real one.
func newDemoBackendCommand() *cobra.Command {
	var address string
	command := &cobra.Command{
		Use:    demo.BackendVerb,
		Short:  "Serve the demo's backend",
		Hidden: true,
		Args:   noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return demo.ServeBackend(ctx, address)
		},
	}
	command.Flags().StringVar(&address, "listen", demo.Defaults().Backend, "serve plain HTTP on this `ADDRESS`")
	return command
}

func runDemo(cmd *cobra.Command, setup demo.Setup) error {
	mailbox, err := demo.OpenMailbox(cmd.Context(), cmd.OutOrStdout())
	if err != nil {
		return err
	}
	setup.Mailbox = mailbox.Port()
	path, err := prepareDemo(&setup)
	if err != nil {
		return err
	}
	if err := checkFree(cmd.Context(), setup); err != nil {
		return err
	}
	loaded, err := config.Load(path)
	if err != nil {
		return tellProblems(cmd.ErrOrStderr(), err)
	}
	g, err := newGateway(path, loaded, nil)
	if err != nil {
		return err
	}
	g.anotherAddress = "choose other addresses, such as --listen 127.0.0.1:7899"
	g.beneath = []lifetime{{"mailbox", mailbox.Serve}}
	g.ready = func() { greet(cmd.OutOrStdout(), setup, path) }
	if err := g.open(cmd.Context()); err != nil {
		return err
	}
	return runUntilSignal(cmd.Context(), g)
}

// greet shows a newcomer what to try.
func greet(w io.Writer, setup demo.Setup, path string) {
	home, _ := os.UserHomeDir() // without one, whole paths are shown
	_ = demo.Welcome(w, demo.Info{
		Listen: setup.Listen, Backend: setup.Backend, State: setup.State,
		CA: certs.LocalRoot(setup.State), Config: path, Home: home, Mailbox: setup.Mailbox != 0,
	}) // a closed terminal is no reason to stop
}

// prepareDemo completes the setup and writes its file.
func prepareDemo(setup *demo.Setup) (string, error) {
	var err error
	if setup.State == "" {
		setup.State, err = demo.StateFolder(os.Getenv)
	} else {
		setup.State, err = filepath.Abs(setup.State)
	}
	if err != nil {
		return "", err
	}
	if setup.Program, err = os.Executable(); err != nil {
		return "", fmt.Errorf("can't tell where gateway's own program is: %w", err)
	}
	return demo.Prepare(*setup)
}

// checkFree finds a taken backend port before the demo starts: its own backend
// could not serve, and somebody else's would be shown as the demo's. What an
// earlier demo was killed before it could stop is adopted.
func checkFree(ctx context.Context, setup demo.Setup) error {
	err := host.Free(ctx, "tcp", setup.Backend, "choose another port with --backend 127.0.0.1:7900")
	var taken *host.InUseError
	if errors.As(err, &taken) && health.Started(setup.State, demo.BackendName, taken.Holder.PID) {
		return nil
	}
	return err
}
