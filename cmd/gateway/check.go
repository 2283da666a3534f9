package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/control"
	"gateway/cmd/internal/host"
	"gateway/proxy"
)

func newCheckCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "check",
		Short: "Tell every problem of the file and of what it names, and start nothing",
		Long: `check reads the file as run does, and looks at what the file names:
certificates, keys, folders, commands, ports. Every problem is printed with its
place, its cause and what to write instead. Exit code 0: gateway run would start
and clients would be content; 1: something is wrong. Warnings alone leave the
exit code at 0. A port that the running gateway of this file serves is free.
Whether WeChat on a phone would accept the certificate of each site is told, too,
and changes nothing of the exit code: see gateway wechat check.`,
		Args: noArguments,
	}
	noPorts := command.Flags().Bool("no-ports", false, "leave the addresses alone, which another program may still have")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		path := configPath(cmd)
		loaded, problems, warnings := config.Check(path, time.Now())
		c := checker{path: path, config: loaded, out: cmd.ErrOrStderr()}
		c.told(problems, warnings)
		if loaded == nil {
			return silentError{problems}
		}
		if !*noPorts {
			c.ports(cmd.Context())
		}
		c.phones(cmd.OutOrStdout())
		return c.verdict(cmd.OutOrStdout())
	}
	return command
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

// checker looks at what a sound file names.
type checker struct {
	path     string
	config   *config.Config
	out      io.Writer
	failed   bool
	warnings int
	problems []string // what was told of the file and its certificates
}

func (c *checker) wrong(what error) {
	c.failed = true
	fmt.Fprintf(c.out, "%s: %v\n", c.path, what)
}

func (c *checker) warn(what error) {
	c.warnings++
	fmt.Fprintf(c.out, "%s: warning: %v\n", c.path, what)
}

// verdict is the last line, and the exit code.
func (c *checker) verdict(w io.Writer) error {
	if c.failed {
		return silentError{fmt.Errorf("%s names something that is not right", c.path)}
	}
	_, err := fmt.Fprintf(w, "%s: nothing is wrong; sites: %d, backends: %d, warnings: %d\n", c.path, len(c.config.Sites), len(c.config.Backends), c.warnings)
	return err
}

// told prints what the check of the file has found.
func (c *checker) told(problems, warnings config.Problems) {
	for _, problem := range problems {
		c.failed = true
		c.problems = append(c.problems, problem.Wrong)
		fmt.Fprintln(c.out, problem)
	}
	for _, warning := range warnings {
		c.warnings++
		c.problems = append(c.problems, warning.Wrong)
		warning.Wrong = "warning: " + warning.Wrong
		fmt.Fprintln(c.out, warning)
	}
}

// ports opens every address for a moment. What the user who checks may not open
// may be open to the user whom gateway will run as, so that is a warning.
func (c *checker) ports(ctx context.Context) {
	own := c.runningPID(ctx)
	for _, written := range slices.Compact(slices.Sorted(slices.Values(endpoints(c.config)))) {
		endpoint, err := proxy.ParseEndpoint(written)
		if err != nil {
			continue // the file's check told it
		}
		l, err := net.Listen(endpoint.Network, endpoint.Address)
		if err == nil {
			_ = l.Close()
			continue
		}
		explained := host.ListenError(ctx, endpoint.Network, endpoint.Address, err, anotherListen)
		var taken *host.InUseError
		switch {
		case errors.As(explained, &taken) && own != 0 && taken.Holder.PID == own:
		case errors.Is(err, syscall.EACCES):
			c.warn(explained)
		default:
			c.wrong(explained)
		}
	}
}

// runningPID is the process that serves this file already, or 0.
func (c *checker) runningPID(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var report statusReport
	if control.NewClient(c.config.Admin.Socket).Call(ctx, callStatus, struct{}{}, &report) != nil {
		return 0
	}
	return report.PID
}
