package proxy

import (
	"testing"
	"testing/synctest"
	"time"
)

type paceDeadline func(time.Time) error

func (d paceDeadline) set(t time.Time) error { return d(t) }

func newPace(patience time.Duration, cut paceDeadline) *pace {
	p := new(pace)
	p.init(patience, cut, new(watchdogs))
	return p
}

func TestPace_CutsAStretchWithoutProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := make(chan time.Time, 1)
		p := newPace(30*time.Second, func(time.Time) error { cut <- time.Now(); return nil })
		start := time.Now()
		p.begin()
		if at := <-cut; at.Sub(start) != 30*time.Second || !p.hasExpired() {
			t.Errorf("cut after %s", at.Sub(start))
		}
		p.end(0)
	})
}

func TestPace_CutsADripAndLetsASlowButSteadyClientThrough(t *testing.T) {
	drip := func(bytes int, every time.Duration) (survived time.Duration) {
		synctest.Test(t, func(*testing.T) {
			p := newPace(30*time.Second, func(time.Time) error { return nil })
			start := time.Now()
			for range 3600 {
				p.begin()
				time.Sleep(every)
				synctest.Wait()
				p.end(bytes)
				if p.hasExpired() {
					break
				}
			}
			survived = time.Since(start)
			p.stop()
		})
		return survived
	}
	if got := drip(1, time.Second); got > 35*time.Second {
		t.Errorf("a byte a second went on for %s", got)
	}
	if got := drip(501, time.Second); got != time.Hour {
		t.Errorf("501 bytes a second was cut after %s", got)
	}
}

func TestPace_CountsOnlyTheTimeInWhichTheClientIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(time.Second, func(time.Time) error { t.Error("cut"); return nil })
		for range 100 {
			p.begin()
			p.end(1)
			time.Sleep(time.Minute) // the backend thinks
		}
		p.stop()
	})
}

func TestPace_SetsNoDeadlineAfterItWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(time.Second, func(time.Time) error { t.Error("cut"); return nil })
		p.begin()
		p.stop()
		time.Sleep(time.Hour)
		p.begin()
		time.Sleep(time.Hour)
	})
}
