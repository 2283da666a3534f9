package health

import (
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
	thenLeave                     // gateway itself stops
)

// why is what the end is told with.
func (a afterwards) why() string {
	switch a {
	case thenRestart:
		return "restarted by hand"
	case thenLeave:
		return "gateway is stopping"
	}
	return "stopped by hand"
}

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
	case Dying:
		n.dying()
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
	add(s.Respawn, s.Phase == Down && t.Supervised && !s.Spawning && !s.Respawn.IsZero())
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
