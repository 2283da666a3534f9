package main

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/firewall"
	"gateway/proxy"
)

func newSetupFirewallCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "firewall",
		Short: "See the firewall (ufw), let ports in or keep them out, turn it on or off",
		Long: `firewall changes ufw at once, without a table in the file. Before it is turned on,
the port of ssh is let in, whatever it is, and every port that a site listens on.
Rules that are there stay.

  sudo gateway setup firewall status
  sudo gateway setup firewall allow 8080/tcp
  sudo gateway setup firewall enable`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(newFirewallStatusCommand(), newFirewallAppsCommand(),
		newFirewallRuleCommand("allow", "Let ports in, or an application", firewall.Allow),
		newFirewallRuleCommand("deny", "Keep ports out, or an application; never ssh or a site", firewall.Deny),
		newFirewallPowerCommand("enable", "Turn the firewall on, with the ports of ssh and of all sites open", firewall.Enable),
		newFirewallPowerCommand("disable", "Turn the firewall off; its rules are kept", firewall.Disable))
	return command
}

// aroundFirewall is what the firewall must know: the doors of the sites, and the
// login that must not be cut off.
func aroundFirewall(c *config.Config) firewall.Around {
	return firewall.Around{Doors: doorsOf(c), Present: presentLogin(host.This()), Listeners: host.Listeners}
}

// doorsOf are the ports of all sites that are reached from outside.
func doorsOf(c *config.Config) []firewall.Door {
	doors := []firewall.Door{}
	for _, site := range c.Sites {
		for _, written := range site.Listen {
			endpoint, err := proxy.ParseEndpoint(written)
			if err != nil || endpoint.Port() == 0 || onLoopback(endpoint) {
				continue
			}
			if !slices.ContainsFunc(doors, func(d firewall.Door) bool { return d.Port == endpoint.Port() }) {
				doors = append(doors, firewall.Door{Port: endpoint.Port(), For: site.Name})
			}
		}
	}
	return doors
}

func onLoopback(e proxy.Endpoint) bool {
	name, _, err := net.SplitHostPort(e.Address)
	ip := net.ParseIP(name)
	return err == nil && ip != nil && ip.IsLoopback()
}

// firewallAround reads the file for the doors. Without a file there are no sites.
func firewallAround(cmd *cobra.Command) (firewall.Around, error) {
	c, err := config.LoadForSetup(configPath(cmd), cmd.Flags().Changed("config"))
	if err != nil {
		return firewall.Around{}, setupProblems(cmd, err)
	}
	return aroundFirewall(c), nil
}

func newFirewallPowerCommand(verb, short string, step func(firewall.Around) *firewall.Step) *cobra.Command {
	command := &cobra.Command{Use: verb, Short: short, Args: noArguments}
	flags := addApplyFlags(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		around, err := firewallAround(cmd)
		if err != nil {
			return err
		}
		return applyOnce(cmd, flags, step(around))
	}
	return command
}

func newFirewallRuleCommand(verb, short string, step func([]firewall.Spec, firewall.Around) *firewall.Step) *cobra.Command {
	command := &cobra.Command{
		Use:   verb + " WHAT...",
		Short: short,
		Long: short + `.

WHAT is a port such as 8080/tcp (a port alone is TCP), 80,443/tcp, 6000:6007/udp,
"5432/tcp from 10.0.0.0/8", or the name of an application that
` + "`gateway setup firewall apps`" + ` lists.`,
		Args: cobra.ArbitraryArgs,
	}
	flags := addApplyFlags(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		specs, err := readSpecs(args)
		if err != nil {
			return err
		}
		around, err := firewallAround(cmd)
		if err != nil {
			return err
		}
		return applyOnce(cmd, flags, step(specs, around))
	}
	return command
}

func readSpecs(args []string) ([]firewall.Spec, error) {
	if len(args) == 0 {
		return nil, usageError{errors.New("nothing is named: " + firewall.SpecHint)}
	}
	var specs []firewall.Spec
	for _, text := range args {
		spec, err := firewall.ParseSpec(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("%w: %s", err, firewall.SpecHint)}
		}
		specs = append(specs, spec)
	}
	return specs, nil
}
