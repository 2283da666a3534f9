package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
	"gateway/cmd/internal/host/firewall"
	"gateway/cmd/internal/host/sshd"
	"gateway/cmd/internal/host/user"
)

func newHostCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "host",
		Short: "Tell about this machine: system, addresses, ssh, firewall, ports, what setup would change",
		Long: `host tells what an admin would look up by a dozen commands: the system, its
addresses and shells, what sshd really allows, the firewall, the modes of .ssh,
who listens on which port, and what of [setup] is not met. It changes nothing.
Some of it is told to root only.`,
		Args: unknownVerb,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		report, err := lookAtHost(cmd)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), report)
		}
		return printHost(cmd.OutOrStdout(), report)
	}
	command.AddCommand(newHostPortsCommand())
	return command
}

func newHostPortsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "ports",
		Short: "List who listens on which TCP port: process, user, service, command",
		Long:  `ports lists the TCP ports on which something listens. Processes of others are told to root only.`,
		Args:  noArguments,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		listeners, err := host.Listeners(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), listeners)
		}
		return printListeners(cmd.OutOrStdout(), listeners)
	}
	return command
}

// hostReport is what is told about a machine.
type hostReport struct {
	host.System
	Shells     []string         `json:"shells"`
	SSHD       *sshdReport      `json:"sshd"`     // null: see unknown
	Firewall   *firewall.Status `json:"firewall"` // null: see unknown
	SSHFolders []sshd.Folder    `json:"ssh_folders"`
	Ports      []host.Listener  `json:"ports"`
	Unmet      []unmetStep      `json:"unmet"` // of [setup]
	Unknown    []string         `json:"unknown,omitempty"`
}

// sshdReport is what sshd's settings come to, whatever its files say.
type sshdReport struct {
	Ports    []int             `json:"ports"`
	Settings map[string]string `json:"settings"`
}

// unmetStep is a step of setup that has something to do.
type unmetStep struct {
	Step    string   `json:"step"`
	Changes []string `json:"changes,omitempty"`
	Refused []string `json:"refused,omitempty"` // why apply would not do it
}

// hostLook gathers a report.
type hostLook struct {
	machine host.Machine
	report  hostReport
}

func lookAtHost(cmd *cobra.Command) (hostReport, error) {
	ctx := cmd.Context()
	l := &hostLook{machine: host.This()}
	var err error
	if l.report.System, err = host.ReadSystem(ctx, l.machine); err != nil {
		return hostReport{}, err
	}
	if l.report.Ports, err = host.Listeners(ctx); err != nil {
		return hostReport{}, err
	}
	l.shells()
	l.accounts()
	l.sshd(ctx)
	l.setup(cmd)
	return l.report, ctx.Err()
}

// missing notes what could not be told, and why.
func (l *hostLook) missing(what string, err error) {
	why := err.Error()
	if errors.Is(err, fs.ErrPermission) || l.machine.UID != 0 {
		why = "only root sees it"
	}
	l.report.Unknown = append(l.report.Unknown, what+": "+why)
}

func (l *hostLook) shells() {
	var err error
	if l.report.Shells, err = user.Shells(l.machine); err != nil {
		l.report.Shells = []string{}
		l.missing("shells", err)
	}
}

func (l *hostLook) accounts() {
	accounts, err := account.Read(l.machine)
	if err != nil {
		l.missing("accounts", err)
	}
	people := accounts.People()
	if root, found := accounts.Account("root"); found {
		people = append(people, root)
	}
	l.report.SSHFolders = sshd.Folders(l.machine, people)
}

// tellingSettings are those of sshd that say who comes in how.
func tellingSettings() []string {
	return []string{"passwordauthentication", "kbdinteractiveauthentication", "pubkeyauthentication", "permitrootlogin", "allowusers", "allowgroups", "maxauthtries", "allowtcpforwarding"}
}

func (l *hostLook) sshd(ctx context.Context) {
	if !account.Installed(l.machine, "sshd") {
		l.report.Unknown = append(l.report.Unknown, "sshd: it is not installed")
		return
	}
	settings, err := account.SSHD(ctx, l.machine, "", netip.Addr{})
	if err != nil {
		l.missing("sshd", err)
		return
	}
	told := &sshdReport{Ports: settings.Ports(), Settings: map[string]string{}}
	for _, name := range tellingSettings() {
		if value := settings.Get(name); value != "" {
			told.Settings[name] = value
		}
	}
	l.report.SSHD = told
}

// setup tells what of the file is not met. Without a file there is only the
// firewall to look at.
func (l *hostLook) setup(cmd *cobra.Command) {
	l.report.Unmet = []unmetStep{}
	c, err := config.LoadForSetup(configPath(cmd), cmd.Flags().Changed("config"))
	if err != nil {
		l.missing("setup", fmt.Errorf("%s is not in order: gateway check tells more", configPath(cmd)))
		fallback := config.Default()
		c = &fallback
	}
	status, err := firewall.Look(cmd.Context(), l.machine, aroundFirewall(c))
	if err == nil {
		l.report.Firewall = &status
	} else {
		l.missing("firewall", err)
	}
	steps, err := stepsOf(c, configPath(cmd), nil)
	if err != nil {
		l.missing("setup", err)
		return
	}
	proposal, err := host.NewEngine(l.machine, c.State).Plan(cmd.Context(), steps)
	if err != nil {
		l.missing("setup", err)
		return
	}
	l.report.Unmet = append(l.report.Unmet, unmetOf(proposal)...)
}

// unmetOf are the steps of a plan that are not as they shall be.
func unmetOf(p host.Proposal) []unmetStep {
	var unmet []unmetStep
	for _, s := range p.Steps {
		u := unmetStep{Step: s.Step}
		for _, c := range s.Changes {
			u.Changes = append(u.Changes, c.What)
		}
		for _, r := range s.Refusals {
			u.Refused = append(u.Refused, r.What)
		}
		if s.Error != "" {
			u.Refused = append(u.Refused, s.Error)
		}
		if len(u.Changes)+len(u.Refused) > 0 {
			unmet = append(unmet, u)
		}
	}
	return unmet
}
