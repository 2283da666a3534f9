package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// ErrNothingToUndo is returned where no run, or none with the steps that were
// named, is left to be taken back.
var ErrNothingToUndo = errors.New("there is nothing to undo")

// Selection is what is to be taken back.
type Selection struct {
	Steps []string // of these steps; none: of all
	All   bool     // of all runs, not only of the last one
	Force bool     // also what others have changed since
}

// Undoable is a run, or part of it, that can be taken back.
type Undoable struct {
	Run       int        `json:"run"`
	Begun     time.Time  `json:"begun"`
	Changes   []string   `json:"changes"`             // in the order in which they are taken back
	Stays     []string   `json:"stays,omitempty"`     // what can't be taken back, and why
	Conflicts []Conflict `json:"conflicts,omitempty"` // what others have changed since

	run    *loadedRun
	acts   []loadedAct
	leaves []string // steps of which changes stay in force
}

// Conflict is something that was changed since setup changed it.
type Conflict struct {
	Path string `json:"path"`
	Why  string `json:"why"`
	Diff string `json:"diff,omitempty"` // what undo would change in it now
}

// ConflictError are all conflicts that keep runs from being taken back.
type ConflictError struct{ Conflicts []Conflict }

func (e *ConflictError) Error() string {
	var paths []string
	for _, c := range e.Conflicts {
		paths = append(paths, c.Path+" "+c.Why)
	}
	return fmt.Sprintf("nothing was undone: %s: put it back as it was, or undo with --force, which keeps a copy", strings.Join(paths, "; "))
}

// PlanUndo tells what Undo would take back, in that order. It only reads.
func (e *Engine) PlanUndo(sel Selection) ([]Undoable, error) {
	st, err := openStore(e.folder(), false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNothingToUndo
	}
	if err != nil {
		return nil, err
	}
	defer st.close()
	s := &session{Engine: e, store: st}
	if s.runs, err = st.runs(); err != nil {
		return nil, err
	}
	return s.undoable(sel)
}

// undoable finds the runs of a selection, the last one first.
func (s *session) undoable(sel Selection) ([]Undoable, error) {
	var found []Undoable
	later := map[string]look{} // how paths will be once the later runs were taken back
	for _, run := range slices.Backward(s.runs) {
		acts := run.remaining(sel.Steps)
		if len(acts) == 0 || run.applied.IsZero() && run.State == StateUndone {
			continue
		}
		u, err := s.describe(run, acts, later)
		if err != nil {
			return nil, err
		}
		found = append(found, u)
		if !sel.All {
			break
		}
	}
	if len(found) == 0 {
		return nil, ErrNothingToUndo
	}
	s.tellLeft(found)
	return found, nil
}

func (s *session) describe(run *loadedRun, acts []loadedAct, later map[string]look) (Undoable, error) {
	u := Undoable{Run: run.Number, Begun: run.Begun, run: run, acts: acts}
	for _, a := range acts {
		if !slices.Contains(u.Changes, a.Change) {
			u.Changes = append(u.Changes, a.Change)
			if a.NoUndo != "" {
				u.Stays = append(u.Stays, a.Change+": "+a.NoUndo)
			}
		}
	}
	if run.State == StateUnfinished {
		return u, nil // it was interrupted before it knew how its files would be
	}
	var err error
	u.Conflicts, err = s.conflicts(run, acts, later)
	for _, a := range acts { // ends with the first act on each path
		if a.Path != "" && a.Side == "" {
			later[a.Path] = a.Before.look
		}
	}
	return u, err
}

// conflicts compares every path of some acts of a run with what is there now.
func (s *session) conflicts(run *loadedRun, acts []loadedAct, later map[string]look) ([]Conflict, error) {
	var found []Conflict
	seen := map[string]bool{}
	for _, a := range run.remaining(nil) {
		if a.Path == "" || a.Side != "" || seen[a.Path] {
			continue
		}
		seen[a.Path] = true
		c, err := s.conflict(a, acts, later)
		if err != nil {
			return nil, err
		}
		if c != nil {
			found = append(found, *c)
		}
	}
	return found, nil
}

// conflict compares a path with how the last act on it in its run has left it.
func (s *session) conflict(last loadedAct, acts []loadedAct, later map[string]look) (*Conflict, error) {
	first := slices.IndexFunc(acts, func(a loadedAct) bool { return a.Path == last.Path })
	if first < 0 {
		return nil, nil // none of what is taken back is about this path
	}
	if acts[first].Act != last.Act {
		return &Conflict{Path: last.Path, Why: fmt.Sprintf("was changed after that by the step %s: undo that too", last.Step)}, nil
	}
	is, err := s.lookAt(last.intent)
	if err != nil {
		return nil, err
	}
	now := is.look
	if willBe, known := later[last.Path]; known {
		now, is = willBe, snapshot{look: willBe}
	}
	before := s.firstBefore(acts, last.Path)
	if now == *last.After || now == before.look || before.Kind == kindNone && last.After.Kind == kindFolder && now.Kind == kindFolder {
		return nil, nil
	}
	return &Conflict{Path: last.Path, Why: "was changed since: " + changed(*last.After, now), Diff: undoDiff(last.Path, is, before)}, nil
}

// firstBefore is how a path was before the first of some acts on it.
func (s *session) firstBefore(acts []loadedAct, path string) snapshot {
	for _, a := range slices.Backward(acts) {
		if a.Path == path {
			return *a.Before
		}
	}
	return snapshot{look: look{Kind: kindNone}}
}

// changed says in which way something is not as it was left.
func changed(left, now look) string {
	switch {
	case now.Kind == kindNone:
		return "it is gone"
	case now.Kind != left.Kind:
		return fmt.Sprintf("it is a %s now", now.Kind)
	case now.SHA256 != left.SHA256:
		return "it has another content"
	case now.Target != left.Target:
		return fmt.Sprintf("it leads to %s now", now.Target)
	case now.Owner != left.Owner:
		return fmt.Sprintf("it belongs to %d:%d now, not to %d:%d", now.Owner.UID, now.Owner.GID, left.Owner.UID, left.Owner.GID)
	}
	return fmt.Sprintf("its mode is %04o now, not %04o", now.Mode.Perm(), left.Mode.Perm())
}

// undoDiff is what undo would change in a file. What only its owner may read is
// not shown.
func undoDiff(path string, now, before snapshot) string {
	const others = 0o004
	secret := now.Kind == kindFile && now.Mode&others == 0 || before.Kind == kindFile && before.Mode&others == 0
	if secret || now.SHA256 == before.SHA256 {
		return ""
	}
	return Diff(path, now.content(), before.content())
}

// content is that of a file, and nil for what is none.
func (s snapshot) content() []byte {
	if s.Kind == kindFile && s.Data == nil {
		return []byte{}
	}
	return s.Data
}

// Undo takes back what is selected, the last run first. Where others have changed
// the same things since, nothing is undone and the error is a *ConflictError,
// unless the selection forces it; what they wrote is kept then.
func (e *Engine) Undo(ctx context.Context, sel Selection) ([]Run, error) {
	s, err := e.enter(false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNothingToUndo
	}
	if err != nil {
		return nil, err
	}
	defer s.leave()
	recovered, err := s.recover(ctx, sel.Force)
	if err != nil || len(recovered) > 0 {
		return recovered, err // that was what is last
	}
	all, err := s.undoable(sel)
	if err != nil {
		return nil, err
	}
	if err := conflictsOf(all); err != nil && !sel.Force {
		return nil, err
	}
	return s.undoAll(ctx, all, sel)
}

func conflictsOf(all []Undoable) error {
	var conflicts []Conflict
	for _, u := range all {
		conflicts = append(conflicts, u.Conflicts...)
	}
	if len(conflicts) == 0 {
		return nil
	}
	return &ConflictError{conflicts}
}

func (s *session) undoAll(ctx context.Context, all []Undoable, sel Selection) ([]Run, error) {
	var done []Run
	for _, u := range all {
		if ctx.Err() != nil {
			return done, context.Cause(ctx)
		}
		if err := s.takeBackRun(context.WithoutCancel(ctx), u.run, sel.Steps, "an admin asked for it", sel.Force); err != nil {
			return done, err
		}
		done = append(done, u.run.Run)
	}
	return done, nil
}
