package mail

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Item is a queued notice as an admin sees it.
type Item struct {
	ID       string       `json:"id"`
	Incident string       `json:"incident,omitempty"`
	Kind     string       `json:"kind,omitempty"`
	Subject  string       `json:"subject"`
	Raised   time.Time    `json:"raised"`
	Dead     bool         `json:"dead"`    // given up; kept for the admin to read
	Stored   bool         `json:"stored"`  // false: in memory only, because the disk takes nothing
	Dropped  int          `json:"dropped"` // notices that had to go for this one
	Targets  []ItemTarget `json:"targets"`
}

// ItemTarget is where a queued notice stands with one receiver.
type ItemTarget struct {
	Channel string    `json:"channel"`
	Target  string    `json:"target,omitempty"`
	State   string    `json:"state"` // "waiting", "delivered" or "refused"
	Tries   int       `json:"tries,omitempty"`
	Next    time.Time `json:"next,omitzero"`
	Error   string    `json:"error,omitempty"` // of the last try
}

func (l *letter) item() Item {
	item := Item{
		ID: l.id, Incident: l.notice.Incident, Kind: l.notice.Kind, Subject: l.notice.Subject,
		Raised: l.raised, Stored: l.stored, Dropped: l.dropped.count,
	}
	for _, r := range l.done {
		state := "delivered"
		if r.refused != "" {
			state = "refused"
		}
		item.Targets = append(item.Targets, ItemTarget{Channel: r.channel, Target: r.target, State: state, Error: r.refused})
	}
	for _, e := range l.errands {
		for _, target := range e.pending {
			item.Targets = append(item.Targets, ItemTarget{e.channel, target, "waiting", e.tries, e.next, e.last})
		}
	}
	return item
}

// Queue lists what waits, oldest first.
func (o *Outbox) Queue() []Item {
	o.mu.Lock()
	defer o.mu.Unlock()
	var items []Item
	for _, l := range o.letters {
		if !l.gone {
			items = append(items, o.itemOf(l))
		}
	}
	slices.SortFunc(items, func(a, b Item) int { return strings.Compare(a.ID, b.ID) })
	return items
}

// itemOf shows for each target when it is really tried: not while its channel pauses.
func (o *Outbox) itemOf(l *letter) Item {
	item := l.item()
	for i, target := range item.Targets {
		if lane := o.lanes[target.Channel]; lane != nil && target.State == "waiting" && lane.paused.After(target.Next) {
			item.Targets[i].Next = lane.paused
		}
	}
	return item
}

// Dead lists the dead letters, oldest first. Files that cannot be read are in the error.
func (o *Outbox) Dead() ([]Item, error) { return readItems(o.spool, deadFolder) }

// ReadQueue lists the letters of an outbox's folder and its dead letters, without
// the process that delivers them.
func ReadQueue(dir string) (queue, dead []Item, err error) {
	queue, err = readItems(spool{dir}, queueFolder)
	dead, err2 := readItems(spool{dir}, deadFolder)
	return queue, dead, errors.Join(err, err2)
}

func readItems(s spool, folder string) ([]Item, error) {
	ids, err := s.list(folder)
	var items []Item
	for _, id := range ids {
		l, err2 := s.read(folder, id)
		switch {
		case err2 == nil:
			item := l.item()
			item.Dead = folder == deadFolder
			items = append(items, item)
		case !errors.Is(err2, fs.ErrNotExist): // it may have been delivered just now
			err = errors.Join(err, err2)
		}
	}
	return items, err
}

// Flush has everything tried now, and returns how many notices that is.
func (o *Outbox) Flush() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	waiting := 0
	for _, l := range o.letters {
		if l.gone {
			continue
		}
		waiting++
		for i := range l.errands {
			l.errands[i].next = l.raised
		}
	}
	for _, lane := range o.lanes {
		lane.paused = time.Time{}
		lane.nudge()
	}
	return waiting
}

// ErrUnknownNotice means that no queued notice has this identifier.
var ErrUnknownNotice = errors.New("there is no such notice in the queue")

// ErrBusy means that the notice is being delivered just now.
var ErrBusy = errors.New("the notice is being delivered just now")

// Drop removes one notice, queued or dead, for good.
func (o *Outbox) Drop(id string) error {
	if id != strings.Trim(id, ".") || strings.ContainsAny(id, "/\\\x00") {
		return fmt.Errorf("%q: %w", id, ErrUnknownNotice)
	}
	o.mu.Lock()
	l := o.letters[id]
	switch {
	case l != nil && l.busy():
		o.mu.Unlock()
		return fmt.Errorf("%s: %w: try again in a minute", id, ErrBusy)
	case l != nil:
		l.gone = true
	}
	o.mu.Unlock()
	if l == nil {
		return o.dropFile(id)
	}
	o.disk.Lock() // a worker may be writing its progress
	defer o.disk.Unlock()
	o.discard(l)
	return nil
}

func (o *Outbox) dropFile(id string) error {
	for _, folder := range []string{deadFolder, queueFolder} {
		ids, err := o.spool.list(folder)
		if err != nil {
			return err
		}
		if slices.Contains(ids, id) {
			return o.spool.remove(folder, id)
		}
	}
	return fmt.Errorf("%s: %w", id, ErrUnknownNotice)
}

// ChannelStatus is how a channel does.
type ChannelStatus struct {
	Name         string    `json:"name"`
	Fallback     bool      `json:"fallback"`
	Waiting      int       `json:"waiting"` // notices
	LastSuccess  time.Time `json:"last_success,omitzero"`
	FailingSince time.Time `json:"failing_since,omitzero"` // zero: it works
	NextTry      time.Time `json:"next_try,omitzero"`
	Error        string    `json:"error,omitempty"`  // of the last exchange, while it fails
	Advice       []string  `json:"advice,omitempty"` // what to do about it
}

// Status tells how the channels do, sorted by name.
func (o *Outbox) Status() []ChannelStatus {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []ChannelStatus
	for name, lane := range o.lanes {
		s := ChannelStatus{
			Name: name, Fallback: lane.channel.Fallback(), LastSuccess: lane.lastGood,
			FailingSince: lane.failingFrom, NextTry: lane.paused,
		}
		if !lane.failingFrom.IsZero() {
			s.Error, s.Advice = lane.lastErr.Error(), Explain(lane.lastErr)
		}
		for _, l := range o.letters {
			if !l.gone && l.errandOf(name) != nil {
				s.Waiting++
			}
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b ChannelStatus) int { return strings.Compare(a.Name, b.Name) })
	return all
}
