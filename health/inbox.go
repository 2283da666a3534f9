package health

import (
	"maps"
	"slices"
	"sync"
)

// inboxKept bounds the incidents that wait to be taken in, while the disk hangs.
const inboxKept = ledgerLimit

// inbox takes events without waiting. Of each incident it keeps the first and the
// latest event: what lies between changes nothing about what admins are told.
type inbox struct {
	wake chan struct{} // one waiting wake-up is enough

	mu        sync.Mutex       // guards all below
	incidents []incidentEvents // in the order of their first events
	channels  map[string]alarm
}

type incidentEvents struct {
	first  Event
	latest *Event // nil: there was one only
}

func newInbox() *inbox {
	return &inbox{wake: make(chan struct{}, 1), channels: map[string]alarm{}}
}

func (b *inbox) event(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.nudge()
	for at := range b.incidents {
		if kept := &b.incidents[at]; kept.first.Incident.ID == e.Incident.ID {
			kept.latest = &e
			return
		}
	}
	b.incidents = append(b.incidents, incidentEvents{first: e})
	if extra := len(b.incidents) - inboxKept; extra > 0 {
		b.incidents = slices.Delete(b.incidents, 0, extra) // the ledger has them
	}
}

func (b *inbox) channel(name string, a alarm) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.channels[name] = a
	b.nudge()
}

func (b *inbox) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take empties the inbox.
func (b *inbox) take() (events []Event, channels []alarm) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, kept := range b.incidents {
		events = append(events, kept.first)
		if kept.latest != nil {
			events = append(events, *kept.latest)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.channels)) {
		channels = append(channels, b.channels[name])
	}
	b.incidents, b.channels = nil, map[string]alarm{}
	return events, channels
}
