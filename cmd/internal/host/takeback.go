package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// takeBack undoes the acts of some steps of a run, or of all if none is named,
// the last one first. One that can't be taken back does not keep the others from
// it. left is what could not be, and the run stays open for another try, unless
// force gives it up. unwritten is a journal that could not be written; taking
// back goes on without, since it can be done twice.
func (r *running) takeBack(ctx context.Context, steps []string, reason string, force bool) (left, unwritten error) {
	unwritten = r.journal.write(record{Kind: recordUndoing, Time: r.now().Round(0), Steps: steps, Reason: reason})
	r.run.Reason = reason
	for _, a := range r.run.remaining(steps) {
		err := r.undo(ctx, a)
		gave := ""
		switch {
		case err == nil:
		case errors.Is(err, errNotEmpty), a.NoUndo != "", force:
			gave = fmt.Sprintf("%s: %v", a.Change, err)
			r.tell(EventNotice, a.Step, gave)
		default:
			left = errors.Join(left, fmt.Errorf("%s: %w", a.Change, err))
			continue
		}
		act := &r.run.acts[a.Act-1]
		act.undone, act.gave = true, gave
		unwritten = errors.Join(unwritten, r.journal.write(record{Kind: recordUndone, Time: r.now().Round(0), Act: a.Act, Gave: gave}))
	}
	if left != nil {
		return left, unwritten
	}
	return r.settle(ctx), unwritten
}

// settle is the end of taking back: the dead man's switch of a run that is gone
// has nothing more to do.
func (r *running) settle(ctx context.Context) error {
	settled := r.now().Round(0)
	r.run.undoing, r.run.Settled = nil, settled
	r.run.settleState()
	if r.Deadman != nil && r.run.armed && len(r.run.remaining(nil)) == 0 {
		if err := r.Deadman.Disarm(ctx, r.Machine); err != nil {
			return fmt.Errorf("the timer that takes changes back: %w", err)
		}
	}
	_ = r.journal.write(record{Kind: recordSettled, Time: settled}) // if not, the next command does all of this again
	return nil
}

// undo takes back one act.
func (r *running) undo(ctx context.Context, a loadedAct) error {
	if a.Path == "" {
		return r.undoProgram(ctx, a)
	}
	p, err := r.Machine.open(a.Path, a.Within, false)
	if errors.Is(err, fs.ErrNotExist) && a.Before.Kind == kindNone {
		return nil // the folder above it is gone, and it with that
	}
	if err != nil {
		return err
	}
	defer p.close()
	if a.Side != "" {
		return r.undoSide(p, a)
	}
	return r.undoOnFile(p, a)
}

// tellUndo tells of each change once, though it has several acts.
func (r *running) tellUndo(a loadedAct) {
	if r.told != a.Change {
		r.told = a.Change
		r.tell(EventUndo, a.Step, a.Change)
	}
}

func (r *running) undoProgram(ctx context.Context, a loadedAct) error {
	if len(a.Undo) == 0 {
		if a.NoUndo != "" {
			return errors.New(a.NoUndo)
		}
		return nil
	}
	r.tellUndo(a)
	var failed error
	for _, c := range a.Undo {
		if _, err := r.Machine.Run(ctx, c); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", printable(c.Argv), err))
		}
	}
	return failed
}

func (r *running) undoOnFile(p place, a loadedAct) error {
	if a.done.IsZero() {
		if err := p.removeTemporary(); err != nil {
			return err
		}
	}
	if err := r.keepForeign(p, a); err != nil {
		return err
	}
	r.tellUndo(a)
	untouched := !a.done.IsZero() && p.folderTime().Equal(a.done)
	if err := p.putBack(*a.Before); err != nil {
		return fmt.Errorf("%s: %w", a.Path, err)
	}
	if untouched {
		return p.setTime(".", a.Folder) // nobody else has changed the folder since
	}
	return nil
}

// keepForeign saves a content that neither setup nor its undoing has written,
// before it is replaced.
func (r *running) keepForeign(p place, a loadedAct) error {
	is, err := p.snapshot()
	if err != nil || is.Kind != kindFile || r.run.knows(a.Path, is.SHA256) {
		return err
	}
	kept, err := r.store.keep(r.run.Number, is.Data)
	if err != nil {
		return fmt.Errorf("%s holds what setup itself has not written, and it can't be kept: %w", a.Path, err)
	}
	r.tell(EventNotice, a.Step, fmt.Sprintf("%s held what setup itself has not written: it is kept in %s", a.Path, kept))
	return nil
}

// knows tells whether a content of a path is one that the run has seen or written.
func (l *loadedRun) knows(path, sum string) bool {
	for _, a := range l.acts {
		if a.Path == path && (a.Before.SHA256 == sum || a.After.SHA256 == sum) {
			return true
		}
	}
	return false
}

// Recover takes back what an interrupted setup has left half done, and returns
// the runs that it did. It is the first thing that a command does that is about
// to change the machine.
func (e *Engine) Recover(ctx context.Context) ([]Run, error) {
	runs, err := e.History()
	open := func(r Run) bool { return r.State == StateUnfinished || r.State == StateAtWork }
	if err != nil || !slices.ContainsFunc(runs, open) {
		return nil, err // without a lock, which would leave its mark where there is nothing to do
	}
	s, err := e.enter(false)
	if err != nil {
		return nil, err
	}
	defer s.leave()
	return s.recover(ctx, false)
}

func (s *session) recover(ctx context.Context, force bool) ([]Run, error) {
	var done []Run
	for _, run := range s.runs {
		if run.State != StateUnfinished {
			continue
		}
		s.tell(EventNotice, "", fmt.Sprintf("run %d of %s was interrupted: it is taken back first", run.Number, clock(run.Begun)))
		steps, reason := []string(nil), "it was interrupted"
		if run.undoing != nil {
			steps, reason = run.undoing.Steps, run.undoing.Reason
		}
		if err := s.takeBackRun(ctx, run, steps, reason, force); err != nil {
			return done, err
		}
		done = append(done, run.Run)
	}
	return done, nil
}

// takeBackRun takes back a run of an earlier process.
func (s *session) takeBackRun(ctx context.Context, run *loadedRun, steps []string, reason string, force bool) error {
	r, err := s.resume(run)
	if err != nil {
		return fmt.Errorf("the journal of run %d: %w", run.Number, err)
	}
	defer r.close()
	left, unwritten := r.takeBack(ctx, steps, reason, force)
	if left != nil {
		return fmt.Errorf("of run %d this could not be taken back: %s: put it right and run `gateway setup undo` again, or give it up with --force: %w", run.Number, oneLine(left), left)
	}
	if unwritten != nil && run.undoing != nil {
		return fmt.Errorf("run %d was taken back, which could not be written down, so that the next command does it again: %w", run.Number, unwritten)
	}
	return nil
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
