package host

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// engineDeadman records how it is called.
type engineDeadman struct {
	until      []time.Time
	disarmed   int
	armError   error
	proveError error
	whenArmed  func()
}

func (d *engineDeadman) Arm(_ context.Context, _ Machine, until time.Time) error {
	d.until = append(d.until, until)
	if d.whenArmed != nil {
		d.whenArmed()
	}
	return d.armError
}

func (d *engineDeadman) Disarm(context.Context, Machine) error { d.disarmed++; return nil }

func (d *engineDeadman) Prove(_ context.Context, _ Machine, since time.Time) error {
	if since.IsZero() {
		return errors.New("since when is not told")
	}
	return d.proveError
}

// engineRisky is a world whose step could cut off an admin.
func engineRisky(t *testing.T) (*engineWorld, *engineDeadman) {
	w := newEngineWorld(t, engineMemory(t)).furnish()
	for i := range w.step.changes {
		w.step.changes[i].Switch = true
	}
	d := &engineDeadman{}
	w.engine.Deadman = d
	return w, d
}

func (w *engineWorld) mustApplyWithin(within time.Duration) Run {
	w.t.Helper()
	run, err := w.engine.Apply(context.Background(), w.plan(), within)
	w.must(err)
	return run
}

func TestEngine_ArmsBeforeTheFirstActAndAgainAfterTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := engineRisky(t)
		before := w.state()
		d.whenArmed = func() {
			if len(d.until) == 1 {
				w.same(before, "when the switch was armed")
			}
			time.Sleep(time.Second)
		}
		run := w.mustApplyWithin(5 * time.Minute)
		if run.State != StateUnconfirmed || len(d.until) != 2 || d.until[1].Sub(d.until[0]) != time.Second || !run.Until.Equal(d.until[1]) || d.disarmed != 0 {
			t.Errorf("the run: %+v, the switch: %+v", run, d)
		}
	})
}

func TestEngine_NeedsNoConfirmationForWhatCutsNobodyOff(t *testing.T) {
	w, d := engineRisky(t)
	for i := range w.step.changes {
		w.step.changes[i].Switch = false
	}
	if run := w.mustApplyWithin(5 * time.Minute); run.State != StateApplied || len(d.until) > 0 {
		t.Errorf("the run: %+v, the switch: %+v", run, d)
	}
}

func TestEngine_ChangesNothingWithoutAWorkingSwitch(t *testing.T) {
	w, d := engineRisky(t)
	before := w.state()
	d.armError = errEngineTest
	_, err := w.engine.Apply(t.Context(), w.plan(), time.Minute)
	engineContains(t, err, "nothing was changed: the timer that would take the changes back: ")
	if !errors.Is(err, errEngineTest) || d.disarmed != 1 || w.lastState() != "" {
		t.Errorf("error %v, the switch: %+v, the run is %q", err, d, w.lastState())
	}
	w.engine.Deadman = nil
	_, err = w.engine.Apply(t.Context(), w.plan(), time.Minute)
	engineContains(t, err, "nothing was changed: this machine has no timer", "--confirm-within 0")
	w.same(before, "after both")
}

func TestEngine_DisarmsTheSwitchOfARunThatFailed(t *testing.T) {
	w, d := engineRisky(t)
	w.step.verify = errEngineTest
	_, err := w.engine.Apply(t.Context(), w.plan(), time.Minute)
	if !errors.Is(err, errEngineTest) || d.disarmed != 1 {
		t.Errorf("error %v, the switch: %+v", err, d)
	}
}

func TestEngine_TakesBackWhatNobodyConfirmsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := engineRisky(t)
		before := w.state()
		run := w.mustApplyWithin(5 * time.Minute)
		_, err := w.apply()
		engineContains(t, err, "run 1 waits until ", "`gateway setup confirm`", "`gateway setup undo`")
		done, err := w.engine.UndoExpired(t.Context())
		if err != nil || len(done) != 1 || done[0].State != StateUndone || done[0].Reason != "nobody confirmed it by a new login" {
			t.Errorf("taken back: %+v, error %v", done, err)
		}
		if late := time.Since(run.Until); late < 0 || late > time.Second || d.disarmed != 1 {
			t.Errorf("%v after the time was over; the switch: %+v", late, d)
		}
		w.same(before, "after the time was over")
		if _, err := w.engine.Confirm(t.Context()); !errors.Is(err, ErrNothingToConfirm) {
			t.Errorf("a confirmation that comes too late: %v", err)
		}
	})
}

func TestEngine_LetsStandWhatANewLoginConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := engineRisky(t)
		w.mustApplyWithin(5 * time.Minute)
		after := w.state()
		d.proveError = errEngineTest
		if _, err := w.engine.Confirm(t.Context()); !errors.Is(err, errEngineTest) || w.lastState() != StateUnconfirmed {
			t.Errorf("without a new login: %v, the run is %s", err, w.lastState())
		}
		confirmed := time.AfterFunc(time.Minute, func() {
			d.proveError = nil
			if run, err := w.engine.Confirm(context.Background()); err != nil || run.State != StateApplied {
				t.Errorf("confirmed: %+v, error %v", run, err)
			}
		})
		defer confirmed.Stop()
		done, err := w.engine.UndoExpired(t.Context())
		if err != nil || len(done) > 0 || d.disarmed != 1 {
			t.Errorf("taken back: %+v, error %v, the switch: %+v", done, err, d)
		}
		w.same(after, "after the confirmation")
		w.must(func() error { _, err := w.engine.Undo(t.Context(), Selection{}); return err }())
	})
}

func TestEngine_TakesBackAtBootWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := engineRisky(t)
		before := w.state()
		w.mustApplyWithin(time.Hour)
		w.write("etc/app/a.conf", "changed by others\n", 0o600)
		began := time.Now()
		done, err := w.engine.UndoUnconfirmed(t.Context())
		if err != nil || len(done) != 1 || time.Since(began) > 0 {
			t.Errorf("taken back: %+v, error %v, after %v", done, err, time.Since(began))
		}
		w.sameButFolderTimes(before, "after the boot")
	})
}

func TestEngine_WaitsWithTakingBackForASetupThatIsAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := engineRisky(t)
		before := w.state()
		w.mustApplyWithin(time.Minute)
		time.Sleep(2 * time.Minute)
		s, err := w.engine.enter(false)
		w.must(err)
		time.AfterFunc(10*time.Second, s.leave)
		began := time.Now()
		done, err := w.engine.UndoExpired(t.Context())
		if took := time.Since(began); err != nil || len(done) != 1 || took < 10*time.Second || took > 11*time.Second {
			t.Errorf("taken back: %+v, error %v, after %v", done, err, took)
		}
		w.same(before, "after the wait")
	})
}

func TestEngine_StopsWaitingWhenItIsToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := engineRisky(t)
		w.mustApplyWithin(time.Hour)
		ctx, stop := context.WithTimeoutCause(t.Context(), time.Minute, errEngineTest)
		defer stop()
		if done, err := w.engine.UndoExpired(ctx); !errors.Is(err, errEngineTest) || len(done) > 0 {
			t.Errorf("taken back: %+v, error %v", done, err)
		}
		if w.lastState() != StateUnconfirmed {
			t.Errorf("the run is %s", w.lastState())
		}
	})
}
