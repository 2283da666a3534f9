package proxy

import (
	"sync"
	"time"
)

// rarely keeps events that clients can cause at will from flooding the log: one
// line a minute, which counts those in between.
type rarely struct {
	mu    sync.Mutex
	next  time.Time
	count int
}

const rarelyEvery = time.Minute

// due counts an event. When a line is due it returns the number of events since
// the last one.
func (r *rarely) due(now time.Time) (count int, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if now.Before(r.next) {
		return 0, false
	}
	count, r.count, r.next = r.count, 0, now.Add(rarelyEvery)
	return count, true
}
