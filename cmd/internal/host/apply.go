package host

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrPlanChanged is returned by Apply when the machine has changed since the plan
// was shown.
var ErrPlanChanged = errors.New("the machine has changed since the plan was shown, and the plan with it: nothing was done; look at the plan anew")

// FailedError is a run that was given up, and taken back.
type FailedError struct {
	Cause error // why
	Left  error // what could not be taken back; nil: everything was
}

func (e *FailedError) Error() string {
	full := roomHint(e.Cause)
	if e.Left == nil {
		return fmt.Sprintf("%v: everything that was done was taken back%s", e.Cause, full)
	}
	return fmt.Sprintf("%v: it was taken back, but for this: %v: `gateway setup undo` tries again%s", e.Cause, e.Left, full)
}

// Unwrap returns both errors.
func (e *FailedError) Unwrap() []error { return []error{e.Cause, e.Left} }

// Apply does what was shown, if that is still what the steps want. When anything
// fails, or ctx ends, all of it is taken back, and the error is a *FailedError.
// With confirmWithin above zero, a run that could cut off an admin is taken back
// by the dead man's switch unless it is confirmed in that time.
func (e *Engine) Apply(ctx context.Context, shown Proposal, confirmWithin time.Duration) (Run, error) {
	s, err := e.enter(true)
	if err != nil {
		return Run{}, fmt.Errorf("nothing was changed: %w%s", err, roomHint(err))
	}
	defer s.leave()
	if err := s.mayBegin(); err != nil {
		return Run{}, err
	}
	current, err := e.planAgain(ctx, shown)
	if err != nil {
		return Run{}, err
	}
	r, err := s.begin(ctx, current, confirmWithin)
	if err != nil {
		return Run{}, fmt.Errorf("nothing was changed: %w%s", err, roomHint(err))
	}
	defer r.close()
	if err := r.perform(ctx, current); err != nil {
		return Run{}, r.giveUp(ctx, err)
	}
	return r.run.Run, nil
}

// mayBegin refuses a new run while the fate of an earlier one is open.
func (s *session) mayBegin() error {
	for _, run := range s.runs {
		switch run.State {
		case StateUnfinished:
			return fmt.Errorf("run %d of %s was interrupted: take it back first, with `gateway setup undo`", run.Number, clock(run.Begun))
		case StateUnconfirmed:
			return fmt.Errorf("run %d waits until %s for its confirmation: log in anew by ssh and run `gateway setup confirm` there, or take it back with `gateway setup undo`", run.Number, clock(run.Until))
		}
	}
	return nil
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// planAgain looks whether the steps still want what was shown.
func (e *Engine) planAgain(ctx context.Context, shown Proposal) (Proposal, error) {
	var steps []Step
	for _, s := range shown.Steps {
		steps = append(steps, s.step)
	}
	current, err := e.Plan(ctx, steps)
	if err != nil {
		return Proposal{}, err
	}
	before, err := shown.shown()
	if err != nil {
		return Proposal{}, err
	}
	if now, err := current.shown(); err != nil || now != before {
		return Proposal{}, errors.Join(err, ErrPlanChanged)
	}
	if current.Refused() {
		return Proposal{}, errors.New("the plan has refusals, so that it is not applied")
	}
	return current, nil
}

// names are the steps that change something.
func (p Proposal) names() []string {
	var names []string
	for _, s := range p.Steps {
		if len(s.Changes) > 0 {
			names = append(names, s.Step)
		}
	}
	return names
}

// giveUp takes back what was done of a run that failed.
func (r *running) giveUp(ctx context.Context, cause error) error {
	_ = r.store.release()
	r.learn()
	left, _ := r.takeBack(context.WithoutCancel(ctx), nil, cause.Error(), false)
	return &FailedError{Cause: cause, Left: left}
}

// learn takes what the files hold now for what the run's own programs have made of
// them, so that it is not kept as the work of others.
func (r *running) learn() {
	looks, err := r.looks()
	if err != nil {
		return // then a copy too many is kept
	}
	for number, seen := range looks {
		r.run.acts[number-1].After = &seen
	}
}
