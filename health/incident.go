package health

import (
	"fmt"
	"strings"
	"time"
)

// Incident is one time that a backend was not well. Its times are in the local
// zone.
type Incident struct {
	ID       string    `json:"id"` // never given again
	Backend  string    `json:"backend"`
	Opened   time.Time `json:"opened"`
	Closed   time.Time `json:"closed,omitzero"` // zero: it lasts
	Cause    string    `json:"cause"`           // what opened it, in words
	Latest   string    `json:"latest,omitempty"`
	Deaths   int       `json:"deaths"`   // how often the process ended or could not be started
	Restarts int       `json:"restarts"` // how often it was started again
	Held     int64     `json:"held"`     // requests that waited for the backend
	Failed   int64     `json:"failed"`   // requests that failed
}

// Open tells whether the incident lasts.
func (i Incident) Open() bool { return i.Closed.IsZero() }

// Duration is how long it lasted, or has lasted until now. Within one life of
// gateway it is measured by the monotonic clock, so that a clock that is set
// meanwhile does not change it.
func (i Incident) Duration(now time.Time) time.Duration {
	if i.Open() {
		return now.Sub(i.Opened)
	}
	return i.Closed.Sub(i.Opened)
}

func newIncidentID(backend string, now time.Time) string {
	return fmt.Sprintf("%s-%s", now.UTC().Format("20060102T150405.000000"), backend)
}

// bounded keeps both ends of a text.
func bounded(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= causeLimit {
		return text
	}
	half := causeLimit / 2
	return strings.ToValidUTF8(text[:half], "") + " ... " + strings.ToValidUTF8(text[len(text)-half:], "")
}
