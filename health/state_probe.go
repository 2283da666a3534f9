package health

import (
	"fmt"
	"time"
)

// probed judges one probe. A result that arrives after its phase has passed
// (the process ended meanwhile) is dropped.
func (n *transition) probed(r Result) {
	n.Probing = false
	if !n.probes() {
		return
	}
	if r.Err == nil {
		n.good()
	} else {
		n.bad(r)
	}
	if n.again && n.Bad == 0 {
		n.NextProbe = n.now
	}
	n.again = false
}

func (n *transition) good() {
	n.Bad, n.FailingSince = 0, time.Time{}
	n.Good++
	if n.Phase == Up {
		n.NextProbe = n.now.Add(n.Every)
		return
	}
	if n.Good < n.Rise {
		n.NextProbe = n.now.Add(n.Fast)
		return
	}
	if n.UpSince.IsZero() {
		n.UpSince = n.now
	}
	n.enter(Up)
	n.NextProbe = n.now.Add(n.Every)
	n.closeIncident()
}

func (n *transition) bad(r Result) {
	n.Good = 0
	n.Bad++
	if n.FailingSince.IsZero() {
		n.FailingSince = n.now.Add(-r.Took)
	}
	n.NextProbe = n.now.Add(n.pace(r))
	switch {
	case n.Phase == Starting && n.Process:
		if r.Away {
			n.NextProbe = n.now // an eager probe has paced itself
		}
		n.stillStarting(r)
	case n.Bad < n.Fall:
	case !n.Process:
		n.gone(r)
	default:
		n.failing(r)
	}
}

// pace asks a failing backend again soon, except one that has been answering
// wrongly or has been away for a while: that would only add to its trouble.
func (n *transition) pace(r Result) time.Duration {
	long := n.now.Sub(n.FailingSince) > n.StartGrace
	if n.Phase != Starting && (r.Answered && n.Bad >= n.Fall || long) {
		return max(n.Every, n.Fast)
	}
	return n.Fast
}

func (n *transition) stillStarting(r Result) {
	grace := n.Started.Add(n.StartGrace)
	if n.now.Before(grace) {
		return
	}
	n.FailingSince = grace
	n.NextProbe = n.now.Add(n.Fast)
	n.fail(r, fmt.Sprintf("it was not ready %v after its start: %v", n.StartGrace, r.Err))
}

// failing: the process lives, and its probes have failed often enough.
func (n *transition) failing(r Result) {
	n.fail(r, n.badProbes(r))
	if n.leashed(n.Timing) && n.now.Sub(n.FailingSince) >= n.Hang {
		n.giveUp()
	}
}

func (n *transition) fail(r Result, cause string) {
	phase := Hung
	if r.Answered {
		phase = Sick
	}
	n.enter(phase)
	n.open(cause)
}

func (n *transition) open(cause string) {
	if !n.Incident {
		n.Incident = true
		n.do(Act{Kind: Open, Cause: cause})
	}
}

// gone: nothing of ours lives there, and it stopped answering. A backend with
// a command is started now, which looks again at who holds the address.
func (n *transition) gone(r Result) {
	if n.Supervised {
		n.died(fmt.Sprintf("the process that gateway did not start, and watched, stopped answering: %v", r.Err))
		return
	}
	n.enter(Down)
	n.open(n.badProbes(r))
}

// badProbes are the ones that have decided, with the last one's error.
func (n *transition) badProbes(r Result) string {
	if n.Bad == 1 {
		return fmt.Sprintf("a probe failed: %v", r.Err)
	}
	return fmt.Sprintf("%d probes in a row failed: %v", n.Bad, r.Err)
}

// giveUp ends a process that has failed its probes for too long.
func (n *transition) giveUp() {
	grace, why := n.StopGrace, "it answered wrongly for too long"
	if n.Phase == Hung {
		grace, why = min(hungGrace, n.StopGrace), "it did not answer for too long"
	}
	n.forgetProbes()
	n.terminate(grace, thenRespawn, why)
}

// nudged: a client's request was refused, so do not wait for the next probe.
// Only the first bad one is brought forward: a storm of refused requests in the
// moment before the process's end is known is not several failures.
func (n *transition) nudged() {
	switch {
	case n.Phase == Starting || !n.probes() || n.Bad > 0:
	case n.Probing:
		n.again = true
	default:
		n.probe(false)
	}
}
