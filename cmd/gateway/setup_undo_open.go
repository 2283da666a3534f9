package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/firewall"
	"gateway/cmd/internal/host/user"
)

// staysOpen refuses an undo after which no admin could come in by ssh, which no
// timer would take back: nothing undoes an undo.
func (u undoing) staysOpen(ctx context.Context, cmd *cobra.Command, m host.Machine, plan []host.Undoable) error {
	if u.Force || slices.ContainsFunc(plan, host.Undoable.Interrupted) {
		return nil
	}
	refusals, err := lostAdmins(ctx, m, plan)
	if err != nil {
		return err
	}
	closed, err := lostDoors(ctx, m, plan)
	if err != nil {
		return err
	}
	if refusals = append(refusals, closed...); len(refusals) == 0 {
		return nil
	}
	return errors.Join(printProposal(cmd.ErrOrStderr(), host.Proposal{Steps: []host.StepPlan{{Step: "undo", Plan: host.Plan{Refusals: refusals}}}}), errUndoRefused)
}

var errUndoRefused = errors.New("nothing was undone: first do what the refusals say")

// lostAdmins matters while ssh stays closed to passwords and root.
func lostAdmins(ctx context.Context, m host.Machine, plan []host.Undoable) ([]host.Refusal, error) {
	if !slices.ContainsFunc(plan, func(u host.Undoable) bool { return u.Leaves("sshd") }) {
		return nil, nil
	}
	return user.Undoing(ctx, m, func(name, home string) bool {
		return slices.ContainsFunc(plan, func(u host.Undoable) bool { return u.Concerns("user", name, home) })
	})
}

func lostDoors(ctx context.Context, m host.Machine, plan []host.Undoable) ([]host.Refusal, error) {
	files := map[string][]byte{}
	for _, u := range plan { // the last run first, and what an earlier one has found counts
		maps.Copy(files, u.Files())
	}
	return firewall.Undoing(ctx, m, firewall.Around{Present: presentLogin(m), Listeners: host.Listeners}, files)
}
