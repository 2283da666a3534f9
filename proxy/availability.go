package proxy

import "time"

// Availability is what is known of a backend at one moment, by whoever keeps it
// alive. It never changes: Changed is closed when there is a newer one.
type Availability struct {
	Up      bool      // requests may be sent
	Coming  bool      // not Up: a start or restart is under way, so that waiting is of use
	Watched bool      // not Up: nobody here starts it; it may come back at any moment, or never
	Next    time.Time // Coming: it can't be back before this; zero: it may be back at any moment
	Reason  string    // not Up: why, to follow the backend's name in a sentence: "it is starting"
	Changed <-chan struct{}
}

// presumedUp is the Availability of a backend that nobody looks after. Only the
// requests themselves find out whether it answers.
func presumedUp() Availability { return Availability{Up: true} }

// awayError is the end of a request's wait for its backend.
type awayError struct {
	reason     string
	retryAfter time.Duration
	cause      error // what the last try came to; nil if there was none
}

func (e *awayError) Error() string {
	if e.cause == nil {
		return e.reason
	}
	return e.reason + ": " + e.cause.Error()
}

func (e *awayError) Unwrap() error { return e.cause }

// retryAfterUnknown is what clients are told when nobody knows when the backend
// will be back.
const retryAfterUnknown = 5 * time.Second

// awayUntil says why a request does not wait any longer, and when to try again.
func awayUntil(next, now time.Time, reason string) *awayError {
	return &awayError{reason: reason, retryAfter: max(time.Second, next.Sub(now))}
}

func away(reason string) *awayError {
	return &awayError{reason: reason, retryAfter: retryAfterUnknown}
}
