package proxy

import (
	"sync/atomic"
	"time"
)

// suspicionLasts is how long a dropped request makes a backend suspect. The
// supervisor hears of a death within a few milliseconds, on a starved machine
// within some tens. A backend that only drops requests delays others by as much.
const suspicionLasts = 100 * time.Millisecond

// suspicion is that a backend may be dying. Its zero value is none.
type suspicion struct {
	until atomic.Pointer[time.Time]
}

func (s *suspicion) raise(now time.Time) {
	until := now.Add(suspicionLasts)
	s.until.Store(&until)
}

// left is how long it still lasts, 0 or less for none.
func (s *suspicion) left(now time.Time) time.Duration {
	until := s.until.Load()
	if until == nil {
		return 0
	}
	return until.Sub(now)
}
