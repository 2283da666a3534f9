package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/host"
)

// confirmTime is how long a run waits for its confirmation where an admin who is
// logged in by ssh could be cut off by it.
const confirmTime = 5 * time.Minute

// applyFlags are those of every command that applies steps.
type applyFlags struct {
	yes, json *bool
	within    *time.Duration
}

func addApplyFlags(command *cobra.Command) applyFlags {
	return applyFlags{
		yes:    command.Flags().BoolP("yes", "y", false, "do not ask"),
		json:   addJSONFlag(command),
		within: command.Flags().Duration("confirm-within", 0, "take changes of ssh and firewall back after this `TIME` unless `gateway setup confirm` is run in a new ssh login; 0: never (default 5m when you are logged in by ssh)"),
	}
}

func newSetupApplyCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "apply [STEP...]",
		Short: "Show the plan, ask, and do it; all of it or nothing",
		Long: `apply shows the plan, asks, and does it. If anything fails, or on Ctrl-C, all of
it is taken back. A second apply says that there is nothing to do, and touches
nothing. A change of ssh or of the firewall could lock you out: it is taken back
by itself, also after a reboot, unless you log in anew by ssh and run
` + "`gateway setup confirm`" + ` there. When you sit at the console, nothing needs to be
confirmed unless you say --confirm-within.`,
		Args: stepArguments,
	}
	flags := addApplyFlags(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		if err := needRoot(cmd); err != nil {
			return err
		}
		steps, engine, err := declaredSteps(cmd, args)
		if err != nil {
			return err
		}
		return applySteps(cmd, engine, steps, flags)
	}
	return command
}

// applySteps shows what steps want done, asks, and has it done. It is the way of
// every command that changes the machine.
func applySteps(cmd *cobra.Command, engine *host.Engine, steps []host.Step, flags applyFlags) error {
	if *flags.within < 0 {
		return usageError{errors.New("--confirm-within can't be below 0")}
	}
	ctx, stop := untilInterrupted(cmd.Context())
	defer stop()
	a := applying{cmd: cmd, engine: engine, flags: flags, out: cmd.OutOrStdout()}
	if *flags.json {
		a.out = io.Discard
	}
	engine.Tell = func(e host.Event) { fmt.Fprintln(a.out, eventText(e)) }
	if _, err := engine.Recover(ctx); err != nil {
		return err
	}
	proposal, err := engine.Plan(ctx, steps)
	if err != nil {
		return err
	}
	return a.do(ctx, proposal)
}

// applying is one command that applies.
type applying struct {
	cmd    *cobra.Command
	engine *host.Engine
	flags  applyFlags
	out    io.Writer // for people
}

// applyReport is what apply prints as JSON.
type applyReport struct {
	Plan host.Proposal `json:"plan"`
	Run  *host.Run     `json:"run"` // null: there was nothing to do, or it was refused
}

func (a applying) do(ctx context.Context, p host.Proposal) error {
	if err := printProposal(a.out, p); err != nil {
		return err
	}
	switch {
	case !p.Complete():
		return errors.Join(a.report(p, nil), errors.New("nothing was changed: not everything could be planned"))
	case p.Refused():
		return errors.Join(a.report(p, nil), errRefused)
	case p.Empty():
		fmt.Fprintln(a.out, "There is nothing to do.")
		return a.report(p, nil)
	}
	within := a.within(p)
	question := "Apply " + counted(changesIn(p), "change", "changes") + "?"
	if within > 0 {
		fmt.Fprintf(a.out, "It is taken back after %v unless you log in anew by ssh and run `sudo gateway setup confirm` there.\n", within)
	}
	if err := askAdmin(ctx, a.cmd, question, *a.flags.yes); err != nil {
		return err
	}
	run, err := a.engine.Apply(ctx, p, within)
	if err != nil {
		return err
	}
	a.done(run)
	return a.report(p, &run)
}

func (a applying) done(run host.Run) {
	fmt.Fprintf(a.out, "Done. `sudo gateway setup undo` takes it back.\n")
	if run.State == host.StateUnconfirmed {
		fmt.Fprintf(a.out, "Until %s: log in anew by ssh, leave this login open, and run `sudo gateway setup confirm` in the new one. If you can't, wait: everything is taken back then.\n",
			run.Until.Local().Format(clock))
	}
}

func (a applying) report(p host.Proposal, run *host.Run) error {
	if !*a.flags.json {
		return nil
	}
	return printJSON(a.cmd.OutOrStdout(), applyReport{p, run})
}

// within is how long the run waits for its confirmation.
func (a applying) within(p host.Proposal) time.Duration {
	switch {
	case !p.Risky():
		return 0
	case a.cmd.Flags().Changed("confirm-within"):
		return *a.flags.within
	case overSSH(a.engine.Machine):
		return confirmTime
	}
	return 0
}

// overSSH tells whether whoever asks sits in a login by ssh.
func overSSH(m host.Machine) bool { return presentLogin(m).Client.IsValid() }

// errNotAsked is returned where there is nobody to ask.
var errNotAsked = usageError{errors.New("nothing was changed, since there is no terminal to ask on: say --yes")}

// askAdmin waits for a yes. The error says that nothing was changed.
func askAdmin(ctx context.Context, cmd *cobra.Command, question string, yes bool) error {
	if yes {
		return nil
	}
	if !isTerminal(cmd.InOrStdin()) {
		return errNotAsked
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // it ends with the process: a read of a terminal can't be called off
		line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case got := <-answer:
		if got == "y" || got == "yes" {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(cmd.ErrOrStderr())
	}
	return errors.New("nothing was changed")
}
