package health

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// loopMachine pretends processes that live for a while, in fake time.
type loopMachine struct {
	life    time.Duration
	began   time.Time
	starts  []time.Duration // since it began
	living  int
	most    int
	startUp time.Duration // what a start itself takes
	fails   error
}

func (m *loopMachine) find(context.Context) (running, error) { return nil, nil }
func (m *loopMachine) forget()                               {}

func (m *loopMachine) start(context.Context) (running, error) {
	time.Sleep(m.startUp)
	m.starts = append(m.starts, time.Since(m.began))
	if m.fails != nil {
		return nil, m.fails
	}
	m.living++
	m.most = max(m.most, m.living)
	return &loopProcess{machine: m, ended: make(chan struct{})}, nil
}

type loopProcess struct {
	machine *loopMachine
	ended   chan struct{}
}

func (p *loopProcess) pid() int         { return 4242 }
func (p *loopProcess) terminate(string) { close(p.ended) }
func (p *loopProcess) kill()            {}
func (p *loopProcess) frozen() bool     { return false }

func (p *loopProcess) wait(ctx context.Context, _, _ func()) (Exit, error) {
	select {
	case <-time.After(p.machine.life):
	case <-p.ended:
	case <-ctx.Done():
		return Exit{}, ctx.Err()
	}
	p.machine.living--
	return Exit{Code: 1}, nil
}

// loopFor runs a monitor's loop over a pretended machine for a span of fake time.
func loopFor(t *testing.T, span time.Duration, machine *loopMachine, probe prober, during func(*Monitor)) *Monitor {
	t.Helper()
	m, err := New(Options{Name: "api", URL: "http://localhost:1", Config: Config{Command: []string{"x"}}})
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(m, &host{})
	l.machine, l.probe = machine, probe
	machine.began = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	if during != nil {
		go during(m)
	}
	if err := l.run(ctx); err != nil {
		t.Error(err)
	}
	return m
}

func loopRefused(ctx context.Context, _ bool) Result {
	select { // as an eager probe: as long as it may
	case <-ctx.Done():
	case <-time.After(2 * time.Second):
	}
	return Result{Err: errors.New("connection refused"), Away: true}
}

func loopGood(context.Context, bool) Result { return Result{Took: time.Millisecond} }

func TestLoop_NeverGivesUpACrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &loopMachine{life: 500 * time.Millisecond}
		m := loopFor(t, 10*time.Minute, machine, loopRefused, nil)
		var attempts []string
		for _, at := range machine.starts {
			attempts = append(attempts, at.Round(time.Millisecond).String())
		}
		t.Logf("%d starts in 10 minutes: %s", len(attempts), strings.Join(attempts, " "))
		if n := len(machine.starts); n < 26 || n > 34 {
			t.Errorf("%d starts, want 9 until the delay is 30 s and then two a minute", n)
		}
		if again := machine.starts[1] - machine.starts[0] - machine.life; again > 100*time.Millisecond {
			t.Errorf("the first death was answered after %v", again)
		}
		for i, at := range machine.starts[1:] {
			if gap := at - machine.starts[i]; gap > 31*time.Second {
				t.Errorf("%v between two starts", gap)
			}
		}
		if machine.most != 1 {
			t.Errorf("%d copies at a time", machine.most)
		}
		history := m.options.Ledger.History(0)
		// The last one may be alive when the ten minutes are over.
		if len(history) != 1 || history[0].Deaths < len(machine.starts)-1 || history[0].Deaths > len(machine.starts) {
			t.Errorf("ledger %+v, want one incident with all deaths", history)
		}
	})
}

func TestLoop_CountsAfreshAfterAStableMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &loopMachine{life: 61 * time.Second}
		loopFor(t, 10*time.Minute, machine, loopGood, nil)
		for i, at := range machine.starts[1:] {
			if gap := at - machine.starts[i] - machine.life; gap > 0 {
				t.Errorf("start %d came %v after the death", i+2, gap)
			}
		}
	})
}

func TestLoop_OneTroubleThatComesAndGoesIsOneIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &loopMachine{life: 20 * time.Second}
		m := loopFor(t, 10*time.Minute, machine, loopGood, nil)
		if history := m.options.Ledger.History(0); len(history) != 1 {
			t.Errorf("%d incidents, want one", len(history))
		}
	})
}

func TestLoop_KeepsProbingAtItsPaceForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probes := 0
		machine := &loopMachine{life: 24 * time.Hour}
		loopFor(t, time.Hour, machine, func(context.Context, bool) Result { probes++; return Result{} }, nil)
		if probes < 1795 || probes > 1805 {
			t.Errorf("%d probes in an hour, want one every 2 s", probes)
		}
	})
}

func TestLoop_ReleasesThoseWhoWaitWhenTheBackendIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := time.Now().Add(5 * time.Second)
		probe := func(ctx context.Context, _ bool) Result {
			time.Sleep(time.Until(ready)) // as an eager probe does
			return Result{}
		}
		machine := &loopMachine{life: time.Hour}
		loopFor(t, time.Minute, machine, probe, func(m *Monitor) {
			if err := m.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			if s := m.Status(); s.State != "up" || s.LastProbe == nil {
				t.Errorf("status %+v lags behind the availability", s)
			}
			if late := time.Since(ready); late != 0 {
				t.Errorf("released %v after the backend was ready", late)
			}
		})
	})
}

func TestLoop_StopsWhileAStartIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &loopMachine{life: time.Hour, startUp: 10 * time.Second}
		loopFor(t, time.Second, machine, loopGood, nil)
		if machine.living != 0 {
			t.Error("a process that was started during the stop lives on")
		}
	})
}

func TestLoop_AnswersRequestsByHandWhileItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &loopMachine{life: time.Hour}
		m := loopFor(t, time.Minute, machine, loopGood, nil)
		close(m.done) // as Run does
		if err := m.Restart(t.Context(), nil); !errors.Is(err, errStopped) {
			t.Errorf("restart after the end: %v", err)
		}
	})
}

func TestLoop_IsNotConfusedByAClockThatIsSet(t *testing.T) {
	// Times that carry a monotonic reading are compared by it (package time), so
	// a wall clock that jumps changes nothing. What strips the reading, such as
	// Round, UTC or JSON, would bring the confusion in.
	s := State{}
	for _, in := range []Input{Began{}, Spawned{}, goodProbe, badProbe, badProbe, badProbe, crash, Spawned{}, crash, EndAsked{}} {
		s, _ = s.Next(stateTiming, in, time.Now(), 0.5)
		for name, at := range map[string]time.Time{
			"Since": s.Since, "Started": s.Started, "UpSince": s.UpSince, "Respawn": s.Respawn,
			"FailingSince": s.FailingSince, "NextProbe": s.NextProbe, "Wake": s.Wake(stateTiming),
		} {
			if !at.IsZero() && !strings.Contains(at.String(), "m=") {
				t.Errorf("after %T: %s has no monotonic reading: %v", in, name, at)
			}
		}
	}
	l := &Ledger{wake: make(chan struct{}, 1)}
	if opened := l.opened("api", "x", true, time.Now()).Opened; !strings.Contains(opened.String(), "m=") {
		t.Errorf("the incident's time has no monotonic reading: %v", opened)
	}
}

func TestLoop_EndsADrainThatIsUnderWayWhenGatewayStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &loopMachine{life: time.Hour}
		began := time.Now()
		loopFor(t, 10*time.Second, machine, loopGood, func(m *Monitor) {
			time.Sleep(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := m.Restart(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			if !errors.Is(err, context.DeadlineExceeded) || m.Status().State != "draining" {
				t.Errorf("restart: %v, state %s", err, m.Status().State)
			}
		})
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("stopped after %v", took)
		}
	})
}

// loopLog asks for the status whenever a line tells of a state.
type loopLog struct {
	slog.Handler
	t *testing.T
	m *Monitor
}

func (h *loopLog) Enabled(context.Context, slog.Level) bool { return true }
func (h *loopLog) WithAttrs([]slog.Attr) slog.Handler       { return h }

func (h *loopLog) Handle(_ context.Context, r slog.Record) error {
	state, _ := strings.CutPrefix(r.Message, "the backend is ")
	if slices.Contains(phaseNames[:], state) && h.m.Status().State != state {
		h.t.Errorf("the log says %q, and the status %q", r.Message, h.m.Status().State)
	}
	if r.Message == "the backend is up" && !h.m.Availability().Up {
		h.t.Error("the log says that it is up before a request may be sent")
	}
	return nil
}

func TestLoop_TellsNoStateInTheLogThatTheStatusDoesNotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &loopLog{t: t}
		m, err := New(Options{Name: "api", URL: "http://localhost:1", Config: Config{Command: []string{"x"}}, Log: slog.New(log)})
		if err != nil {
			t.Fatal(err)
		}
		log.m = m
		l := newLoop(m, &host{})
		l.machine, l.probe = &loopMachine{life: time.Minute, began: time.Now()}, loopGood
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		if err := l.run(ctx); err != nil {
			t.Error(err)
		}
	})
}
