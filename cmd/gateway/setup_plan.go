package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
)

func newSetupPlanCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "plan [STEP...]",
		Short: "Show what apply would do, and change nothing",
		Long: `plan shows each change that apply would make, with its reason and the difference
in the file, and changes nothing. Root sees all; others see what they may read.
Without a STEP it is about all that the file declares; a STEP that the file does
not declare is planned with its defaults. Exit code 1: apply would refuse.`,
		Args: stepArguments,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		steps, engine, err := declaredSteps(cmd, args)
		if err != nil {
			return err
		}
		ctx, stop := untilInterrupted(cmd.Context())
		defer stop()
		return showPlan(ctx, cmd, engine, steps, *asJSON)
	}
	return command
}

// declaredSteps reads the file for the steps that are named, or for all.
func declaredSteps(cmd *cobra.Command, named []string) ([]host.Step, *host.Engine, error) {
	c, err := config.LoadForSetup(configPath(cmd), cmd.Flags().Changed("config"))
	if err != nil {
		return nil, nil, setupProblems(cmd, err)
	}
	steps, err := stepsOf(c, configPath(cmd), named)
	if err != nil {
		return nil, nil, err
	}
	if len(steps) == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s declares nothing for setup: write tables such as [setup.sshd] into it, or name a step\n", configPath(cmd))
	}
	return steps, newSetupEngine(cmd, c.State, cmd.OutOrStdout()), nil
}

// showPlan prints what the steps would do, and what of earlier runs is open.
func showPlan(ctx context.Context, cmd *cobra.Command, engine *host.Engine, steps []host.Step, asJSON bool) error {
	proposal, err := engine.Plan(ctx, steps)
	if err != nil {
		return err
	}
	open, err := openRuns(engine)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), struct {
			host.Proposal
			Open []host.Run `json:"open_runs"`
		}{proposal, open})
	} else {
		err = errors.Join(printProposal(cmd.OutOrStdout(), proposal), printOpen(cmd.OutOrStdout(), proposal, open))
	}
	if err == nil && proposal.Refused() {
		return silentError{errRefused}
	}
	return err
}

var errRefused = errors.New("nothing was changed: first do what the refusals say")

// openRuns are the runs whose fate is not decided. Who is not root sees none.
func openRuns(engine *host.Engine) ([]host.Run, error) {
	runs, err := engine.History()
	if errors.Is(err, fs.ErrPermission) {
		return []host.Run{}, nil
	}
	open := []host.Run{}
	for _, r := range runs {
		if r.State == host.StateUnfinished || r.State == host.StateUnconfirmed {
			open = append(open, r)
		}
	}
	return open, err
}

func printOpen(w io.Writer, p host.Proposal, open []host.Run) error {
	if len(open) > 0 {
		if err := printRuns(w, open); err != nil {
			return err
		}
	}
	last := "There is nothing to do."
	switch n := changesIn(p); {
	case !p.Complete():
		last = "Not everything could be planned."
	case p.Refused():
		last = "apply would refuse this: first do what the refusals say."
	case n > 0:
		last = counted(n, "change", "changes") + ". Nothing was done; `sudo gateway setup apply` does it."
	}
	_, err := fmt.Fprintln(w, last)
	return err
}
