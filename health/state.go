package health

import (
	"fmt"
	"time"
)

// Phase is where a backend is in its life.
type Phase int

// A backend that is Sick answers its probes wrongly, and goes on being asked:
// its own error says more than ours. One that is Hung does not answer at all.
const (
	Stopped  Phase = iota // by hand, or not begun
	Starting              // started or found, no good probe yet
	Up                    // answers as it should
	Sick                  // answers, but not as it should
	Hung                  // its process lives and does not answer
	Down                  // it does not live; started again at State.Respawn
	Draining              // finishes its requests before a stop or restart by hand
	Stopping              // was asked to end
)

var phaseNames = [...]string{"stopped", "starting", "up", "sick", "hung", "down", "draining", "stopping"}

// String is the word that status shows.
func (p Phase) String() string { return phaseNames[p] }

// Timing is what State.Next needs of the configuration.
type Timing struct {
	Supervised                               bool
	Every, Fast, Hang, StartGrace, StopGrace time.Duration
	Fall, Rise                               int
}

const (
	// stableAfter is how long a backend must have been up for its next death to
	// count as the first.
	stableAfter = time.Minute
	// firstDelay and longestDelay bound the time between two starts: the first
	// death is answered at once, the second after firstDelay, then twice as long
	// each time.
	firstDelay   = 100 * time.Millisecond
	longestDelay = 30 * time.Second
	// hungGrace replaces the stop grace for a process that has long not answered.
	hungGrace = 2 * time.Second
	// killAgain is how often a process that survives KILL (in an uninterruptible
	// system call) is killed again.
	killAgain = time.Second
)

// afterwards is what follows the end of a process that was asked to end.
type afterwards int

const (
	thenStay    afterwards = iota // stopped by hand
	thenRestart                   // restarted by hand: at once
	thenRespawn                   // did not answer: as after a death
)

// State is everything that the supervisor knows and decides by. It is a value;
// Next returns the one that follows.
type State struct {
	Phase   Phase
	Since   time.Time // of the phase
	Process bool      // a process of ours lives
	Foreign bool      // the address is served by a process that gateway did not start
	Started time.Time // of the process
	UpSince time.Time // zero while it is not up or sick

	Deaths  int       // in a row, without a stable minute between
	Respawn time.Time // Down: when it is started again
	KillAt  time.Time // Stopping: when KILL is sent

	Good, Bad    int       // probe results in a row
	FailingSince time.Time // start of the first of the Bad probes
	Probing      bool      // a probe is under way
	again        bool      // a refused request came during the probe: another one at once
	NextProbe    time.Time

	Spawning bool // a start is under way
	Incident bool // something is wrong and has been told
	then     afterwards
}

// Next is the supervisor's whole policy: from a state, what happened, and when,
// to the next state and what is to be done. It is pure; random, in [0,1), is the
// jitter of delays.
func (s State) Next(t Timing, in Input, now time.Time, random float64) (State, []Act) {
	n := transition{State: s, Timing: t, now: now, random: random}
	switch in := in.(type) {
	case Began:
		n.began(in)
	case Ticked:
		n.ticked()
	case Spawned:
		n.spawned()
	case SpawnFailed:
		n.spawnFailed(in)
	case Taken:
		n.taken()
	case Exited:
		n.exited(in)
	case Probed:
		n.probed(in.Result)
	case Nudged:
		n.nudged()
	case StartAsked:
		n.startAsked()
	case EndAsked:
		n.endAsked(in)
	case Drained:
		n.drained()
	}
	return n.State, n.acts
}

// Wake is when Ticked is due; zero: never.
func (s State) Wake(t Timing) time.Time {
	var soonest time.Time
	add := func(at time.Time, wanted bool) {
		if wanted && (soonest.IsZero() || at.Before(soonest)) {
			soonest = at
		}
	}
	add(s.NextProbe, s.probes() && !s.Probing)
	add(s.Respawn, s.Phase == Down && t.Supervised && !s.Spawning)
	add(s.KillAt, s.Phase == Stopping && s.Process)
	add(s.FailingSince.Add(t.Hang), s.leashed(t))
	return soonest
}

// probes tells whether the phase has something to ask.
func (s State) probes() bool {
	switch s.Phase {
	case Starting:
		return s.Process || !s.Spawning
	case Up, Sick, Hung:
		return true
	case Down:
		return s.watched()
	}
	return false
}

// watched: nothing of ours lives there, and nothing of ours is about to.
func (s State) watched() bool { return !s.Process && s.Respawn.IsZero() && !s.Spawning }

func (s State) leashed(t Timing) bool {
	return (s.Phase == Sick || s.Phase == Hung) && s.Process && t.Hang > 0
}

// transition is one step of Next while it is worked out.
type transition struct {
	State
	Timing
	now    time.Time
	random float64
	acts   []Act
}

func (n *transition) do(act Act) { n.acts = append(n.acts, act) }

func (n *transition) enter(phase Phase) {
	if n.Phase != phase {
		n.Phase, n.Since = phase, n.now
	}
	if phase == Up || phase == Sick || n.UpSince.IsZero() {
		return
	}
	if n.now.Sub(n.UpSince) >= stableAfter {
		n.Deaths = 0
	}
	n.UpSince = time.Time{}
}

func (n *transition) began(in Began) {
	n.Phase, n.Since, n.Incident = Starting, n.now, in.Incident
	if n.Supervised && !in.Adopted {
		n.spawn()
		return
	}
	n.Process = in.Adopted
	n.Started = n.now
	n.probe(in.Adopted)
}

func (n *transition) ticked() {
	switch {
	case n.Phase == Stopping && n.Process && !n.now.Before(n.KillAt):
		n.KillAt = n.now.Add(killAgain)
		n.do(Act{Kind: Kill})
	case n.Phase == Down && n.Supervised && !n.Spawning && !n.Respawn.IsZero() && !n.now.Before(n.Respawn):
		n.spawn()
	case n.leashed(n.Timing) && n.now.Sub(n.FailingSince) >= n.Hang:
		n.giveUp()
	case n.probes() && !n.Probing && !n.now.Before(n.NextProbe):
		n.probe(n.Phase == Starting && n.Process)
	}
}

func (n *transition) probe(eager bool) {
	n.Probing = true
	n.do(Act{Kind: Ask, Eager: eager})
}

// spawn begins a start; the phase stays Down until it is known to have worked.
func (n *transition) spawn() {
	n.Spawning, n.Foreign, n.Respawn = true, false, time.Time{}
	n.Good, n.Bad, n.FailingSince = 0, 0, time.Time{}
	n.do(Act{Kind: Spawn})
}

func (n *transition) spawned() {
	n.Spawning, n.Process, n.Started = false, true, n.now
	if n.Phase == Stopping || n.Phase == Stopped { // a stop was asked for meanwhile
		n.terminate(n.StopGrace, n.then, "stopped by hand")
		return
	}
	n.enter(Starting)
	n.Since = n.now
	n.probe(true)
}

func (n *transition) spawnFailed(in SpawnFailed) {
	n.Spawning = false
	if n.Phase == Stopping || n.Phase == Stopped {
		n.enter(Stopped)
		return
	}
	n.died(fmt.Sprintf("it could not be started: %v", in.Err))
}

// taken: somebody else serves the address. It is watched, and looked at again
// when it stops answering.
func (n *transition) taken() {
	n.Spawning, n.Foreign = false, true
	if n.Phase == Stopping || n.Phase == Stopped {
		n.enter(Stopped)
		return
	}
	n.enter(Starting)
	n.probe(false)
}

func (n *transition) exited(in Exited) {
	n.Process = false
	n.forgetProbes()
	if n.Phase == Draining || n.Phase == Stopping && n.then != thenRespawn {
		n.endedAsAsked()
		return
	}
	n.died(in.Exit.String())
}

func (n *transition) endedAsAsked() {
	if n.then == thenStay {
		n.enter(Stopped)
		n.closeIncident()
		return
	}
	n.Deaths = 0
	n.enter(Starting)
	n.spawn()
}

// died answers a death that nobody asked for. Every death is told, not only the
// first of an incident: the ledger keeps the latest cause.
func (n *transition) died(cause string) {
	n.Incident = true
	n.enter(Down)
	delay := n.delay()
	n.Deaths++
	if delay == 0 {
		n.spawn() // first, for telling may take a while
	} else {
		n.Respawn = n.now.Add(delay)
	}
	n.do(Act{Kind: Open, Cause: cause})
}

// delay doubles with every death, up to longestDelay, of which up to a fifth is
// taken off at random so that backends that died together do not start together.
func (n *transition) delay() time.Duration {
	if n.Deaths == 0 {
		return 0
	}
	delay := longestDelay
	if shift := n.Deaths - 1; shift < 9 { // 100 ms << 9 is above 30 s
		delay = min(firstDelay<<shift, longestDelay)
	}
	return delay - time.Duration(n.random*float64(delay)/5)
}

func (n *transition) forgetProbes() {
	n.Good, n.Bad, n.FailingSince, n.again = 0, 0, time.Time{}, false
}

func (n *transition) startAsked() {
	switch n.Phase {
	case Stopped, Down:
		if n.Supervised && !n.Spawning {
			n.Deaths = 0
			n.enter(Starting)
			n.spawn()
		}
	case Stopping, Draining:
		n.then = thenRestart
	}
}

func (n *transition) endAsked(in EndAsked) {
	n.then = thenStay
	if in.Restart {
		n.then, n.Deaths = thenRestart, 0
	}
	switch {
	case n.Spawning: // Spawned or SpawnFailed will see the phase
		if !in.Restart {
			n.enter(Stopping)
		}
	case n.Process && (n.Phase == Stopping || n.Phase == Draining): // on its way already
	case n.Process:
		n.enter(Draining)
		n.forgetProbes()
		n.do(Act{Kind: Drain})
	case in.Restart:
		n.enter(Starting)
		n.spawn()
	default:
		n.enter(Stopped)
		n.Respawn = time.Time{}
		n.closeIncident()
	}
}

func (n *transition) drained() {
	if n.Phase == Draining && n.Process {
		why := "stopped by hand"
		if n.then == thenRestart {
			why = "restarted by hand"
		}
		n.terminate(n.StopGrace, n.then, why)
	}
}

func (n *transition) terminate(grace time.Duration, then afterwards, why string) {
	n.enter(Stopping)
	n.then, n.KillAt = then, n.now.Add(grace)
	n.do(Act{Kind: Terminate, Cause: why})
}

func (n *transition) closeIncident() {
	if n.Incident {
		n.Incident = false
		n.do(Act{Kind: Close})
	}
}
