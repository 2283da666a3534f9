package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/wechat"
)

func newWeChatCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "wechat",
		Short: "See whether a mini-program on a phone can talk to a server",
		Args:  unknownVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(newWeChatCheckCommand())
	return command
}

func newWeChatCheckCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "check DOMAIN[:PORT]",
		Short: "Ask a server as WeChat on a phone does, and tell what it would refuse",
		Long: `check connects to every address of the domain as a phone would, and goes through
a list: name, DNS, port, TLS, certificates, redirects, errors, WebSocket, time.
What is not in order comes with what to do about it, for gateway and for nginx
and Apache. At the end stand the lines for WeChat's console. It works with any
server and needs no configuration. The server gets one POST with an empty JSON
object, one GET of an unknown path, and one WebSocket.

  gateway wechat check api.example.com
  gateway wechat check api.example.com:7879 --path /api/login --ws /chat
  gateway wechat check api.example.com --address 203.0.113.5    before DNS is switched

Exit code 0: a phone would get through, warnings or not; 1: it would fail; 2: the
command line is wrong.`,
		Args: oneDomain,
	}
	flags := command.Flags()
	path := flags.String("path", "/", "`PATH` that the POST is sent to")
	socket := flags.String("ws", "", "`PATH` of a WebSocket")
	addresses := flags.StringSlice("address", nil, "connect to this `IP` instead of asking DNS; may be repeated")
	roots := flags.String("ca-file", "", "PEM `FILE` with the root of a private CA, for trying out")
	proof := flags.String("verify-file", "", "`FILE` of WeChat's console that a business domain must show at its root")
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		check, err := newWeChatCheck(args[0], *path, *socket, *addresses)
		if err == nil {
			err = addWeChatFiles(&check, *roots, *proof)
		}
		if err != nil {
			return usageError{err}
		}
		return runWeChatCheck(cmd, check, *asJSON)
	}
	return command
}

// oneDomain wants exactly one.
func oneDomain(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{fmt.Errorf("%s needs a domain, such as api.example.com or api.example.com:7879", cmd.CommandPath())}
	}
	return oneName(cmd, args)
}

func newWeChatCheck(target, path, socket string, addresses []string) (c wechat.Check, err error) {
	c = wechat.Check{Lookup: net.DefaultResolver.LookupNetIP, Waits: wechat.DefaultWaits()}
	if c.Target, err = wechat.ParseTarget(target); err != nil {
		return c, err
	}
	if c.Path, err = wechat.ParsePath(path); err != nil {
		return c, fmt.Errorf("--path: %w", err)
	}
	if socket != "" {
		if c.Socket, err = wechat.ParsePath(socket); err != nil {
			return c, fmt.Errorf("--ws: %w", err)
		}
	}
	for _, text := range addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return c, fmt.Errorf("--address: %q is no IP address", text)
		}
		c.Addresses = append(c.Addresses, address)
	}
	return c, nil
}

// addWeChatFiles reads the files that the flags name.
func addWeChatFiles(c *wechat.Check, roots, proof string) (err error) {
	if roots != "" {
		if c.Roots, err = wechat.ReadRoots(roots); err != nil {
			return fmt.Errorf("--ca-file: %w", err)
		}
	}
	if proof != "" {
		if c.Proof, err = wechat.ReadProof(proof); err != nil {
			return fmt.Errorf("--verify-file: %w", err)
		}
	}
	return nil
}

func runWeChatCheck(cmd *cobra.Command, check wechat.Check, asJSON bool) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	report, err := check.Run(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), report)
	} else {
		err = printWeChatReport(cmd.OutOrStdout(), report)
	}
	if err == nil && !report.Ready {
		err = silentError{errors.New("a phone would fail")}
	}
	return err
}
