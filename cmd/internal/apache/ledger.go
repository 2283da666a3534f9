package apache

import (
	"cmp"
	"slices"
	"strings"
)

// Class is what became of a directive.
type Class string

// The classes, each directive being in exactly one.
const (
	Carried     Class = "carried"     // gateway's file says the same
	Differently Class = "differently" // gateway reaches the same in another way, or nearly the same
	NotNeeded   Class = "not needed"  // gateway does without it
	NotCarried  Class = "not carried" // something is missing without it
)

// Classes are all classes, the one that wants an admin's eye first.
func Classes() []Class { return []Class{NotCarried, Differently, Carried, NotNeeded} }

// verdict is what one step of the translation made of a directive.
type verdict struct {
	class   Class
	note    string // why, how, or what breaks
	do      string // what to do about it
	matters bool   // for NotCarried: clients, or the safety of what is served, feel it
}

// rank orders verdicts: of several on one directive the worst holds.
func (v verdict) rank() int {
	switch {
	case v.class == NotCarried && v.matters:
		return 4
	case v.class == NotCarried:
		return 3
	case v.class == Differently:
		return 2
	case v.class == Carried:
		return 1
	}
	return 0
}

// ledger gathers the verdicts. One directive can get several, since virtual
// hosts inherit what stands outside of them.
type ledger struct {
	verdicts map[*Directive][]verdict
}

func newLedger() *ledger { return &ledger{map[*Directive][]verdict{}} }

func (l *ledger) put(d *Directive, v verdict) {
	if !slices.Contains(l.verdicts[d], v) {
		l.verdicts[d] = append(l.verdicts[d], v)
	}
}

func (l *ledger) carried(ds ...*Directive) {
	for _, d := range ds {
		l.put(d, verdict{class: Carried})
	}
}

func (l *ledger) differently(d *Directive, how string) {
	l.put(d, verdict{class: Differently, note: how})
}
func (l *ledger) notNeeded(d *Directive, why string) { l.put(d, verdict{class: NotNeeded, note: why}) }

// lost is a directive without which something that clients feel is missing.
func (l *ledger) lost(d *Directive, breaks, do string) {
	l.put(d, verdict{NotCarried, breaks, do, true})
}

// missed is a directive that is not carried and that nobody will miss much.
func (l *ledger) missed(d *Directive, breaks, do string) {
	l.put(d, verdict{NotCarried, breaks, do, false})
}

// known reports whether a directive has a verdict.
func (l *ledger) known(d *Directive) bool { return len(l.verdicts[d]) > 0 }

// of is the worst verdict on a directive, with all notes of that weight.
func (l *ledger) of(d *Directive) verdict {
	all := slices.Clone(l.verdicts[d])
	slices.SortStableFunc(all, func(a, b verdict) int { return cmp.Compare(b.rank(), a.rank()) })
	worst := all[0]
	for _, v := range all[1:] {
		if v.rank() == worst.rank() {
			worst.note = joinNotes(worst.note, v.note)
			worst.do = joinNotes(worst.do, v.do)
		}
	}
	return worst
}

func joinNotes(a, b string) string {
	if b == "" || slices.Contains(strings.Split(a, "; "), b) {
		return a
	}
	return strings.TrimPrefix(a+"; "+b, "; ")
}
