package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Engine plans what steps want changed, does it, and takes it back.
//
// The promises: a plan only reads; a run is done whole or taken back; what it
// takes to undo an act is on the disk before the act is done, so that a run that
// was killed is taken back by the next command; there is one run at a time; a
// host that is as it shall be is not touched, nor is the journal.
type Engine struct {
	Machine Machine
	State   string      // gateway's state folder on the machine; the journals are in setup below it
	Deadman Deadman     // nil: there is none on this machine
	By      string      // who asks, for the journal: "root (sudo of alice)"
	Tell    func(Event) // hears of each thing that is done; nil: nobody does

	now  func() time.Time
	open func(folder *os.Root, name string) (journalFile, error)
}

// NewEngine makes an engine for a machine and gateway's state folder on it.
func NewEngine(m Machine, state string) *Engine {
	return &Engine{Machine: m, State: state, now: time.Now, open: openJournal}
}

// What an Event tells.
const (
	EventApply  = "apply"
	EventUndo   = "undo"
	EventNotice = "notice"
)

// Event is one thing that is about to be done, or that an admin should know.
type Event struct {
	Kind string
	Step string
	What string
}

func (e *Engine) tell(kind, step, what string) {
	if e.Tell != nil {
		e.Tell(Event{kind, step, what})
	}
}

// Proposal is what all steps would do.
type Proposal struct {
	Steps []StepPlan `json:"steps"`
}

// StepPlan is what one step would do, or why it can't tell.
type StepPlan struct {
	Step string `json:"step"`
	Plan
	Error string `json:"error,omitempty"` // the step could not look: the plan is not applied
	step  Step
}

// Empty tells whether the host is as it shall be.
func (p Proposal) Empty() bool {
	for _, s := range p.Steps {
		if len(s.Changes) > 0 || s.refused() {
			return false
		}
	}
	return true
}

// Refused tells whether the proposal is not to be applied.
func (p Proposal) Refused() bool {
	for _, s := range p.Steps {
		if s.refused() {
			return true
		}
	}
	return false
}

// Complete tells whether every step could look at what it needs.
func (p Proposal) Complete() bool {
	return !slices.ContainsFunc(p.Steps, func(s StepPlan) bool { return s.Error != "" })
}

// Risky tells whether a change could cut off an admin.
func (p Proposal) Risky() bool {
	for _, s := range p.Steps {
		for _, c := range s.Changes {
			if c.Switch {
				return true
			}
		}
	}
	return false
}

func (s StepPlan) refused() bool { return s.Error != "" || len(s.Refusals) > 0 }

// shown is all of a proposal that an admin gets to see.
func (p Proposal) shown() (string, error) {
	text, err := json.Marshal(p)
	return string(text), err
}

// Plan asks every step what it would do. It only reads.
func (e *Engine) Plan(ctx context.Context, steps []Step) (Proposal, error) {
	p := Proposal{Steps: []StepPlan{}}
	for _, step := range steps {
		planned, err := step.Plan(ctx, e.Machine)
		if ctx.Err() != nil {
			return Proposal{}, context.Cause(ctx)
		}
		one := StepPlan{Step: step.Name(), Plan: planned, step: step}
		if err != nil {
			one.Error = e.explain(err)
		}
		p.Steps = append(p.Steps, one)
	}
	return p, p.check()
}

// explain adds to an error what an admin who is not root can do about it.
func (e *Engine) explain(err error) string {
	if errors.Is(err, fs.ErrPermission) && e.Machine.UID != 0 {
		return err.Error() + ": ask as root, with sudo"
	}
	return err.Error()
}

func (p Proposal) check() error {
	for _, s := range p.Steps {
		for _, c := range s.Changes {
			for _, act := range c.Acts {
				if err := checkAct(act); err != nil {
					return fmt.Errorf("%s: %s: %w", s.Step, c.What, err)
				}
			}
		}
	}
	return nil
}

// folder is where the journals are, from here.
func (e *Engine) folder() string { return e.Machine.Path(filepath.Join(e.State, "setup")) }

// session is the time for which an engine has the lock.
type session struct {
	*Engine
	store *store
	lock  *setupLock
	runs  []*loadedRun
}

// enter takes the lock and reads the journals. With create set it makes their
// folder; without, the error is fs.ErrNotExist where there has been no run.
func (e *Engine) enter(create bool) (*session, error) {
	s, err := openStore(e.folder(), create)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(context.Background(), lockMoment)
	defer stop()
	return e.lockStore(ctx, s)
}

// lockStore begins a session as soon as no other process has the lock, until ctx
// ends.
func (e *Engine) lockStore(ctx context.Context, s *store) (*session, error) {
	l, err := s.lockInTime(ctx, e.By, e.now)
	if err != nil {
		s.close()
		return nil, err
	}
	return e.entered(s, l)
}

func (e *Engine) entered(s *store, l *setupLock) (*session, error) {
	held := &session{Engine: e, store: s, lock: l}
	var err error
	if held.runs, err = s.runs(); err != nil {
		held.leave()
		return nil, err
	}
	return held, nil
}

func (s *session) leave() {
	s.lock.release()
	s.store.close()
}

// History tells of all runs, the oldest first. Root alone may read it.
func (e *Engine) History() ([]Run, error) {
	s, err := openStore(e.folder(), false)
	if errors.Is(err, fs.ErrNotExist) {
		return []Run{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.close()
	busy := s.busy() // before the journals are read, as the run may end meanwhile
	loaded, err := s.runs()
	runs := make([]Run, 0, len(loaded))
	for _, l := range loaded {
		if l.State == StateUnfinished && busy {
			l.State = StateAtWork
		}
		runs = append(runs, l.Run)
	}
	return runs, err
}
