package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/firewall"
)

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
