package mail

import (
	"slices"
	"time"
)

// letter is a notice on its way: what it says, and what is left to do about it.
type letter struct {
	id       string
	notice   Notice
	raised   time.Time
	errands  []errand
	done     []receiptLine // targets that need nothing more
	dropped  digest
	stored   bool // the folder has it; the notice's body is read from there
	gone     bool // delivered, buried or dropped; its file may still be there
	stuck    bool // its file could not be removed, and that was told
	unburied bool // its file could not be moved to the dead letters, and that was told
}

// errand is what one channel has yet to do for a letter.
type errand struct {
	channel string
	pending []string // targets
	tries   int
	next    time.Time // not before this
	last    string    // why the last try failed
	busy    bool      // a worker is at it
}

// receiptLine is a target that is done with.
type receiptLine struct {
	channel, target string
	refused         string // why it was given up; "" means delivered
}

// digest counts the notices that had to go for this one.
type digest struct {
	count       int
	first, last time.Time
}

// including returns d with the letter that goes, and with those that had gone for it.
func (d digest) including(gone *letter) digest {
	sum := digest{d.count + gone.dropped.count + 1, gone.raised, gone.raised}
	for _, other := range []digest{d, gone.dropped} {
		if other.count == 0 {
			continue
		}
		if other.first.Before(sum.first) {
			sum.first = other.first
		}
		if other.last.After(sum.last) {
			sum.last = other.last
		}
	}
	return sum
}

// errandOf returns the channel's errand, or nil when nothing is left for it.
func (l *letter) errandOf(channel string) *errand {
	for i := range l.errands {
		if l.errands[i].channel == channel && len(l.errands[i].pending) > 0 {
			return &l.errands[i]
		}
	}
	return nil
}

// knows reports whether the channel has or had anything to do with the letter.
func (l *letter) knows(channel string) bool {
	return slices.ContainsFunc(l.errands, func(e errand) bool { return e.channel == channel }) ||
		slices.ContainsFunc(l.done, func(r receiptLine) bool { return r.channel == channel })
}

// clone returns a copy that shares nothing that changes.
func (l *letter) clone() *letter {
	c := *l
	c.done = slices.Clone(l.done)
	c.errands = slices.Clone(l.errands)
	for i := range c.errands {
		c.errands[i].pending = slices.Clone(c.errands[i].pending)
	}
	return &c
}

func (l *letter) busy() bool {
	return slices.ContainsFunc(l.errands, func(e errand) bool { return e.busy })
}

// finished reports whether no channel has anything left to do.
func (l *letter) finished() bool {
	return !slices.ContainsFunc(l.errands, func(e errand) bool { return len(e.pending) > 0 })
}

// refused reports whether somebody did not get it.
func (l *letter) refused() bool {
	return slices.ContainsFunc(l.done, func(r receiptLine) bool { return r.refused != "" })
}

// record notes what became of a try. It is a pure step: the time comes in.
func (l *letter) record(channel string, o Outcome, now time.Time) {
	e := l.errandOf(channel)
	if e == nil {
		return
	}
	e.tries++
	kind := Temporary
	for _, receipt := range o.Receipts {
		if receipt.Err == nil {
			l.settle(e, receipt.Target, "")
			continue
		}
		e.last = oneLine(receipt.Err.Error())
		switch KindOf(receipt.Err) {
		case Permanent:
			l.settle(e, receipt.Target, e.last)
		case Setup:
			kind = Setup
		}
	}
	e.next = now
	if o.Err == nil {
		e.next = now.Add(backoff(e.tries, kind))
	}
}

// settle takes a target off the errand.
func (l *letter) settle(e *errand, target, refused string) {
	i := slices.Index(e.pending, target)
	if i < 0 {
		return
	}
	e.pending = slices.Delete(e.pending, i, i+1)
	l.done = append(l.done, receiptLine{e.channel, target, refused})
}

// giveUp settles all that is left for a channel.
func (l *letter) giveUp(channel, why string) {
	if e := l.errandOf(channel); e != nil {
		for _, target := range slices.Clone(e.pending) {
			l.settle(e, target, why)
		}
	}
}
