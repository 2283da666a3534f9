package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"text/tabwriter"

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

func newFirewallStatusCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "status",
		Short: "Tell whether the firewall is on, its rules, and whether every needed port is open",
		Args:  noArguments,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := needRoot(cmd); err != nil {
			return err
		}
		around, err := firewallAround(cmd)
		if err != nil {
			return err
		}
		status, err := firewall.Look(cmd.Context(), host.This(), around)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), status)
		}
		return printFirewall(cmd.OutOrStdout(), status)
	}
	return command
}

func printFirewall(w io.Writer, s firewall.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", firewallPower(s))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PORT\tFOR\tOPEN")
	for _, d := range s.Doors {
		fmt.Fprintf(table, "%d/tcp\t%s\t%s\n", d.Port, d.For, openWord(d))
	}
	if len(s.Rules) > 0 {
		fmt.Fprintln(table, "\nRULE\tIP\tCOMMENT")
	}
	for _, r := range s.Rules {
		fmt.Fprintf(table, "%s\tv%d\t%s\n", r, r.Family, r.Comment)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, note := range s.Notes {
		fmt.Fprintf(&b, "\nnote: %s\n", note)
	}
	_, err := io.WriteString(w, plainText(b.String()))
	return err
}

// firewallPower is the first line of what is told of the firewall.
func firewallPower(s firewall.Status) string {
	switch {
	case !s.Installed:
		return "There is no firewall: ufw is not installed. Every port that something listens on can be reached."
	case s.Active && !s.Enabled:
		return "The firewall is on, but only until the next reboot: `gateway setup firewall enable` keeps it."
	case !s.Active && s.Enabled:
		return "The firewall shall be on, but is not: `gateway setup firewall enable` starts it."
	case !s.Active:
		return "The firewall is off. Every port that something listens on can be reached."
	case s.Default == "allow":
		return "The firewall is on, but lets in what no rule is about."
	case !s.IPv6:
		return "The firewall is on. Over IPv6 nothing is let in at all (IPV6=no in /etc/default/ufw)."
	}
	return "The firewall is on. What no rule is about is kept out."
}

func openWord(d firewall.DoorStatus) string {
	switch {
	case d.Open:
		return "yes"
	case d.Partly:
		return "to some"
	}
	return "NO"
}

func newFirewallAppsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "apps [NAME]",
		Short: "List the applications that can be allowed by name, or tell of one",
		Args:  oneName,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		apps, err := firewall.Apps(host.This())
		if err != nil {
			return err
		}
		if name := nameIn(args); name != "" {
			apps = slices.DeleteFunc(apps, func(a firewall.App) bool { return !strings.EqualFold(a.Name, name) })
			if len(apps) == 0 {
				return fmt.Errorf("ufw knows no application %q: see them with `gateway setup firewall apps`", name)
			}
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), apps)
		}
		return printApps(cmd.OutOrStdout(), apps)
	}
	return command
}

func printApps(w io.Writer, apps []firewall.App) error {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tPORTS\tWHAT IT IS")
	for _, a := range apps {
		fmt.Fprintf(table, "%s\t%s\t%s\n", a.Name, strings.Join(a.Ports, " "), a.Title)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, plainText(b.String()))
	return err
}
