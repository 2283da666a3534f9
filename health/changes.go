package health

import (
	"slices"
	"sync"
	"time"
)

// ChangeKind is what was changed.
type ChangeKind int

// The changes that a notice tells, because a trouble often follows one.
const (
	GatewayStarted     ChangeKind = iota // Subject: its version
	BackendStarted                       // by hand; Subject: its name
	BackendStopped                       // by hand; Subject: its name
	BackendRestarted                     // by hand; Subject: its name
	CertificateChanged                   // Subject: its names
	ConfigReloaded                       // Subject: the file
	GatewayUpgraded                      // Subject: the new version
)

// Change is something that an admin, or gateway itself, changed.
type Change struct {
	At      time.Time
	Kind    ChangeKind
	Subject string
}

// changesKept bounds the memory: an hour rarely has so many.
const changesKept = 50

// Changes remembers the latest changes. Its zero value is ready; its methods are
// safe for concurrent use.
type Changes struct {
	mu   sync.Mutex
	list []Change // guarded by mu; oldest first
}

// Note remembers a change of now.
func (c *Changes) Note(kind ChangeKind, subject string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, Change{time.Now(), kind, subject})
	if extra := len(c.list) - changesKept; extra > 0 {
		c.list = slices.Delete(c.list, 0, extra)
	}
}

// Since lists the changes since then, oldest first.
func (c *Changes) Since(then time.Time) []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	var recent []Change
	for _, change := range c.list {
		if !change.At.Before(then) {
			recent = append(recent, change)
		}
	}
	return recent
}
