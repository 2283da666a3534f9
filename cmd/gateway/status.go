package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gateway/certs"
	"gateway/health"
	"gateway/health/mail"
)

// clock is how times are shown to people: local, with the offset from UTC.
const clock = "2006-01-02 15:04:05 -0700"

func newStatusCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "status",
		Short: "Tell how the running gateway, its certificates and its backends are",
		Args:  noArguments,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		var report statusReport
		if err := askGateway(cmd, callStatus, struct{}{}, &report, false); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), report)
		}
		return printReport(cmd.OutOrStdout(), report)
	}
	return command
}

func newHistoryCommand() *cobra.Command {
	var limit int
	command := &cobra.Command{
		Use:   "history",
		Short: "List the incidents: when, why, how long, requests held and failed",
		Args:  noArguments,
	}
	command.Flags().IntVarP(&limit, "number", "n", 20, "the latest `N`; 0: all that are kept")
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		incidents := []health.Incident{}
		if err := askGateway(cmd, callHistory, limit, &incidents, false); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), incidents)
		}
		return printIncidents(cmd.OutOrStdout(), incidents, time.Now())
	}
	return command
}

func printReport(w io.Writer, r statusReport) error {
	var b strings.Builder
	fmt.Fprintf(&b, "gateway %s, pid %d, since %s\n", r.Version, r.PID, r.Started.Local().Format(clock))
	fmt.Fprintf(&b, "file      %s\n", r.Config)
	fmt.Fprintf(&b, "serving   %s\n", strings.Join(r.Addresses, " "))
	for _, c := range r.Certificates {
		until := "valid until " + c.NotAfter.Local().Format(clock)
		if c.Placeholder {
			until = "none yet, a placeholder is shown"
		}
		fmt.Fprintf(&b, "\ncertificate %s (%s), %s\n", strings.Join(c.Names, " "), c.Origin, until)
		for _, problem := range c.Problems {
			fmt.Fprintf(&b, "  %s\n", problem)
		}
	}
	for _, s := range r.Backends {
		fmt.Fprintf(&b, "\n%s", statusText(s))
	}
	b.WriteString(noticesText(r.Notices))
	_, err := io.WriteString(w, b.String())
	return err
}

// noticesText is how admins are reached, for people.
func noticesText(n *noticesReport) string {
	if n == nil {
		return "\nnotices: nobody is told when something fails: write [mail] or [[webhook]] into the file\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nnotices: %d waiting", n.Waiting)
	if n.Dead > 0 {
		fmt.Fprintf(&b, ", %d given up: see `gateway mail queue`", n.Dead)
	}
	b.WriteByte('\n')
	for _, c := range n.Channels {
		fmt.Fprintf(&b, "  %-10s%s\n", c.Name, channelText(c))
		for _, line := range c.Advice {
			fmt.Fprintf(&b, "  %-10s-> %s\n", "", line)
		}
	}
	return b.String()
}

func channelText(c mail.ChannelStatus) string {
	switch {
	case !c.FailingSince.IsZero():
		return fmt.Sprintf("fails since %s, %d waiting: %s", c.FailingSince.Local().Format(clock), c.Waiting, c.Error)
	case c.NextTry.After(time.Now()):
		return fmt.Sprintf("asked for a pause until %s, %d waiting", c.NextTry.Local().Format(clock), c.Waiting)
	case !c.LastSuccess.IsZero():
		return "last taken at " + c.LastSuccess.Local().Format(clock)
	case c.Fallback:
		return "for when mail fails; not used since gateway runs"
	}
	return "not used since gateway runs"
}

// statusText is what is known of one backend, for people.
func statusText(s health.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "backend %s: %s since %s\n", s.Backend, s.State, s.Since.Local().Format(clock))
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-11s%s\n", name, value)
		}
	}
	row("why", s.Reason)
	row("url", s.URL)
	row("served by", s.ServedBy)
	row("process", processText(s))
	row("restarts", countText(s.Restarts))
	row("last exit", whenText(s.LastExit, s.ExitedAt))
	row("probe", probeText(s.LastProbe))
	row("next start", timeText(s.NextStart))
	row("log", s.Log)
	return b.String()
}

func processText(s health.Status) string {
	switch {
	case s.ServedBy != "" || s.PID == 0:
		return ""
	case s.Adopted:
		return fmt.Sprintf("%d, taken over from an earlier gateway", s.PID)
	default:
		return fmt.Sprintf("%d, since %s", s.PID, s.Started.Local().Format(clock))
	}
}

func probeText(p *health.ProbeStatus) string {
	switch {
	case p == nil:
		return ""
	case p.Good:
		return fmt.Sprintf("good at %s, took %s", p.At.Local().Format(clock), p.Took)
	default:
		return fmt.Sprintf("failed at %s: %s", p.At.Local().Format(clock), p.Error)
	}
}

func countText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func whenText(what string, at time.Time) string {
	if what == "" || at.IsZero() {
		return what
	}
	return fmt.Sprintf("%s, at %s", what, at.Local().Format(clock))
}

func timeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Local().Format(clock)
}

func printIncidents(w io.Writer, incidents []health.Incident, now time.Time) error {
	if len(incidents) == 0 {
		_, err := fmt.Fprintln(w, "no incidents are recorded")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OPENED\tBACKEND\tLASTED\tRESTARTS\tHELD\tFAILED\tCAUSE")
	for _, i := range incidents {
		lasted := i.Duration(now).Round(time.Millisecond).String()
		if i.Open() {
			lasted += ", goes on"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", i.Opened.Local().Format(clock), i.Backend, lasted,
			i.Restarts, i.Held, i.Failed, cmp.Or(i.Latest, i.Cause))
	}
	return table.Flush()
}

func newCertificateLine(s certs.Status) certificateLine {
	line := certificateLine{Names: s.Names, Origin: s.Origin, Placeholder: s.Placeholder, NotAfter: s.NotAfter}
	for _, problem := range append(s.Problems, s.Refused...) {
		line.Problems = append(line.Problems, problem.Error())
	}
	return line
}
