package certs

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"
)

// attempts is what is remembered of orders that brought no certificate, on disk
// as well, so that a gateway that is started again and again does not run into
// the limits of the CA.
type attempts struct {
	Begun    int       `json:"begun"`            // since the last success
	Since    time.Time `json:"since"`            // when the first of them began
	Next     time.Time `json:"next"`             // not before
	Cause    string    `json:"cause,omitempty"`  // why it failed; "": it was cut off
	Remedy   string    `json:"remedy,omitempty"` // for the admin
	Settings string    `json:"settings"`         // digest of the configuration that it was made with
}

// maxBackoff is the longest wait between two tries.
const maxBackoff = 6 * time.Hour

// backoff is how long to wait after so many tries in vain. Let's Encrypt allows
// five failed checks of a name an hour.
func backoff(tries int) time.Duration {
	waits := [...]time.Duration{0, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}
	if tries >= len(waits) {
		return maxBackoff
	}
	return waits[max(tries, 0)]
}

// wait is backoff for a certificate of that lifetime: a CA whose certificates live
// for hours expects to be asked more often. Zero: the lifetime is not known.
func wait(tries int, lifetime time.Duration) time.Duration {
	if lifetime <= 0 {
		return backoff(tries)
	}
	return min(backoff(tries), max(lifetime/30, time.Second))
}

// begin notes a try before it is made. A first one that is cut off, by a crash or
// a power failure, may be made again at once; of several not.
func (a attempts) begin(now time.Time, settings string) attempts {
	since := a.Since
	if a.Begun == 0 {
		since = now
	}
	return attempts{Begun: a.Begun + 1, Since: since, Next: now.Add(backoff(a.Begun)), Cause: a.Cause, Remedy: a.Remedy, Settings: settings}
}

// failed notes why a try failed. The CA may have named a time before which it
// takes no other.
func (a attempts) failed(problem Problem, named time.Time, lifetime time.Duration, now time.Time) attempts {
	a.Cause, a.Remedy = problem.Cause, problem.Remedy
	a.Next = now.Add(wait(a.Begun, lifetime))
	if named.After(a.Next) {
		a.Next = named
	}
	return a
}

// rightly is what holds once the clock was put back: no wait is longer than the
// longest that a CA is granted, so one that seems to be was noted in a future that
// did not come.
func (a attempts) rightly(now time.Time) attempts {
	if a.Next.Sub(now) > longestPause+maxBackoff {
		a.Next = now
	}
	if a.Since.After(now) {
		a.Since = now
	}
	return a
}

// readAttempts returns what is remembered; nothing if the file is not there, can't
// be read, or tells of another configuration: the admin may have put it right.
func readAttempts(path, settings string) attempts {
	var a attempts
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &a) != nil || a.Settings != settings {
		return attempts{}
	}
	return a
}

// save writes what is remembered, or removes the file when that is nothing.
func (a attempts) save(path string) error {
	if a == (attempts{}) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return writeFile(path, text, 0o600)
}
