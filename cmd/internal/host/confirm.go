package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// ErrNothingToConfirm is returned where no run waits for a confirmation.
var ErrNothingToConfirm = errors.New("no run waits for a confirmation: see `gateway setup status`")

// reasonUnconfirmed is told of a run that the dead man's switch took back.
const reasonUnconfirmed = "nobody confirmed it by a new login"

// Confirm lets the run stand that waits for it, if whoever asks has logged in
// since it was applied: only a new login proves that one is possible.
func (e *Engine) Confirm(ctx context.Context) (Run, error) {
	s, err := e.enter(false)
	if errors.Is(err, fs.ErrNotExist) {
		return Run{}, ErrNothingToConfirm
	}
	if err != nil {
		return Run{}, err
	}
	defer s.leave()
	run := s.unconfirmed()
	if run == nil {
		return Run{}, ErrNothingToConfirm
	}
	err = s.confirm(ctx, run)
	return run.Run, err
}

func (s *session) confirm(ctx context.Context, run *loadedRun) error {
	if s.Deadman == nil {
		return errors.New("this machine has no dead man's switch")
	}
	if err := s.Deadman.Prove(ctx, s.Machine, run.applied); err != nil {
		return err
	}
	r, err := s.resume(run)
	if err != nil {
		return err
	}
	defer r.close()
	// Written before the switch is disarmed: one that fires in between finds
	// nothing to take back.
	if err := r.journal.write(record{Kind: recordConfirmed, Time: s.now().Round(0)}); err != nil {
		return fmt.Errorf("the confirmation could not be written down: %w", err)
	}
	run.Until = time.Time{}
	run.settleState()
	return s.Deadman.Disarm(ctx, s.Machine)
}

// unconfirmed is the run that waits for its confirmation, or nil.
func (s *session) unconfirmed() *loadedRun {
	for _, run := range s.runs {
		if run.State == StateUnconfirmed {
			return run
		}
	}
	return nil
}

// UndoUnconfirmed takes back, whatever was changed since, what an interrupted
// setup has left and what waits for a confirmation: that is what a boot does. It
// waits for another setup to end.
func (e *Engine) UndoUnconfirmed(ctx context.Context) ([]Run, error) {
	done, _, err := e.undoUnconfirmed(ctx, func(time.Time) bool { return true })
	return done, err
}

// UndoExpired does the same once the time for the confirmation is over, and
// waits for that: the timer of the dead man's switch calls it.
func (e *Engine) UndoExpired(ctx context.Context) ([]Run, error) {
	for {
		done, until, err := e.undoUnconfirmed(ctx, func(until time.Time) bool { return !e.now().Before(until) })
		if err != nil || until.IsZero() {
			return done, err
		}
		select {
		case <-time.After(min(until.Sub(e.now()), expiryLook)):
		case <-ctx.Done():
			return done, context.Cause(ctx)
		}
	}
}

// expiryLook is how often it is looked whether a run was confirmed meanwhile, or
// the clock was set.
const expiryLook = 5 * time.Second

// undoUnconfirmed takes back what due says is due, and returns the time of what
// is not yet.
func (e *Engine) undoUnconfirmed(ctx context.Context, due func(until time.Time) bool) (done []Run, until time.Time, err error) {
	st, err := openStore(e.folder(), false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	l, err := st.lockInTime(ctx, e.By, e.now)
	if err != nil {
		st.close()
		return nil, time.Time{}, err
	}
	s, err := e.entered(st, l)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer s.leave()
	return s.undoOpen(ctx, due)
}

// undoOpen takes back every run whose fate is open.
func (s *session) undoOpen(ctx context.Context, due func(time.Time) bool) (done []Run, until time.Time, err error) {
	if done, err = s.recover(ctx, false); err != nil {
		return done, time.Time{}, err
	}
	run := s.unconfirmed()
	if run == nil {
		return done, time.Time{}, nil
	}
	if !due(run.Until) {
		return done, run.Until, nil
	}
	if err := s.takeBackRun(ctx, run, nil, reasonUnconfirmed, false); err != nil {
		return done, time.Time{}, err
	}
	return append(done, run.Run), time.Time{}, nil
}
