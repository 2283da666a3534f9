package proxy

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestWorkers_RunEveryTaskAtOnceHoweverManyAreUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stopping, release := newWorkers(), make(chan struct{}), make(chan struct{})
		var running atomic.Int64
		for range 3 * spareWorkers {
			w.do(func() { running.Add(1); <-release }, stopping)
		}
		synctest.Wait()
		if got := running.Load(); got != 3*spareWorkers {
			t.Errorf("%d tasks run, want all %d", got, 3*spareWorkers)
		}
		close(release)
		synctest.Wait()
		if got := len(w.spare); got != spareWorkers {
			t.Errorf("%d workers wait for more, want %d", got, spareWorkers)
		}
		close(stopping)
		w.wait()
	})
}

func TestWorkers_OneThatWaitsTakesTheNextTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stopping := newWorkers(), make(chan struct{})
		done := 0 // written by one worker only, or the race detector tells
		for range 10 {
			w.do(func() { done++ }, stopping)
			synctest.Wait()
			if len(w.spare) != 1 {
				t.Errorf("%d workers wait, want the one that did the task", len(w.spare))
			}
		}
		close(stopping)
		if w.wait(); done != 10 {
			t.Errorf("%d tasks were done, want 10", done)
		}
	})
}

func TestWorkers_EndWhenTheServerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stopping := newWorkers(), make(chan struct{})
		close(stopping)
		ran := false
		w.do(func() { ran = true }, stopping)
		if w.wait(); !ran {
			t.Error("a task was not run because the server stops")
		}
	})
}
