package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/apache"
	"gateway/cmd/internal/config"
	"gateway/proxy"
)

func newImportCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "import",
		Short: "Make gateway's file of another server's configuration",
		Args:  unknownVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(newImportApacheCommand())
	return command
}

// importFlags are what the command line says.
type importFlags struct {
	output   string
	force    bool
	json     bool
	coverage bool
	rehearse string
	unsafe   bool
}

func newImportApacheCommand() *cobra.Command {
	var flags importFlags
	command := &cobra.Command{
		Use:   "apache [PATH]",
		Short: "Make gateway's file of Apache's configuration, and tell what changes",
		Long: `apache reads the configuration of Apache httpd at PATH, which is its first file,
one of its files or its folder; without PATH it looks where the distributions put
it. Nothing is executed, and Apache need not be installed.

With --rehearse it serves what it made on spare ports of this machine, sends the
same GET and HEAD requests to it and to the Apache that runs here, and lists what
they answer differently. The list of requests is a file with a URL a line, or an
access log of Apache. Nothing is written then.

gateway's file goes to standard output or to the file of -o; the report of every
directive goes to standard error, or with -o to standard output.

Exit code 0: all that clients feel was carried; 3: something was not, and the
report says what and what to do, or the rehearsal found differences; 1: the
configuration could not be read.`,
		Args: onePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.coverage {
				return printCoverage(cmd.OutOrStdout(), flags.json)
			}
			if flags.rehearse != "" {
				return rehearse(cmd, argument(args), flags)
			}
			return importApache(cmd, argument(args), flags)
		},
	}
	set := command.Flags()
	set.StringVarP(&flags.output, "output", "o", "", "write gateway's file to `FILE`, which must not exist")
	set.BoolVar(&flags.force, "force", false, "let -o replace a file")
	set.BoolVar(&flags.json, "json", false, "print the report as JSON, with gateway's file in it unless -o names one")
	set.BoolVar(&flags.coverage, "coverage", false, "print which share of Apache's directives is carried, and read nothing")
	set.StringVar(&flags.rehearse, "rehearse", "", "compare the Apache that runs with what was made, by the requests of `FILE`")
	set.BoolVar(&flags.unsafe, "unsafe-methods", false, "let the rehearsal send POST and others too, without a body")
	return command
}

func onePath(cmd *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return usageError{fmt.Errorf("%s takes one path, but got %q too", cmd.CommandPath(), args[1])}
}

func argument(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func printCoverage(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, apache.Coverage())
	}
	return apache.PrintCoverage(w, apache.Coverage())
}

// translateApache makes gateway's file of the configuration at path.
func translateApache(path string, options apache.Options) (*apache.Translation, error) {
	source, err := apache.Find(path)
	if err != nil {
		return nil, err
	}
	tree, err := apache.Read(source)
	if err != nil {
		return nil, err
	}
	options.CheckLogFormat = func(format string) error {
		_, err := proxy.ParseLogFormat(format)
		return err
	}
	return apache.Translate(tree, options)
}

func importApache(cmd *cobra.Command, path string, flags importFlags) error {
	made, err := translateApache(path, apache.Options{})
	if err != nil {
		return err
	}
	problems, err := problemsOf(made.TOML)
	if err != nil {
		return err
	}
	if err := writeImport(cmd, made, problems, flags); err != nil {
		return err
	}
	if made.Report.Matters() {
		return lostError{errors.New("something of the configuration was not carried")}
	}
	return nil
}

// importReport is the report as JSON.
type importReport struct {
	apache.Report
	Problems []string `json:"problems,omitempty"` // that gateway check would tell
	TOML     string   `json:"toml,omitempty"`
}

// problemsOf are what gateway check would say of the file on this machine, such
// as that a certificate is not there.
func problemsOf(text []byte) ([]string, error) {
	folder, err := os.MkdirTemp("", "gateway-import")
	if err != nil {
		return nil, fmt.Errorf("a folder to check the file in: %w", err)
	}
	path := filepath.Join(folder, "config.toml")
	if err := apache.WriteFile(path, text); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	_, found, _ := config.Check(path, time.Now())
	var texts []string
	for _, problem := range found {
		problem.File = "line"
		texts = append(texts, strings.Replace(problem.String(), "line:", "line ", 1))
	}
	return texts, os.RemoveAll(folder)
}

// writeImport puts the file and the report where they belong.
func writeImport(cmd *cobra.Command, made *apache.Translation, problems []string, flags importFlags) error {
	report := cmd.OutOrStdout()
	if flags.output != "" {
		if err := writeOutput(flags.output, made.TOML, flags.force); err != nil {
			return err
		}
	}
	if flags.json {
		out := importReport{Report: made.Report, Problems: problems}
		if flags.output == "" {
			out.TOML = string(made.TOML)
		}
		return printJSON(report, out)
	}
	if flags.output == "" {
		report = cmd.ErrOrStderr()
		if _, err := cmd.OutOrStdout().Write(made.TOML); err != nil {
			return err
		}
	}
	if err := made.Report.Print(report); err != nil {
		return err
	}
	for _, problem := range problems {
		if _, err := fmt.Fprintf(report, "gateway check would say of the file: %s\n", problem); err != nil {
			return err
		}
	}
	return nil
}

// writeOutput writes a file whole or not at all, and over another only by force.
func writeOutput(path string, text []byte, force bool) error {
	if _, err := os.Lstat(path); err == nil && !force {
		return fmt.Errorf("%s is there already: write another name after -o, or --force to replace it", path)
	}
	return apache.WriteFile(path, text)
}
