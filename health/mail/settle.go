package mail

import (
	"fmt"
	"time"
)

// settle records an outcome in the letter and in the channel, writes it down, and
// tells what changed.
func (o *Outbox) settle(name string, l *letter, outcome Outcome, now time.Time) {
	failure := outcome.Failed()
	if failure != nil {
		o.log.Warn("a notice was not delivered", "channel", name, "subject", l.notice.Subject, "error", failure)
	}
	what, since := o.record(name, l, outcome, now)
	o.keep(l)
	switch {
	case what == nowFails && o.opts.Failing != nil:
		o.opts.Failing(name, since, outcome.Err)
	case what == nowWorks && o.opts.Working != nil:
		o.opts.Working(name, now.Sub(since))
	}
}

func (o *Outbox) record(name string, l *letter, outcome Outcome, now time.Time) (what change, since time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l.record(name, outcome, now)
	l.errandFor(name).busy = false
	o.expire(name, l, now)
	o.fallBack(name, l, outcome)
	lane := o.lanes[name]
	if lane == nil {
		o.reconsider()
		return noChange, now
	}
	since = lane.failingFrom
	what = lane.record(outcome, now)
	if what == nowFails {
		since = lane.failingFrom
	}
	return what, since
}

// expire gives a letter up that is too old.
func (o *Outbox) expire(name string, l *letter, now time.Time) {
	if e := l.errandOf(name); e != nil && now.Sub(l.raised) >= o.opts.RetryFor {
		l.giveUp(name, fmt.Sprintf("given up after %v (tries: %d): %s", o.opts.RetryFor, e.tries, e.last))
	}
}

// fallBack brings in the channels that are for the time when another one fails:
// at once when trying again is no cure, else with the second failure, so that a
// greylisted mail does not come twice.
func (o *Outbox) fallBack(name string, l *letter, outcome Outcome) {
	if outcome.Failed() == nil || l.errandFor(name).tries < 2 && !outcome.lasting() {
		return
	}
	for _, lane := range o.lanes {
		if lane.channel.Fallback() && lane.channel.Name() != name {
			o.addErrand(l, lane.channel)
			lane.nudge()
		}
	}
}
