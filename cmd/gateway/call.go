package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/control"
)

// answerWithin bounds calls that only ask. Those that do something last as long
// as what they do.
const answerWithin = 10 * time.Second

// runningGateway is the gateway that serves the file of -c. Without -c the usual
// file need not be readable: the socket decides who may ask.
func runningGateway(cmd *cobra.Command) (*control.Client, error) {
	socket, err := config.ControlSocket(configPath(cmd))
	switch {
	case err != nil && cmd.Flags().Changed("config"):
		return nil, err
	case err != nil:
		socket = config.Default().Admin.Socket
	}
	return control.NewClient(socket), nil
}

// askGateway calls the running gateway and decodes its answer into out. With
// patient set it waits for as long as the call takes, or until Ctrl-C.
func askGateway(cmd *cobra.Command, call string, in, out any, patient bool) error {
	client, err := runningGateway(cmd)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if !patient {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerWithin)
		defer cancel()
	}
	return client.Call(ctx, call, in, out)
}

// streamGateway copies what the running gateway says until Ctrl-C.
func streamGateway(cmd *cobra.Command, call string, in any) error {
	client, err := runningGateway(cmd)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err = client.Stream(ctx, call, in, cmd.OutOrStdout())
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// addJSONFlag gives a command that lists its --json.
func addJSONFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print JSON")
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
