package health

import "time"

func (n *transition) startAsked() {
	switch n.Phase {
	case Stopped, Down:
		n.Deaths = 0
		if n.Supervised && !n.Spawning && !n.Process {
			n.enter(Starting)
			n.spawn()
		}
	case Stopping, Draining:
		n.then = thenRestart
	}
}

func (n *transition) endAsked(in EndAsked) {
	switch {
	case in.Restart:
		n.then, n.Deaths = thenRestart, 0
	case in.Leaving:
		n.then = thenLeave
	default:
		n.then = thenStay
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
		n.terminate(n.StopGrace, n.then, n.then.why())
	}
}
