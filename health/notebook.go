package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"
)

// storiesKept bounds the notebook. A story that is over is kept for a while, so
// that its incident is not told again.
const storiesKept = 300

// notebook is what admins were told, kept in a file, so that a restart of gateway
// tells nothing twice under another Message-ID and forgets nothing. It is a value
// of the Notifier's goroutine.
type notebook struct {
	Since   time.Time            `json:"since"`   // incidents that closed before are nobody's news
	Stories []story              `json:"stories"` // oldest first
	Alarms  map[string]toldAlarm `json:"alarms"`  // by alarm.id
}

// toldAlarm is an alarm that was told and is not over.
type toldAlarm struct {
	Root  string    `json:"root"` // Message-ID of the first notice
	Level int       `json:"level"`
	Since time.Time `json:"since"`
	Over  string    `json:"over"` // subject for its end
	Kind  string    `json:"kind"`
	Only  []string  `json:"only,omitempty"`
}

// openNotebook reads the file. A missing one begins now. One that cannot be read
// as a notebook is set aside under the name path.bad.
func openNotebook(path string, now time.Time) (notebook, error) {
	fresh := notebook{Since: now, Alarms: map[string]toldAlarm{}}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return fresh, fmt.Errorf("what admins were told: %w", err)
	}
	read := fresh
	if err := json.Unmarshal(content, &read); err != nil {
		return fresh, errors.Join(fmt.Errorf("what admins were told cannot be read and is set aside as %s.bad: %w", path, err), os.Rename(path, path+".bad"))
	}
	if read.Alarms == nil {
		read.Alarms = map[string]toldAlarm{}
	}
	return read, nil
}

func (b notebook) save(path string) error {
	content, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return err
	}
	return writeFile(path, append(content, '\n'))
}

// forget drops the oldest stories that are over when there are too many.
func (b *notebook) forget() {
	extra := len(b.Stories) - storiesKept
	b.Stories = slices.DeleteFunc(b.Stories, func(s story) bool {
		drop := extra > 0 && s.over()
		if drop {
			extra--
		}
		return drop
	})
}

// tellWithin is how old the news of a closed incident may be that an earlier
// gateway did not come to tell.
const tellWithin = 24 * time.Hour

// catchUp takes in what the ledger knows and the notebook does not: incidents that
// an earlier gateway had no time to tell, or whose end it did not. Incidents come
// oldest first.
func (b *notebook) catchUp(incidents []Incident, now time.Time) {
	// An incident that the ledger lost will never be told to be over.
	b.Stories = slices.DeleteFunc(b.Stories, func(s story) bool {
		return s.Incident.Open() && !slices.ContainsFunc(incidents, func(i Incident) bool { return i.ID == s.Incident.ID })
	})
	known := map[string]Incident{}
	for _, s := range b.Stories {
		known[s.Incident.ID] = s.Incident
	}
	for _, i := range incidents {
		told, heard := known[i.ID]
		recent := i.Open() || i.Closed.After(b.Since) && now.Sub(i.Closed) < tellWithin
		if heard && told.Open() != i.Open() || !heard && recent {
			b.Stories = follow(b.Stories, i, false)
		}
	}
	// Whether a channel works is found out anew by every outbox.
	maps.DeleteFunc(b.Alarms, func(_ string, a toldAlarm) bool { return a.Kind == kindChannel })
}
