package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"gateway/certs"
	"gateway/cmd/internal/config"
)

func newCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Tell every problem of the file and of what it names, and start nothing",
		Long: `check reads the file as run does, and what the file names: certificates, keys,
folders. Every problem is printed with its place, its cause and what to write
instead. Exit code 0: gateway run would start and clients would be content;
1: something is wrong. Warnings alone leave the exit code at 0.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := configPath(cmd)
			loaded, err := config.Load(path)
			if err != nil {
				return tellProblems(cmd.ErrOrStderr(), err)
			}
			return checkNamed(cmd.OutOrStdout(), cmd.ErrOrStderr(), path, loaded)
		},
	}
}

// tellProblems prints the problems of a file, one a line, and leaves only the
// exit code to be told.
func tellProblems(w io.Writer, err error) error {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	for _, problem := range problems {
		fmt.Fprintln(w, problem)
	}
	return silentError{err}
}

// checkNamed looks at what a sound file names.
func checkNamed(stdout, stderr io.Writer, path string, c *config.Config) error {
	failed := false
	for _, site := range certificateSites(c) {
		for _, problem := range certs.Inspect(site, time.Now()) {
			fmt.Fprintf(stderr, "%s: site %q: %v\n", problem.Severity, site.Name, problem)
			failed = failed || problem.Severity != certs.Warning
		}
	}
	if failed {
		return silentError{errors.New("certificates have problems")}
	}
	_, err := fmt.Fprintf(stdout, "%s: nothing wrong: %d sites, %d backends\n", path, len(c.Sites), len(c.Backends))
	return err
}
