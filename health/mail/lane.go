package mail

import (
	"errors"
	"time"
)

// lane is a channel as the outbox sees it: whether it works, and when it may be
// tried again. While it does not work its letters wait for one that is tried.
type lane struct {
	channel     Channel
	wake        chan struct{} // one waiting wake-up is enough
	paused      time.Time     // not before this
	failures    int           // exchanges in a row
	failingFrom time.Time     // zero: it works
	told        bool          // its failing was told
	lastErr     error
	lastGood    time.Time
}

func newLane(channel Channel) *lane {
	return &lane{channel: channel, wake: make(chan struct{}, 1)}
}

func (l *lane) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// change is what an outcome means for whoever watches the channels.
type change int

const (
	noChange change = iota
	nowFails
	nowWorks
)

// record notes an outcome. It is a pure step: the time comes in. A channel that
// is only told to slow down works.
func (l *lane) record(o Outcome, now time.Time) change {
	if o.Err == nil {
		return l.worked(o, now)
	}
	l.failures++
	l.lastErr = o.Err
	pause := backoff(l.failures, KindOf(o.Err))
	if o.RetryAfter > 0 {
		pause = o.RetryAfter
	}
	l.paused = now.Add(pause)
	if errors.Is(o.Err, errRateLimit) {
		return noChange
	}
	if l.failingFrom.IsZero() {
		l.failingFrom = now
	}
	// One failure may be a restart of the server, unless it needs an admin anyway.
	if l.told || l.failures < 2 && KindOf(o.Err) == Temporary {
		return noChange
	}
	l.told = true
	return nowFails
}

func (l *lane) worked(o Outcome, now time.Time) change {
	l.failures, l.paused = 0, time.Time{}
	if o.Failed() == nil {
		l.lastGood = now
	}
	l.failingFrom = time.Time{}
	if !l.told {
		return noChange
	}
	l.told = false
	return nowWorks
}
