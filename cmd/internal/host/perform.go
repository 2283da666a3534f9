package host

import (
	"context"
	"fmt"
	"time"
)

// perform does all acts of a proposal, and commits the run.
func (r *running) perform(ctx context.Context, p Proposal) error {
	for _, s := range p.Steps {
		if len(s.Changes) == 0 {
			continue
		}
		if err := r.performStep(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.Step, err)
		}
	}
	return r.commit(ctx)
}

func (r *running) performStep(ctx context.Context, s StepPlan) error {
	if err := s.step.Ready(ctx, r.Machine); err != nil {
		return err
	}
	for _, c := range s.Changes {
		r.tell(EventApply, s.Step, c.What)
		for _, act := range c.Acts {
			if ctx.Err() != nil {
				return fmt.Errorf("%s: %w", c.What, context.Cause(ctx))
			}
			if err := r.act(ctx, s.Step, c, act); err != nil {
				return fmt.Errorf("%s: %w", c.What, err)
			}
		}
	}
	return s.step.Verify(ctx, r.Machine)
}

// act journals one act, does it, and journals that it was done.
func (r *running) act(ctx context.Context, step string, c Change, act Act) error {
	i := intent{Act: len(r.run.acts) + 1, Step: step, Change: c.What, NoUndo: c.NoUndo}
	switch act := act.(type) {
	case Program:
		i.Argv, i.Undo = act.Do.Argv, act.Undo
		return r.journalled(i, func() (time.Time, error) { return time.Time{}, r.runProgram(ctx, act.Do) })
	case Download:
		return r.journalled(i, func() (time.Time, error) { return time.Time{}, act.Fetch(ctx, r.Machine) })
	default:
		return r.actOnFile(i, act.(fileAct))
	}
}

func (r *running) actOnFile(i intent, act fileAct) error {
	t := act.target()
	p, err := r.Machine.open(t.path, t.within, t.throughLink)
	if err != nil {
		return err
	}
	defer p.close()
	before, err := p.snapshot()
	if err != nil {
		return err
	}
	after, err := act.after(before)
	if err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	i.Path, i.Within, i.Before, i.After, i.Folder = p.path, p.within, &before, &after, p.folderTime()
	if touched, is := act.(Touched); is {
		touched.side(&i)
	}
	return r.journalled(i, func() (time.Time, error) {
		err := act.do(p, before)
		return p.folderTime(), err
	})
}

// journalled does an act between its two records.
func (r *running) journalled(i intent, do func() (time.Time, error)) error {
	if err := r.journal.write(record{Kind: recordIntent, Time: r.now().Round(0), Intent: &i}); err != nil {
		return err
	}
	r.run.acts = append(r.run.acts, loadedAct{intent: i})
	folder, err := do()
	r.run.acts[i.Act-1].done = folder // of what failed too: it may have been here already
	if err != nil {
		return err
	}
	return r.journal.write(record{Kind: recordDone, Time: r.now().Round(0), Act: i.Act, Folder: folder})
}

// runProgram runs a program of a step; one without a command line stands only for its Undo.
func (r *running) runProgram(ctx context.Context, c Command) error {
	if len(c.Argv) == 0 {
		return nil
	}
	_, err := r.Machine.Run(ctx, c)
	return err
}
