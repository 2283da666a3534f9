package health

import "time"

// Status is a snapshot of one backend for people and for JSON.
type Status struct {
	Backend   string       `json:"backend"`
	State     string       `json:"state"` // a word of Phase
	Since     time.Time    `json:"since"`
	Reason    string       `json:"reason,omitempty"` // why it is not up
	URL       string       `json:"url"`
	Command   []string     `json:"command,omitempty"` // empty: watched, never started
	PID       int          `json:"pid,omitempty"`
	Started   time.Time    `json:"started,omitzero"`    // of the process, or when it was adopted
	Adopted   bool         `json:"adopted,omitempty"`   // an earlier gateway had started it
	ServedBy  string       `json:"served_by,omitempty"` // who serves the address when gateway did not start it
	Restarts  int          `json:"restarts"`            // starts after the first, since gateway runs
	LastExit  string       `json:"last_exit,omitempty"` // in words
	ExitedAt  time.Time    `json:"exited_at,omitzero"`
	LastProbe *ProbeStatus `json:"last_probe,omitempty"`
	NextStart time.Time    `json:"next_start,omitzero"` // when it is started again
	Log       string       `json:"log,omitempty"`
	Incident  *Incident    `json:"incident,omitempty"` // the one that lasts
}

// ProbeStatus is the latest probe.
type ProbeStatus struct {
	At    time.Time `json:"at"`
	Good  bool      `json:"good"`
	Error string    `json:"error,omitempty"`
	Took  string    `json:"took"` // such as "1.2ms"
}

// EventKind is what an Event tells.
type EventKind int

// The events of an incident, in their order.
const (
	Opened    EventKind = iota // it began
	Worsened                   // another death, or it came back less than a minute after it was over
	Recovered                  // the backend answers again
	Ended                      // the backend was stopped by hand
)

// Event is something that admins may want to be told.
type Event struct {
	Kind     EventKind
	Backend  string
	Incident Incident // as it is after the event
	Output   []byte   // the last lines that the backend printed
	Exit     *Exit    // how its process ended last; nil: it has not since gateway runs
	Status   Status   // how it is
}
