package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
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
	full := ""
	if isFull(e.Cause) {
		full = ": free space there (`df -h`) and apply again"
	}
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
		return Run{}, fmt.Errorf("nothing was changed: %w", err)
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
		return Run{}, fmt.Errorf("nothing was changed: %w", err)
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

// running is a run that is being done, or taken back.
type running struct {
	*session
	run     *loadedRun
	journal *journal
	within  time.Duration // for the confirmation; 0: none is needed
	told    string        // the last change of which it was told that it is taken back
}

func (r *running) close() {
	_ = r.journal.file.Close()
	_ = r.store.folder.Remove(reserveName)
}

// begin writes the first record of a run and arms the dead man's switch.
func (s *session) begin(ctx context.Context, p Proposal, within time.Duration) (*running, error) {
	if !p.Risky() {
		within = 0
	}
	if within > 0 && s.Deadman == nil {
		return nil, errors.New("this machine has no timer that could take a change back that cuts you off: sit at its console, and say --confirm-within 0")
	}
	if err := s.store.reserve(s.needed(p)); err != nil {
		return nil, fmt.Errorf("making room for what undo needs: %w", err)
	}
	run := &loadedRun{Run: Run{Number: nextNumber(s.runs), Begun: s.now().Round(0), By: s.By, Steps: p.names()}}
	run.path = journalOf(run.Number)
	r, err := s.resume(run)
	if err != nil {
		return nil, errors.Join(err, s.store.release())
	}
	r.within, run.armed = within, within > 0
	if err := r.announce(ctx); err != nil {
		r.close()
		return nil, errors.Join(err, s.store.folder.Remove(run.path))
	}
	return r, nil
}

// announce is what happens before the first act.
func (r *running) announce(ctx context.Context) error {
	until := r.deadline()
	err := r.journal.write(record{Kind: recordBegin, Time: r.run.Begun, By: r.run.By, Steps: r.run.Steps, Until: until})
	if err == nil {
		err = r.store.sync()
	}
	if err != nil || r.within == 0 {
		return err
	}
	if err := r.Deadman.Arm(ctx, r.Machine, until); err != nil {
		return fmt.Errorf("the timer that would take the changes back: %w", errors.Join(err, r.Deadman.Disarm(context.WithoutCancel(ctx), r.Machine)))
	}
	return nil
}

// deadline is when the run is taken back if it is not confirmed.
func (r *running) deadline() time.Time {
	if r.within == 0 {
		return time.Time{}
	}
	return r.now().Round(0).Add(r.within)
}

// resume opens the journal of a run for more records.
func (s *session) resume(run *loadedRun) (*running, error) {
	file, err := s.Engine.open(s.store.folder, run.path)
	if err != nil {
		return nil, err
	}
	j := &journal{file: file}
	if err := j.continueAt(run.size); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &running{session: s, run: run, journal: j}, nil
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

// commit ends a run: how its files are now is what undo will compare them with.
func (r *running) commit(ctx context.Context) error {
	looks, err := r.looks()
	if err != nil {
		return err
	}
	r.run.Until = r.deadline()
	if r.within > 0 {
		if err := r.Deadman.Arm(ctx, r.Machine, r.run.Until); err != nil {
			return fmt.Errorf("the timer that would take the changes back: %w", err)
		}
	}
	r.run.applied = r.now().Round(0)
	err = r.journal.write(record{Kind: recordApplied, Time: r.run.applied, Until: r.run.Until, Looks: looks})
	if err != nil {
		return err
	}
	r.run.settleState()
	return nil
}

// looks is how the changed paths are now, by the last act on each.
func (r *running) looks() (map[int]look, error) {
	last := map[string]int{}
	for _, a := range r.run.acts {
		if a.Path != "" && a.Side == "" {
			last[a.Path] = a.Act
		}
	}
	looks := map[int]look{}
	for _, number := range last {
		is, err := r.lookAt(r.run.acts[number-1].intent)
		if err != nil {
			return nil, err
		}
		looks[number] = is.look
	}
	return looks, nil
}

// lookAt is what is now at the path of an act. A folder above it that is gone
// has taken it away.
func (s *session) lookAt(i intent) (snapshot, error) {
	p, err := s.Machine.open(i.Path, i.Within, false)
	if errors.Is(err, fs.ErrNotExist) {
		return snapshot{look: look{Kind: kindNone}}, nil
	}
	if err != nil {
		return snapshot{}, err
	}
	defer p.close()
	return p.snapshot()
}

// giveUp takes back what was done of a run that failed.
func (r *running) giveUp(ctx context.Context, cause error) error {
	_ = r.store.release()
	left, _ := r.takeBack(context.WithoutCancel(ctx), nil, cause.Error(), false)
	return &FailedError{Cause: cause, Left: left}
}

// needed is a generous guess of the bytes that the journal of a run and the
// temporary files of taking it back take.
func (s *session) needed(p Proposal) int64 {
	const perAct = 8 << 10
	var bytes int64
	for _, step := range p.Steps {
		for _, c := range step.Changes {
			for _, act := range c.Acts {
				bytes += perAct
				if f, is := act.(fileAct); is {
					if info, err := s.Machine.Stat(filepath.Clean(f.target().path)); err == nil && info.Mode().IsRegular() {
						bytes += 3 * min(info.Size(), maxKept) // base64, and a temporary file
					}
				}
			}
		}
	}
	return bytes
}
