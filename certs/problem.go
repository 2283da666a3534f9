package certs

import (
	"errors"
	"slices"
)

// Severity is how much a Problem hurts.
type Severity int

const (
	Warning Severity = iota // clients are served; the admin should know
	Error                   // is served, but clients will refuse it
	Fatal                   // can't be served at all
)

// String returns the word for a person.
func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return "fatal"
}

// Problem is one thing that is wrong with a certificate, a key or their files.
type Problem struct {
	Severity Severity
	Subject  string // what File is: "certificate", "key", "file", "folder"
	File     string // path
	Cause    string
	Remedy   string // what the admin does about it

	kind kind
}

// kind tells problems of whole files from the others.
type kind int

const (
	about     kind = iota // something about a certificate or key that can be used
	broken                // a file that should be half of a pair and can't be used
	noKey                 // a certificate whose key is missing; an effect when a key is broken
	unwanted              // a file in a form that is not served, told only when there is nothing else
	otherKind             // a file in a form that is not served, always told
)

// Error returns the whole message: subject, file, cause, remedy.
func (p Problem) Error() string {
	return p.Subject + " " + p.File + ": " + p.Cause + ": " + p.Remedy
}

// joined returns the problems of at least the given severity as one error, each
// once; nil when there are none.
func joined(problems []Problem, least Severity) error {
	var errs []error
	for _, problem := range unique(problems) {
		if problem.Severity >= least {
			errs = append(errs, problem)
		}
	}
	return errors.Join(errs...)
}

// unique drops repetitions: sites that share a folder share its problems.
func unique(problems []Problem) []Problem {
	var seen []Problem
	for _, problem := range problems {
		if !slices.Contains(seen, problem) {
			seen = append(seen, problem)
		}
	}
	return seen
}

// worst returns the highest severity, or -1 when there is no problem.
func worst(problems []Problem) Severity {
	highest := Severity(-1)
	for _, problem := range problems {
		highest = max(highest, problem.Severity)
	}
	return highest
}
