package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

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
