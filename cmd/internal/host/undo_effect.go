package host

import (
	"path"
	"slices"
	"strings"
)

// An undo is a change like any other, and can lock an admin out: the run that
// made the admin is taken back, and the one that closed ssh to all others stays.
// These tell how the machine would be after it.

// Leaves tells whether something that a step has changed stays in force.
func (u Undoable) Leaves(step string) bool { return slices.Contains(u.leaves, step) }

// Interrupted tells whether the run was never done whole: taking it back brings
// the machine to where it was when it was begun, whatever else is asked.
func (u Undoable) Interrupted() bool { return u.run.State == StateUnfinished }

// Files are the contents that files get back, by their paths; nil is for one
// that goes.
func (u Undoable) Files() map[string][]byte {
	files := map[string][]byte{}
	for _, a := range u.acts { // ends with the first act on each path
		if a.Path != "" && a.Side == "" && (a.Before.Kind == kindFile || a.Before.Kind == kindNone) {
			files[a.Path] = a.Before.content()
		}
	}
	return files
}

// Concerns tells whether what a step has done to an account is taken back: to its
// entry, to its home, or to the rule of sudo that bears its name.
func (u Undoable) Concerns(step, account, home string) bool {
	return slices.ContainsFunc(u.acts, func(a loadedAct) bool { return a.Step == step && a.concerns(account, home) })
}

func (i intent) concerns(account, home string) bool {
	if i.Path != "" {
		return i.Within == home || strings.HasPrefix(i.Path, home+"/") || strings.HasSuffix(path.Base(i.Path), "-"+account)
	}
	return slices.ContainsFunc(i.Undo, func(c Command) bool { return slices.Contains(c.Argv, account) })
}

// tellLeft tells each undo which steps have changes that none of them takes back.
func (s *session) tellLeft(found []Undoable) {
	var left []string
	for _, run := range s.runs {
		for _, a := range run.remaining(nil) {
			taken := slices.ContainsFunc(found, func(u Undoable) bool {
				return u.run == run && slices.ContainsFunc(u.acts, func(b loadedAct) bool { return b.Act == a.Act })
			})
			if !taken && !slices.Contains(left, a.Step) {
				left = append(left, a.Step)
			}
		}
	}
	for i := range found {
		found[i].leaves = left
	}
}
