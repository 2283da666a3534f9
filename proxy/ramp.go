package proxy

import "time"

const (
	// sendPatience is how long one request may take from being let go to being
	// sent before the next one is let go all the same. Until then they go one by
	// one, so that they arrive in order, and no faster than the backend accepts
	// connections: one that has just booted has a short queue for them, and what
	// does not fit waits a second for TCP to try again.
	sendPatience = 20 * time.Millisecond
	// rampFirst requests may be unanswered at the beginning, and twice as many with
	// each rampStep. That is a thousand within 50 ms, yet a backend whose every
	// first request is slow does not get them all in its first moment.
	rampFirst = 32
	rampStep  = 10 * time.Millisecond
	rampSteps = 20
)

// ramp paces the requests that were waiting when their backend comes back.
type ramp struct {
	patience   time.Duration // sendPatience
	sending    int           // let go, and not known to be sent
	unanswered int           // let go, and not answered
	began      time.Time
	latest     time.Time
}

// pause is how long the next request must wait; 0: it may go.
func (r *ramp) pause(now time.Time) time.Duration {
	if r.sending > 0 {
		if rest := r.latest.Add(r.patience).Sub(now); rest > 0 {
			return rest
		}
	}
	steps := now.Sub(r.began) / rampStep
	if r.unanswered < rampFirst<<min(steps, rampSteps) {
		return 0
	}
	return r.began.Add((steps + 1) * rampStep).Sub(now)
}

func (r *ramp) letGo(now time.Time) {
	if r.unanswered == 0 {
		r.began = now
	}
	r.sending++
	r.unanswered++
	r.latest = now
}
