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

// confirmPatience is how long a confirmation waits for another setup to end: the
// dead man's switch itself may be looking whether it is time.
const confirmPatience = 10 * time.Second

// Confirm lets the run stand that waits for it, if whoever asks has logged in
// since it was applied: only a new login proves that one is possible.
func (e *Engine) Confirm(ctx context.Context) (Run, error) {
	inTime, stop := context.WithTimeout(ctx, confirmPatience)
	defer stop()
	s, err := e.enterInTime(inTime)
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

// enterInTime is enter for what must not fail because another setup is at work:
// it waits for that to end until ctx does.
func (e *Engine) enterInTime(ctx context.Context) (*session, error) {
	st, err := openStore(e.folder(), false)
	if err != nil {
		return nil, err
	}
	return e.lockStore(ctx, st)
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
	return e.undoOpen(ctx, func(time.Time) bool { return true })
}

// expiryLook is how often it is looked whether a run was confirmed meanwhile, or
// the clock was set.
const expiryLook = 5 * time.Second

// UndoExpired does the same once the time for the confirmation is over, and
// waits for that: the timer of the dead man's switch calls it.
func (e *Engine) UndoExpired(ctx context.Context) ([]Run, error) {
	for {
		until, err := e.openUntil()
		if err != nil {
			return nil, err
		}
		wait := until.Sub(e.now())
		if wait <= 0 {
			return e.undoOpen(ctx, func(until time.Time) bool { return !e.now().Before(until) })
		}
		select {
		case <-time.After(min(wait, expiryLook)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// openUntil is when the run that waits for its confirmation is to be taken back;
// zero if there is none.
func (e *Engine) openUntil() (time.Time, error) {
	runs, err := e.History()
	for _, r := range runs {
		if r.State == StateUnconfirmed {
			return r.Until, err
		}
	}
	return time.Time{}, err
}

// undoOpen takes back what was interrupted, and what waits for a confirmation if
// that is due.
func (e *Engine) undoOpen(ctx context.Context, due func(until time.Time) bool) ([]Run, error) {
	s, err := e.enterInTime(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.leave()
	done, err := s.recover(ctx, false)
	run := s.unconfirmed()
	if err != nil || run == nil || !due(run.Until) {
		return done, err
	}
	if err := s.takeBackRun(ctx, run, nil, reasonUnconfirmed, false); err != nil {
		return done, err
	}
	return append(done, run.Run), nil
}
