package health

// Input is something that happened to a backend.
type Input interface{ input() }

type (
	// Began is the first input. Adopted: a process of an earlier gateway lives.
	// Incident: one is open since then.
	Began struct{ Adopted, Incident bool }
	// Ticked: State.Wake has come.
	Ticked struct{}
	// Spawned: the process runs.
	Spawned struct{}
	// SpawnFailed: it could not be started.
	SpawnFailed struct{ Err error }
	// Taken: somebody else serves the address, so nothing was started.
	Taken struct{}
	// Dying: the process ended; what it left running is being ended as well.
	Dying struct{}
	// Exited: the process, and all that it started, is gone.
	Exited struct{ Exit Exit }
	// Probed: a probe ended.
	Probed struct{ Result Result }
	// Nudged: a client's request found the connection refused.
	Nudged struct{}
	// StartAsked, by hand.
	StartAsked struct{}
	// EndAsked: stop or restart, by hand; or gateway itself stops.
	EndAsked struct{ Restart, Leaving bool }
	// Drained: requests under way are done, or will not be waited for any longer.
	Drained struct{}
)

func (Began) input()       {}
func (Ticked) input()      {}
func (Spawned) input()     {}
func (SpawnFailed) input() {}
func (Taken) input()       {}
func (Dying) input()       {}
func (Exited) input()      {}
func (Probed) input()      {}
func (Nudged) input()      {}
func (StartAsked) input()  {}
func (EndAsked) input()    {}
func (Drained) input()     {}

// ActKind is what is to be done.
type ActKind int

// The acts. Spawn and Ask answer later with an input of their own.
const (
	Spawn     ActKind = iota // look who serves the address, and start the process
	Ask                      // probe
	Drain                    // let requests under way finish
	Terminate                // send the stop signal to the process and all that it started
	Kill                     // send KILL to them
	Open                     // an incident begins, or goes on with another death
	Close                    // it is over
)

// Act is one thing that is to be done.
type Act struct {
	Kind  ActKind
	Eager bool   // Ask: wait for the address to accept connections first
	Cause string // Open, Terminate: why, in words
}
