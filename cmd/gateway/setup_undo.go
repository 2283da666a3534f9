package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/host"
)

func newSetupUndoCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "undo [STEP...]",
		Short: "Take the last run of apply back, or of some steps, or all",
		Long: `undo puts everything that the last run of apply has changed back as it was:
contents, modes, owners, times. With a STEP only what that step has done, with
--all every run, the last one first. What others have changed since is named,
and nothing is undone; --force undoes it all the same and keeps a copy. What would
leave no admin a way in by ssh is refused, too, unless you say --force.`,
		Args: stepArguments,
	}
	var u undoing
	command.Flags().BoolVarP(&u.yes, "yes", "y", false, "do not ask")
	command.Flags().BoolVar(&u.All, "all", false, "every run, the last one first")
	command.Flags().BoolVar(&u.Force, "force", false, "also what others have changed since, or what leaves no way in by ssh")
	command.Flags().BoolVar(&u.expired, "expired", false, "only what was not confirmed in time, and wait for that: for the timer")
	command.Flags().BoolVar(&u.unconfirmed, "unconfirmed", false, "only what was interrupted or not confirmed: for the boot")
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		u.json, u.Steps = *asJSON, args
		return u.run(cmd)
	}
	return command
}

type undoing struct {
	host.Selection
	yes, json, expired, unconfirmed bool
}

func (u undoing) run(cmd *cobra.Command) error {
	if (u.expired || u.unconfirmed) && (u.All || u.Force || len(u.Steps) > 0 || u.expired && u.unconfirmed) {
		return usageError{errors.New("--expired and --unconfirmed stand alone")}
	}
	if err := needRoot(cmd); err != nil {
		return err
	}
	state, err := setupState(cmd)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if u.json {
		out = io.Discard
	}
	ctx, stop := untilInterrupted(cmd.Context())
	defer stop()
	runs, err := u.do(ctx, cmd, newSetupEngine(cmd, state, out), out)
	if errors.Is(err, host.ErrNothingToUndo) {
		fmt.Fprintln(out, "There is nothing to undo.")
		runs, err = []host.Run{}, nil
	}
	if u.json && runs != nil {
		return errors.Join(printJSON(cmd.OutOrStdout(), runs), err)
	}
	return err
}

func (u undoing) do(ctx context.Context, cmd *cobra.Command, engine *host.Engine, out io.Writer) ([]host.Run, error) {
	switch {
	case u.expired:
		return engine.UndoExpired(ctx)
	case u.unconfirmed:
		return engine.UndoUnconfirmed(ctx)
	}
	plan, err := engine.PlanUndo(u.Selection)
	if err != nil {
		return nil, err
	}
	if err := printUndoable(out, plan); err != nil {
		return nil, err
	}
	if !u.conflicting(plan) {
		if err := u.staysOpen(ctx, cmd, engine.Machine, plan); err != nil {
			return nil, err
		}
		if err := askAdmin(ctx, cmd, "Take this back?", u.yes); err != nil {
			return nil, err
		}
	}
	runs, err := engine.Undo(ctx, u.Selection)
	if err == nil {
		fmt.Fprintln(out, "Done.")
	}
	return runs, err
}

// conflicting tells whether the undo will be refused anyway.
func (u undoing) conflicting(plan []host.Undoable) bool {
	for _, p := range plan {
		if len(p.Conflicts) > 0 && !u.Force {
			return true
		}
	}
	return false
}

func printUndoable(w io.Writer, plan []host.Undoable) error {
	var b strings.Builder
	for _, p := range plan {
		fmt.Fprintf(&b, "run %d of %s\n", p.Run, p.Begun.Local().Format(clock))
		for _, change := range p.Changes {
			fmt.Fprintf(&b, "  - undo: %s\n", change)
		}
		for _, stays := range p.Stays {
			indent(&b, 2, "stays: "+stays)
		}
		for _, c := range p.Conflicts {
			indent(&b, 2, c.Path+" "+c.Why)
			indent(&b, 6, c.Diff)
		}
	}
	_, err := io.WriteString(w, plainText(b.String()))
	return err
}

// quietEngine is the engine for root that tells nothing while it works.
func quietEngine(cmd *cobra.Command) (*host.Engine, error) {
	if err := needRoot(cmd); err != nil {
		return nil, err
	}
	state, err := setupState(cmd)
	if err != nil {
		return nil, err
	}
	return newSetupEngine(cmd, state, io.Discard), nil
}

func newSetupConfirmCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "confirm",
		Short: "From a new ssh login: let stand what apply did to ssh or the firewall",
		Args:  noArguments,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		engine, err := quietEngine(cmd)
		if err != nil {
			return err
		}
		ctx, stop := untilInterrupted(cmd.Context())
		defer stop()
		run, err := engine.Confirm(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), run)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "run %d stands, and is not taken back\n", run.Number)
		return err
	}
	return command
}

func newSetupStatusCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "status",
		Short: "List the runs of apply, and which of them wait for something",
		Args:  noArguments,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		engine, err := quietEngine(cmd)
		if err != nil {
			return err
		}
		runs, err := engine.History()
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), runs)
		}
		return printRuns(cmd.OutOrStdout(), runs)
	}
	return command
}
