package health

import "time"

// Availability is what the proxy asks on every request: may it be sent on, and
// if not, is waiting of use. It is a snapshot that never changes; Changed is
// closed when there is a newer one.
type Availability struct {
	Up      bool      // the backend answers; requests go on
	Coming  bool      // not Up: a start, a restart or a kill of the hung process is under way
	Next    time.Time // Coming: no start is tried before this; zero: one is under way
	Reason  string    // not Up: why, in words, for logs and status
	Changed <-chan struct{}
}

// availability is a pure view of the state. A sick backend is up: what it
// answers says more than a 503 of ours. When neither Up nor Coming, a request is
// best tried all the same: nothing else would find a backend that gateway only
// watches.
func (s State) availability(t Timing) Availability {
	switch s.Phase {
	case Up, Sick:
		return Availability{Up: true}
	case Starting:
		return Availability{Coming: true, Reason: "it is starting"}
	case Hung:
		return Availability{Coming: s.leashed(t), Reason: "it does not answer"}
	case Down:
		return Availability{Coming: t.Supervised, Next: s.Respawn, Reason: "it is down"}
	case Draining, Stopping:
		switch s.then {
		case thenStay:
			return Availability{Reason: "it is being stopped"}
		case thenLeave:
			return Availability{Reason: s.then.why()}
		}
		return Availability{Coming: true, Reason: "it is being restarted"}
	}
	if s.then == thenLeave {
		return Availability{Reason: s.then.why()}
	}
	return Availability{Reason: "it was stopped by hand"}
}

func (a Availability) same(b Availability) bool {
	return a.Up == b.Up && a.Coming == b.Coming && a.Reason == b.Reason && a.Next.Equal(b.Next)
}
