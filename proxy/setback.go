package proxy

import "time"

// The pause after a refused connection. It ends early when there is news of the
// backend.
const (
	firstPause   = 25 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// setback is what the requests themselves have found out about an outage.
type setback struct {
	since    time.Time // when it was first met; zero: there is none
	refusals int       // pauses so far
	until    time.Time // of the pause
	news     <-chan struct{}
}

// met notes that the backend was found away.
func (s *setback) met(now time.Time) {
	if s.since.IsZero() {
		s.since = now
	}
}

// refused notes a connection that was not to be had, and begins a pause unless
// there is one already: many requests may be refused at the same moment.
func (s *setback) refused(now time.Time, news <-chan struct{}) {
	s.met(now)
	if now.Before(s.until) && s.news == news {
		return
	}
	s.until = now.Add(min(firstPause<<min(s.refusals, 10), longestPause))
	s.refusals++
	s.news = news
}

// pause is how long to wait before the next try. news tells one Availability
// from the next.
func (s *setback) pause(now time.Time, news <-chan struct{}) time.Duration {
	if s.news != news {
		return 0
	}
	return max(0, s.until.Sub(now))
}

// outlasts reports whether the outage has lasted for d, and nothing was heard of
// the backend since the latest refusal.
func (s *setback) outlasts(d time.Duration, now time.Time, news <-chan struct{}) bool {
	return !s.since.IsZero() && s.news == news && now.Sub(s.since) >= d
}
