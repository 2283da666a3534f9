package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/firewall"
)

func printHost(w io.Writer, r hostReport) error {
	var b strings.Builder
	fmt.Fprintf(&b, "system:    %s, %s, %d bits\n", cmp.Or(r.Distribution, "unknown"), r.Kernel, r.Bits)
	fmt.Fprintf(&b, "addresses: %s\n", strings.Join(r.Addresses, " "))
	fmt.Fprintf(&b, "shells:    %s\n", strings.Join(r.Shells, " "))
	if r.SSHD != nil {
		printSSHD(&b, *r.SSHD)
	}
	if r.Firewall != nil {
		fmt.Fprintf(&b, "firewall:  %s\n", firewallWords(*r.Firewall))
	}
	for _, f := range r.SSHFolders {
		wrong := ""
		if f.Wrong {
			wrong = "   sshd takes no key from it: gateway setup apply sshd mends it"
		}
		fmt.Fprintf(&b, "keys:      %s %s%s\n", f.Mode, f.Path, wrong)
	}
	b.WriteString("\n")
	if err := printListeners(&b, r.Ports); err != nil {
		return err
	}
	printUnmet(&b, r)
	_, err := io.WriteString(w, plainText(b.String()))
	return err
}

func printSSHD(b *strings.Builder, r sshdReport) {
	fmt.Fprintf(b, "sshd:      port %s", strings.Trim(fmt.Sprint(r.Ports), "[]"))
	for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
		fmt.Fprintf(b, ", %s %s", name, r.Settings[name])
	}
	b.WriteString("\n")
}

// firewallWords are the state of the firewall in one line, and the ports that it
// keeps shut though they must be open.
func firewallWords(s firewall.Status) string {
	switch {
	case !s.Installed:
		return "ufw is not installed"
	case !s.Active:
		return "ufw is off"
	}
	rules := fmt.Sprintf("%d rules", len(s.Rules))
	if len(s.Rules) == 1 {
		rules = "1 rule"
	}
	words := fmt.Sprintf("ufw is on, %s, the rest: %s", rules, s.Default)
	for _, door := range s.Doors {
		if !door.Open {
			words += fmt.Sprintf("; port %d (%s) is closed", door.Port, door.For)
		}
	}
	return words
}

func printListeners(w io.Writer, listeners []host.Listener) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ADDRESS\tPID\tUSER\tSERVICE\tCOMMAND")
	for _, l := range listeners {
		pid := "-"
		if l.PID != 0 {
			pid = fmt.Sprint(l.PID)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", l.Address, pid, cmp.Or(l.User, "-"), cmp.Or(l.Unit, "-"), cmp.Or(shortened(l.Command), "-"))
	}
	return table.Flush()
}

// shortened keeps a command line within a line of a terminal.
func shortened(command string) string {
	const most = 80
	if runes := []rune(command); len(runes) > most {
		return string(runes[:most-3]) + "..."
	}
	return command
}

func printUnmet(b *strings.Builder, r hostReport) {
	b.WriteString("\n")
	if len(r.Unmet) == 0 {
		b.WriteString("setup: nothing that the file declares is left to do\n")
	}
	for _, u := range r.Unmet {
		for _, change := range u.Changes {
			fmt.Fprintf(b, "setup %s: to do: %s\n", u.Step, change)
		}
		for _, refused := range u.Refused {
			fmt.Fprintf(b, "setup %s: refused: %s\n", u.Step, refused)
		}
	}
	for _, unknown := range r.Unknown {
		fmt.Fprintf(b, "not known: %s\n", unknown)
	}
}
