package health

import (
	"fmt"
	"time"
)

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
		n.terminate(n.StopGrace, n.then, n.then.why())
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

// dying stops sending and probing at once: until Exited tells how it ended, a
// refused connection would be taken for a trouble of its own.
func (n *transition) dying() {
	n.forgetProbes()
	if n.Phase != Draining && n.Phase != Stopping {
		n.enter(Down)
	}
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
	if n.then == thenStay || n.then == thenLeave {
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
