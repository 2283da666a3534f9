package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gateway/certs"
)

// certificateReport is what `gateway certs` tells of one certificate.
type certificateReport struct {
	Site        string    `json:"site"`
	Origin      string    `json:"origin"`
	Placeholder bool      `json:"placeholder"`
	Names       []string  `json:"names"`
	Chain       []string  `json:"chain"`
	Issuer      string    `json:"issuer"`
	Key         string    `json:"key"`
	SHA256      string    `json:"sha256"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Renew       time.Time `json:"renew,omitzero"` // when gateway renews, or tries again, by itself
	Files       []string  `json:"files,omitempty"`
	Problems    []string  `json:"problems,omitempty"`
	Refused     []string  `json:"refused,omitempty"` // why there is no newer one
	Since       time.Time `json:"since,omitzero"`    // of that
}

func newCertificateReport(s certs.Status) certificateReport {
	return certificateReport{
		Site: s.Site, Origin: s.Origin, Placeholder: s.Placeholder, Names: s.Names, Chain: s.Chain, Issuer: s.Issuer, Key: s.Key, SHA256: s.SHA256,
		NotBefore: s.NotBefore, NotAfter: s.NotAfter, Renew: s.Renew, Files: s.Files, Since: s.Since,
		Problems: problemTexts(s.Problems), Refused: problemTexts(s.Refused),
	}
}

func problemTexts(problems []certs.Problem) []string {
	var texts []string
	for _, problem := range problems {
		texts = append(texts, problem.Error())
	}
	return texts
}

// certificateStatus is what the store knows, and what was seen from outside.
func (g *gateway) certificateStatus() []certs.Status { return g.truth.add(g.store.Status()) }

// certificates are all that are served, or those of one name.
func (g *gateway) certificates(_ context.Context, name string) ([]certificateReport, error) {
	reports := []certificateReport{}
	for _, status := range g.certificateStatus() {
		if name == "" || status.Is(name) {
			reports = append(reports, newCertificateReport(status))
		}
	}
	if len(reports) == 0 && name != "" {
		return nil, fmt.Errorf("no certificate is served for %q: see the names with `gateway certs list`", name)
	}
	return reports, nil
}

// renewCertificate answers when the new certificate is served.
func (g *gateway) renewCertificate(ctx context.Context, name string) ([]certificateReport, error) {
	if err := g.store.Renew(ctx, name); err != nil {
		return nil, err
	}
	return g.certificates(ctx, name)
}

func newCertsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "certs",
		Short: "See the certificates that are served, renew them, and trust the local CA",
		Args:  unknownVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(newCertsListCommand(), newCertsShowCommand(), newCertsRenewCommand(), newCertsTrustCommand())
	return command
}

func newCertsListCommand() *cobra.Command {
	command := &cobra.Command{Use: "list", Short: "List the certificates: site, names, origin, days left, next renewal", Args: noArguments}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		reports := []certificateReport{}
		if err := askGateway(cmd, callCerts, "", &reports, false); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), reports)
		}
		return printCertificates(cmd.OutOrStdout(), reports, time.Now())
	}
	return command
}

func newCertsShowCommand() *cobra.Command {
	command := &cobra.Command{Use: "show [NAME]", Short: "Tell everything of the certificate of a name, or of all", Args: oneName}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		reports := []certificateReport{}
		if err := askGateway(cmd, callCerts, nameIn(args), &reports, false); err != nil {
			return err
		}
		return showCertificates(cmd.OutOrStdout(), reports, *asJSON)
	}
	return command
}

func newCertsRenewCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "renew NAME",
		Short: "Obtain or make a new certificate for a name now",
		Long: `renew obtains a new certificate for a name from its CA, or makes one with the
local CA, whether it is time or not, and waits until it is served. CAs count:
Let's Encrypt gives five for the same name in a week. Installed files are
renewed by putting the new ones in their place.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s needs a name: see them with `gateway certs list`", cmd.CommandPath())}
			}
			return oneName(cmd, args)
		},
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		reports := []certificateReport{}
		if err := askGateway(cmd, callCertsRenew, args[0], &reports, true); err != nil {
			return err
		}
		return showCertificates(cmd.OutOrStdout(), reports, *asJSON)
	}
	return command
}

// oneName refuses more than one name.
func oneName(cmd *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return usageError{fmt.Errorf("%s takes one name, but got %q as well", cmd.CommandPath(), args[1])}
}

func printCertificates(w io.Writer, reports []certificateReport, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SITE\tNAMES\tORIGIN\tKEY\tVALID UNTIL\tDAYS LEFT\tNEXT RENEWAL\tPROBLEMS")
	for _, r := range reports {
		until, left := r.NotAfter.Local().Format(clock), fmt.Sprint(int(r.NotAfter.Sub(now).Hours()/24))
		switch {
		case r.Placeholder:
			until, left = "placeholder", "-"
		case r.NotAfter.Before(now):
			left = "expired"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", r.Site, strings.Join(r.Names, " "), r.Origin, r.Key, until, left,
			orDash(timeText(r.Renew)), len(r.Problems)+len(r.Refused))
	}
	return table.Flush()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func showCertificates(w io.Writer, reports []certificateReport, asJSON bool) error {
	if asJSON {
		return printJSON(w, reports)
	}
	var b strings.Builder
	for i, r := range reports {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(certificateText(r))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// certificateText is everything of one certificate, for people.
func certificateText(r certificateReport) string {
	var b strings.Builder
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-14s%s\n", name, value)
		}
	}
	fmt.Fprintf(&b, "%s\n", strings.Join(r.Names, " "))
	row("site", r.Site)
	row("origin", r.Origin)
	row("valid from", timeText(r.NotBefore))
	row("valid until", timeText(r.NotAfter))
	row("next renewal", timeText(r.Renew))
	row("key", r.Key)
	row("SHA-256", r.SHA256)
	row("chain", strings.Join(r.Chain, " <- "))
	row("issuer", r.Issuer)
	row("files", strings.Join(r.Files, " "))
	for _, problem := range r.Problems {
		row("problem", problem)
	}
	for _, refused := range r.Refused {
		row("not renewed", refused+" (since "+timeText(r.Since)+")")
	}
	return b.String()
}
