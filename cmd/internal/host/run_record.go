package host

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The states of a run.
const (
	StateAtWork      = "at work"     // a process is doing it, or taking it back
	StateUnfinished  = "unfinished"  // it was interrupted: the next command takes it back
	StateUnconfirmed = "unconfirmed" // it is taken back unless it is confirmed in time
	StateApplied     = "applied"
	StatePartly      = "partly undone" // acts of some steps were taken back
	StateUndone      = "undone"
)

// Run is one run of `gateway setup apply`, as the journal tells of it.
type Run struct {
	Number  int       `json:"run"`
	State   string    `json:"state"`
	Begun   time.Time `json:"begun"`
	By      string    `json:"by,omitempty"`
	Steps   []string  `json:"steps"`
	Changes []string  `json:"changes"`          // those that were not taken back
	Until   time.Time `json:"until,omitzero"`   // of StateUnconfirmed: when it is taken back
	Settled time.Time `json:"undone,omitzero"`  // when acts were last taken back
	Reason  string    `json:"reason,omitempty"` // why they were
}

// loadedRun is a run with all that its journal holds.
type loadedRun struct {
	Run
	acts    []loadedAct
	applied time.Time
	armed   bool    // the dead man's switch may be
	undoing *record // acts are being taken back
	path    string  // of the journal
	size    int64   // of its whole records
}

type loadedAct struct {
	intent
	done   time.Time // of its folder, when the act was done; zero: not done, or not told
	undone bool
	gave   string // what could not be taken back
}

var errOrder = errors.New("tells of something that cannot come there")

// replay makes a run of its records.
func replay(records []record) (loadedRun, error) {
	var l loadedRun
	for i, r := range records {
		if (i == 0) != (r.Kind == recordBegin) || !l.take(r) {
			return loadedRun{}, fmt.Errorf("line %d: %w", i+1, errOrder)
		}
	}
	if len(records) == 0 {
		return loadedRun{}, errors.New("holds no record")
	}
	l.settleState()
	return l, nil
}

// settleState brings what is told of a run up to what is known of its acts.
func (l *loadedRun) settleState() {
	l.State = l.state()
	if l.State != StateUnconfirmed {
		l.Until = time.Time{}
	}
	l.Changes = []string{}
	for _, a := range l.acts {
		if !a.undone && !slices.Contains(l.Changes, a.Change) {
			l.Changes = append(l.Changes, a.Change)
		}
	}
}

// take adds one record and tells whether it may come where it does.
func (l *loadedRun) take(r record) bool {
	switch r.Kind {
	case recordBegin:
		l.Begun, l.By, l.Steps, l.Until, l.armed = r.Time, r.By, r.Steps, r.Until, !r.Until.IsZero()
	case recordIntent:
		return l.takeIntent(r.Intent)
	case recordDone, recordUndone:
		return l.takeMark(r)
	case recordApplied:
		l.applied, l.Until = r.Time, r.Until
		for number, seen := range r.Looks {
			if number < 1 || number > len(l.acts) {
				return false
			}
			l.acts[number-1].After = &seen
		}
	case recordConfirmed:
		l.Until = time.Time{}
	case recordUndoing:
		l.undoing, l.Reason = &r, r.Reason
	case recordSettled:
		l.undoing, l.Settled = nil, r.Time
	default:
		return false
	}
	return true
}

func (l *loadedRun) takeIntent(i *intent) bool {
	if i == nil || i.Act != len(l.acts)+1 || !l.applied.IsZero() || (i.Path == "") != (i.Before == nil) || (i.Before == nil) != (i.After == nil) {
		return false
	}
	l.acts = append(l.acts, loadedAct{intent: *i})
	return true
}

func (l *loadedRun) takeMark(r record) bool {
	if r.Act < 1 || r.Act > len(l.acts) {
		return false
	}
	act := &l.acts[r.Act-1]
	if r.Kind == recordUndone {
		act.undone, act.gave = true, r.Gave
	} else {
		act.done = r.Folder
	}
	return true
}

func (l *loadedRun) state() string {
	left := 0
	for _, a := range l.acts {
		if !a.undone {
			left++
		}
	}
	switch {
	case l.undoing != nil || l.applied.IsZero() && l.Settled.IsZero():
		return StateUnfinished
	case left == 0 || l.applied.IsZero():
		return StateUndone
	case !l.Until.IsZero():
		return StateUnconfirmed
	case left < len(l.acts):
		return StatePartly
	}
	return StateApplied
}

// remaining are the acts of some steps, or of all if none is named, that were
// not taken back, the last one first.
func (l *loadedRun) remaining(steps []string) []loadedAct {
	var acts []loadedAct
	for _, a := range slices.Backward(l.acts) {
		if !a.undone && (len(steps) == 0 || slices.Contains(steps, a.Step)) {
			acts = append(acts, a)
		}
	}
	return acts
}
