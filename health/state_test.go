package health

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	stateTiming = Timing{
		Supervised: true, Every: 2 * time.Second, Fast: 200 * time.Millisecond, Fall: 3, Rise: 1,
		Hang: 20 * time.Second, StartGrace: time.Minute, StopGrace: 10 * time.Second,
	}
	stateEpoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

	errRefused = errors.New("connection refused")
	goodProbe  = Probed{Result{Took: time.Millisecond}}
	badProbe   = Probed{Result{Err: errRefused, Took: time.Millisecond}}
	slowProbe  = Probed{Result{Err: context.DeadlineExceeded, Took: 2 * time.Second}}
	sickProbe  = Probed{Result{Err: errors.New("it answered 500"), Answered: true, Took: time.Millisecond}}
	crash      = Exited{Exit{Code: 3}}
)

// stateStep is one input, so long after the one before it.
type stateStep struct {
	after time.Duration
	in    Input
}

// stateRun plays steps and returns the last state and the acts of the last step.
func stateRun(timing Timing, steps ...stateStep) (State, string) {
	var s State
	var acts []Act
	now := stateEpoch
	for _, step := range steps {
		now = now.Add(step.after)
		s, acts = s.Next(timing, step.in, now, 0)
	}
	return s, stateActs(acts)
}

func stateActs(acts []Act) string {
	names := []string{"spawn", "ask", "drain", "terminate", "kill", "open", "close"}
	var words []string
	for _, act := range acts {
		word := names[act.Kind]
		if act.Eager {
			word += "!"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func at(after time.Duration, in Input) stateStep { return stateStep{after, in} }

func then(steps []stateStep, more ...stateStep) []stateStep {
	return append(append([]stateStep(nil), steps...), more...)
}

func TestStateNext_DecidesEveryTurn(t *testing.T) {
	begun := []stateStep{at(0, Began{})}
	started := then(begun, at(0, Spawned{}))
	up := then(started, at(time.Second, goodProbe))
	stable := then(up, at(2*time.Minute, goodProbe))
	dead := then(up, at(time.Second, crash))
	again := then(dead, at(0, Spawned{}), at(time.Second, goodProbe))
	hung := then(up, at(4*time.Second, slowProbe), at(2200*time.Millisecond, slowProbe), at(2200*time.Millisecond, slowProbe))
	sick := then(up, at(2*time.Second, sickProbe), at(time.Second, sickProbe), at(time.Second, sickProbe))
	draining := then(up, at(0, EndAsked{Restart: true}))
	restarting := then(draining, at(time.Second, Drained{}))
	stopping := then(up, at(0, EndAsked{}), at(0, Drained{}))
	foreign := then(begun, at(0, Taken{}), at(0, goodProbe))
	watched := stateTiming
	watched.Supervised = false
	patient := stateTiming
	patient.Hang = 0
	careful := stateTiming
	careful.Rise = 2

	for _, row := range []struct {
		name   string
		timing Timing
		steps  []stateStep
		phase  Phase
		acts   string
	}{
		{"a backend with a command is started", stateTiming, begun, Starting, "spawn"},
		{"one without is only asked", watched, begun, Starting, "ask"},
		{"one that runs is adopted, not started", stateTiming, []stateStep{at(0, Began{Adopted: true})}, Starting, "ask!"},
		{"a started one is asked as soon as it listens", stateTiming, started, Starting, "ask!"},
		{"a good probe makes it up", stateTiming, up, Up, ""},
		{"with rise 2 the first good probe does not", careful, up, Starting, ""},
		{"with rise 2 the second does", careful, then(up, at(time.Second, goodProbe)), Up, ""},
		{"bad probes while it boots do not count", stateTiming, then(started, at(59*time.Second, badProbe)), Starting, ""},
		{"they count when the grace is over", stateTiming, then(started, at(61*time.Second, badProbe)), Hung, "open"},
		{"a boot that answers wrongly for too long is sick", stateTiming, then(started, at(61*time.Second, sickProbe)), Sick, "open"},
		{"one bad probe changes nothing", stateTiming, then(up, at(2*time.Second, badProbe)), Up, ""},
		{"fall bad probes are trouble", stateTiming, hung, Hung, "open"},
		{"a wrong answer is another trouble", stateTiming, sick, Sick, "open"},
		{"a hung one that answers again is up", stateTiming, then(hung, at(time.Second, goodProbe)), Up, "close"},
		{"a sick one that answers again is up", stateTiming, then(sick, at(time.Second, goodProbe)), Up, "close"},
		{"a freeze of 3 s costs nothing", stateTiming, then(up, at(5*time.Second, slowProbe), at(time.Second, goodProbe)), Up, ""},
		{"a hung one is left alone for a while", stateTiming, then(hung, at(8*time.Second, slowProbe)), Hung, ""},
		{"and ended when its leash is over", stateTiming, then(hung, at(15*time.Second, slowProbe)), Stopping, "terminate"},
		{"the clock alone ends it, too", stateTiming, then(hung, at(15*time.Second, Ticked{})), Stopping, "terminate"},
		{"without a leash never", patient, then(hung, at(time.Hour, slowProbe)), Hung, ""},
		{"a sick one is ended as well", stateTiming, then(sick, at(21*time.Second, sickProbe)), Stopping, "terminate"},
		{"a hung one that ignores the signal is killed soon", stateTiming, then(hung, at(15*time.Second, slowProbe), at(2*time.Second, Ticked{})), Stopping, "kill"},
		{"and again, should it live on", stateTiming, then(hung, at(15*time.Second, slowProbe), at(2*time.Second, Ticked{}), at(time.Second, Ticked{})), Stopping, "kill"},
		{"its end is a death", stateTiming, then(hung, at(15*time.Second, slowProbe), at(time.Second, crash)), Down, "spawn open"},
		{"a process that ended is not asked any more", stateTiming, then(up, at(time.Second, Dying{}), at(0, Nudged{})), Down, ""},
		{"nor blamed for a probe that was under way", stateTiming, then(up, at(time.Second, Dying{}), at(0, badProbe)), Down, ""},
		{"nor started before its tree is gone", stateTiming, then(up, at(time.Second, Dying{}), at(0, StartAsked{})), Down, ""},
		{"then its death is answered", stateTiming, then(up, at(time.Second, Dying{}), at(0, crash)), Down, "spawn open"},
		{"also one after a stable minute", stateTiming, then(again, at(time.Minute, Dying{}), at(0, crash)), Down, "spawn open"},
		{"a restart while its tree is ended starts it once", stateTiming, then(up, at(0, Dying{}), at(0, EndAsked{Restart: true}), at(0, crash)), Starting, "spawn"},
		{"the first death is answered at once", stateTiming, dead, Down, "spawn open"},
		{"the second waits", stateTiming, then(again, at(time.Second, crash)), Down, "open"},
		{"and is then started", stateTiming, then(again, at(time.Second, crash), at(100*time.Millisecond, Ticked{})), Down, "spawn"},
		{"not before", stateTiming, then(again, at(time.Second, crash), at(99*time.Millisecond, Ticked{})), Down, ""},
		{"a death after a stable minute is a first one", stateTiming, then(again, at(time.Minute, crash)), Down, "spawn open"},
		{"a hang after a stable minute too", stateTiming, then(stable, at(2*time.Second, slowProbe), at(0, slowProbe), at(0, slowProbe), at(20*time.Second, Ticked{}), at(0, crash)), Down, "spawn open"},
		{"a command that cannot start is tried again", stateTiming, then(begun, at(0, SpawnFailed{errRefused})), Down, "spawn open"},
		{"somebody else's backend is asked, not doubled", stateTiming, then(begun, at(0, Taken{})), Starting, "ask"},
		{"and is up when it answers", stateTiming, foreign, Up, ""},
		{"when it is gone, ours is started", stateTiming, then(foreign, at(0, badProbe), at(0, badProbe), at(0, badProbe)), Down, "spawn open"},
		{"a watched one that is gone is down", watched, then(begun, at(0, badProbe), at(0, badProbe), at(0, badProbe)), Down, "open"},
		{"and asked on", watched, then(begun, at(0, badProbe), at(0, badProbe), at(0, badProbe), at(time.Minute, Ticked{})), Down, "ask"},
		{"and up when it is back", watched, then(begun, at(0, badProbe), at(0, badProbe), at(0, badProbe), at(0, goodProbe)), Up, "close"},
		{"a restart drains first", stateTiming, draining, Draining, "drain"},
		{"then ends the process", stateTiming, restarting, Stopping, "terminate"},
		{"then starts it, and nothing was wrong", stateTiming, then(restarting, at(time.Second, crash)), Starting, "spawn"},
		{"a process that ends while it drains is started as well", stateTiming, then(draining, at(0, crash)), Starting, "spawn"},
		{"the grace ends with KILL", stateTiming, then(restarting, at(10*time.Second, Ticked{})), Stopping, "kill"},
		{"a stop stays", stateTiming, then(stopping, at(0, crash)), Stopped, ""},
		{"probes that come late are dropped", stateTiming, then(stopping, at(0, goodProbe)), Stopping, ""},
		{"a stopped one is started by hand", stateTiming, then(stopping, at(0, crash), at(0, StartAsked{})), Starting, "spawn"},
		{"a start while it stops is a restart", stateTiming, then(stopping, at(0, StartAsked{}), at(0, crash)), Starting, "spawn"},
		{"a stop ends the waiting for the next start", stateTiming, then(again, at(time.Second, crash), at(0, EndAsked{})), Stopped, "close"},
		{"a start by hand does not wait", stateTiming, then(again, at(time.Second, crash), at(0, StartAsked{})), Starting, "spawn"},
		{"a stop during a start ends what was started", stateTiming, then(begun, at(0, EndAsked{}), at(0, Spawned{})), Stopping, "terminate"},
		{"a stop during a start that fails is a stop", stateTiming, then(begun, at(0, EndAsked{}), at(0, SpawnFailed{errRefused})), Stopped, ""},
		{"a refused request asks at once", stateTiming, then(up, at(time.Millisecond, Nudged{})), Up, "ask"},
		{"not twice at a time", stateTiming, then(up, at(time.Millisecond, Nudged{}), at(0, Nudged{})), Up, ""},
		{"a storm of them is one failure", stateTiming, then(up, at(0, Nudged{}), at(0, badProbe), at(0, Nudged{})), Up, ""},
		{"not while it starts anyway", stateTiming, then(started, at(0, Nudged{})), Starting, ""},
		{"an incident of the last life ends with the first good probe", stateTiming, []stateStep{at(0, Began{Adopted: true, Incident: true}), at(0, goodProbe)}, Up, "close"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, acts := stateRun(row.timing, row.steps...)
			if got.Phase != row.phase || acts != row.acts {
				t.Errorf("phase %v, acts %q; want %v, %q; state %+v", got.Phase, acts, row.phase, row.acts, got)
			}
		})
	}
}

func TestState_TellsTheProxyWhetherToSendOrToWait(t *testing.T) {
	watched, patient := stateTiming, stateTiming
	watched.Supervised = false
	patient.Hang = 0
	for _, row := range []struct {
		state      State
		timing     Timing
		up, coming bool
	}{
		{State{Phase: Up}, stateTiming, true, false},
		{State{Phase: Sick}, stateTiming, true, false},
		{State{Phase: Starting}, stateTiming, false, true},
		{State{Phase: Hung, Process: true}, stateTiming, false, true},
		{State{Phase: Hung, Process: true}, patient, false, false},
		{State{Phase: Down}, stateTiming, false, true},
		{State{Phase: Down}, watched, false, false},
		{State{Phase: Draining, then: thenRestart}, stateTiming, false, true},
		{State{Phase: Stopping, then: thenRespawn}, stateTiming, false, true},
		{State{Phase: Stopping, then: thenStay}, stateTiming, false, false},
		{State{Phase: Stopped}, stateTiming, false, false},
	} {
		got := row.state.availability(row.timing)
		if got.Up != row.up || got.Coming != row.coming || got.Up == (got.Reason != "") {
			t.Errorf("%v: %+v, want up %v, coming %v, and a reason unless it is up", row.state.Phase, got, row.up, row.coming)
		}
	}
}

func TestState_BacksOffToHalfAMinuteAndNoLonger(t *testing.T) {
	var delays []string
	for deaths := range 14 {
		n := transition{State: State{Deaths: deaths}}
		delays = append(delays, n.delay().String())
		n.random = 0.999999
		if jittered, full := n.delay(), (&transition{State: State{Deaths: deaths}}).delay(); jittered > full || jittered < full*4/5 {
			t.Errorf("death %d: %v with jitter, want within a fifth below %v", deaths, jittered, full)
		}
	}
	want := "0s 100ms 200ms 400ms 800ms 1.6s 3.2s 6.4s 12.8s 25.6s 30s 30s 30s 30s"
	if got := strings.Join(delays, " "); got != want {
		t.Errorf("delays %s, want %s", got, want)
	}
}

func TestState_NeverSleepsWithoutAnAlarm(t *testing.T) {
	// Every phase that waits for nothing but time must say for how long.
	for _, s := range []State{
		{Phase: Up, NextProbe: stateEpoch, Process: true},
		{Phase: Hung, NextProbe: stateEpoch, Process: true},
		{Phase: Down, Respawn: stateEpoch},
		{Phase: Stopping, Process: true, KillAt: stateEpoch},
		{Phase: Hung, Process: true, Probing: true, FailingSince: stateEpoch},
	} {
		if s.Wake(stateTiming).IsZero() {
			t.Errorf("%+v has no alarm", s)
		}
	}
	if wake := (State{Phase: Stopped}).Wake(stateTiming); !wake.IsZero() {
		t.Errorf("a stopped backend wakes at %v", wake)
	}
}

// FuzzStateNext plays any order of inputs at any time: no panic, never two
// processes, and never silence.
func FuzzStateNext(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	f.Add([]byte{1, 2, 8, 8, 8, 3, 1, 7, 7, 7, 0, 0, 4})
	f.Fuzz(func(t *testing.T, script []byte) {
		s, acts := State{}.Next(stateTiming, Began{}, stateEpoch, 0)
		now, world := stateEpoch, stateWorld{}
		world.perform(acts)
		for _, b := range script {
			now = now.Add(time.Duration(b>>4) * time.Second)
			in := world.input(int(b & 15))
			if in == nil {
				continue
			}
			s, acts = s.Next(stateTiming, in, now, 0.5)
			world.perform(acts)
			if world.spawning > 1 || world.alive && world.spawning > 0 {
				t.Fatalf("two processes at a time after %T: %+v", in, s)
			}
			if s.Phase != Stopped && !world.alive && world.spawning == 0 && s.Wake(stateTiming).IsZero() && !s.Probing {
				t.Fatalf("it waits for ever after %T: %+v", in, s)
			}
		}
	})
}

// stateWorld plays the machine: it offers only inputs that can happen.
type stateWorld struct {
	spawning int
	alive    bool
	asked    bool
	draining bool
}

func (w *stateWorld) perform(acts []Act) {
	for _, act := range acts {
		switch act.Kind {
		case Spawn:
			w.spawning++
		case Ask:
			w.asked = true
		case Drain:
			w.draining = true
		}
	}
}

func (w *stateWorld) input(choice int) Input {
	switch {
	case choice == 0:
		return Ticked{}
	case choice == 1 && w.spawning > 0:
		w.spawning, w.alive = w.spawning-1, true
		return Spawned{}
	case choice == 2 && w.spawning > 0:
		w.spawning--
		return SpawnFailed{errRefused}
	case choice == 3 && w.spawning > 0:
		w.spawning--
		return Taken{}
	case choice == 14 && w.alive:
		return Dying{}
	case choice == 4 && w.alive:
		w.alive = false
		return crash
	case choice >= 5 && choice <= 8 && w.asked:
		w.asked = false
		return []Input{goodProbe, badProbe, slowProbe, sickProbe}[choice-5]
	case choice == 9:
		return Nudged{}
	case choice == 10:
		return StartAsked{}
	case choice == 11:
		return EndAsked{}
	case choice == 12:
		return EndAsked{Restart: true}
	case choice == 13 && w.draining:
		w.draining = false
		return Drained{}
	}
	return nil
}

func ExampleExit() {
	fmt.Println(Exit{Code: 3})
	fmt.Println(Exit{Code: 137})
	fmt.Println(Exit{Code: -1, Signal: 11, Core: true})
	fmt.Println(Exit{Code: -1, Signal: 9})
	fmt.Println(Exit{Code: -1, Signal: 9, OOM: true})
	fmt.Println(Exit{Code: -1, Signal: 15, ByGateway: "restarted by hand"})
	fmt.Println(Exit{Code: -1, Unknown: true})
	// Output:
	// exited with code 3
	// exited with code 137 (a shell's: killed by signal 9, KILL)
	// killed by signal 11 (SEGV), with a core dump
	// killed by signal 9 (KILL), not by gateway
	// killed by the kernel: out of memory
	// killed by signal 15 (TERM): restarted by hand
	// ended; its exit code is unknown, because an earlier gateway had started it
}
