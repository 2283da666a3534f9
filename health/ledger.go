package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// ledgerLimit and causeLimit bound the file to some 300 KB.
	ledgerLimit = 200
	causeLimit  = 600
	// ledgerPause is the shortest time between two writes of the file, so that
	// a crash loop or a storm of failing requests does not wear out the disk.
	ledgerPause = time.Second
)

// Ledger keeps the incidents of all backends: the latest ledgerLimit of them,
// in memory, and in one file that Run replaces as a whole. Its methods are safe
// for concurrent use and never wait for the disk.
type Ledger struct {
	path string
	log  *slog.Logger
	wake chan struct{}

	writing   sync.Mutex // held while the file is replaced; before mu
	mu        sync.Mutex
	incidents []Incident // guarded by mu; oldest first
	dirty     bool       // guarded by mu; the file does not have it all
}

// OpenLedger reads the ledger. A missing file is an empty ledger. A file that
// cannot be read as one is set aside under the name path.bad, and told, since
// supervising must go on.
func OpenLedger(path string, log *slog.Logger) (*Ledger, error) {
	l := &Ledger{path: path, log: log, wake: make(chan struct{}, 1)}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the ledger of incidents: %w", err)
	}
	if err := json.Unmarshal(text, &l.incidents); err != nil {
		l.incidents = nil
		log.Error("the ledger of incidents is not readable; it is set aside and a new one begun", "file", path, "aside", path+".bad", "error", err)
		if err := os.Rename(path, path+".bad"); err != nil {
			return nil, fmt.Errorf("setting the unreadable ledger aside: %w", err)
		}
	}
	for i := range l.incidents { // a zone that was changed since: show today's
		l.incidents[i].Opened = l.incidents[i].Opened.Local()
		if !l.incidents[i].Open() {
			l.incidents[i].Closed = l.incidents[i].Closed.Local()
		}
	}
	return l, nil
}

// opened begins an incident of the backend, or adds to the one that lasts. One
// that closed less than a stable minute ago is opened again: a backend that
// comes up and falls down in turn has one trouble, not many.
func (l *Ledger) opened(backend, cause string, death bool, now time.Time) Incident {
	cause = bounded(cause)
	return l.change(backend, func(last *Incident) {
		fresh := last == nil || !last.Open() && now.Sub(last.Closed) > stableAfter
		if fresh {
			l.incidents = append(l.incidents, Incident{
				ID: newIncidentID(backend, now), Backend: backend, Opened: now, Cause: cause,
			})
			l.trim()
			last = &l.incidents[len(l.incidents)-1]
		} else {
			last.Closed, last.Latest = time.Time{}, cause
		}
		if death {
			last.Deaths++
		}
	})
}

func (l *Ledger) restarted(backend string) {
	l.change(backend, func(last *Incident) {
		if last != nil && last.Open() {
			last.Restarts++
		}
	})
}

func (l *Ledger) closed(backend string, now time.Time) Incident {
	return l.change(backend, func(last *Incident) {
		if last != nil && last.Open() {
			last.Closed = now
		}
	})
}

// Count adds requests that were held, and that failed, to the backend's latest
// incident if it lasts or has just ended.
func (l *Ledger) Count(backend string, held, failed int64) {
	l.change(backend, func(last *Incident) {
		if last != nil && (last.Open() || time.Since(last.Closed) < stableAfter) {
			last.Held += held
			last.Failed += failed
		}
	})
}

// change lets f work on the backend's latest incident, nil if there is none,
// and returns what it is then.
func (l *Ledger) change(backend string, f func(*Incident)) Incident {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.latest(backend))
	l.dirty = true
	select {
	case l.wake <- struct{}{}:
	default: // Run is told already
	}
	if last := l.latest(backend); last != nil {
		return *last
	}
	return Incident{}
}

func (l *Ledger) latest(backend string) *Incident {
	for i := len(l.incidents) - 1; i >= 0; i-- {
		if l.incidents[i].Backend == backend {
			return &l.incidents[i]
		}
	}
	return nil
}

func (l *Ledger) trim() {
	if extra := len(l.incidents) - ledgerLimit; extra > 0 {
		l.incidents = slices.Delete(l.incidents, 0, extra)
	}
}

// Current returns the incident of the backend that lasts, if one does.
func (l *Ledger) Current(backend string) (Incident, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := l.latest(backend); last != nil && last.Open() {
		return *last, true
	}
	return Incident{}, false
}

// History returns the latest n incidents, the newest first; 0: all.
func (l *Ledger) History(n int) []Incident {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := append([]Incident{}, l.incidents...) // not nil: it is an empty list in JSON
	slices.Reverse(list)
	if n > 0 && n < len(list) {
		list = list[:n]
	}
	return list
}

// Run writes the file soon after every change until ctx ends, and once more
// then. A disk that is full is told once, and tried again.
func (l *Ledger) Run(ctx context.Context) error {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return l.write()
		case <-l.wake:
		}
		err := l.write()
		if err != nil && !failing {
			l.log.Error("the ledger of incidents cannot be written; it is kept in memory and tried again", "file", l.path, "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return l.write()
		case <-time.After(ledgerPause):
		}
		if failing {
			l.again()
		}
	}
}

func (l *Ledger) again() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// find returns the incident of this identifier.
func (l *Ledger) find(id string) (Incident, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.incidents, func(i Incident) bool { return i.ID == id })
	if i < 0 {
		return Incident{}, false
	}
	return l.incidents[i], true
}

// Flush writes what the file does not have yet, and returns when it is there.
func (l *Ledger) Flush() error { return l.write() }

func (l *Ledger) write() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	if !l.dirty {
		l.mu.Unlock()
		return nil
	}
	text, err := json.MarshalIndent(l.incidents, "", " ")
	l.dirty = false
	l.mu.Unlock()
	if err == nil {
		err = writeFile(l.path, append(text, '\n'))
	}
	if err != nil {
		l.mu.Lock()
		l.dirty = true
		l.mu.Unlock()
		return fmt.Errorf("writing the ledger of incidents: %w", err)
	}
	return nil
}
