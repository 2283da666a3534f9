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

// kind tells what a problem means for the file that it is about.
type kind int

const (
	ofContent   kind = iota // the file can be used
	brokenFile              // it should be half of a pair and can't be used
	keylessFile             // a certificate whose key is missing; an effect when a key is broken
	foreignFile             // in a form of other servers, told only when there is nothing else
	skippedFile             // not used whatever lies beside it, always told
)

// halves tells whether the problem leaves a pair without one of its halves.
func (p Problem) halves() bool { return p.kind == brokenFile || p.kind == keylessFile }

// aboutCertificate returns a problem with a certificate that can be served.
func aboutCertificate(severity Severity, one certificate, cause, remedy string) Problem {
	return Problem{Severity: severity, Subject: "certificate", File: one.file, Cause: cause, Remedy: remedy}
}

// aboutFile returns a problem of a whole file, which can't be used then. It is
// Fatal only where nothing else can be: see set.fileProblems.
func aboutFile(kind kind, subject, path, cause, remedy string) Problem {
	return Problem{Severity: Warning, Subject: subject, File: path, Cause: cause, Remedy: remedy, kind: kind}
}

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
func unique[T comparable](all []T) []T {
	var kept []T
	for _, one := range all {
		if !slices.Contains(kept, one) {
			kept = append(kept, one)
		}
	}
	return kept
}

// worst returns the highest severity, or -1 when there is no problem.
func worst(problems []Problem) Severity {
	highest := Severity(-1)
	for _, problem := range problems {
		highest = max(highest, problem.Severity)
	}
	return highest
}
