package health

import (
	"context"
	"crypto/rand"
	"strings"
	"syscall"
	"time"
)

// markerName is the variable that tells, in the environment of a backend and
// of all that it starts, which gateway and which start they belong to. It is
// how what left the group and the session is still found on Linux.
const markerName = "GATEWAY_BACKEND"

// marker is "name@instance.incarnation". The instance is that of the state
// folder: a backend of the same name that another gateway started is not ours.
type marker struct{ name, instance, incarnation string }

func newMarker(name, instance string) marker { return marker{name, instance, rand.Text()} }

func (m marker) String() string { return m.prefix() + m.incarnation }

func (m marker) prefix() string { return m.name + "@" + m.instance + "." }

// parseMarker splits from the right, where nothing but random text can be.
func parseMarker(text string) (marker, bool) {
	at := strings.LastIndexByte(text, '@')
	dot := strings.LastIndexByte(text, '.')
	if at < 1 || dot < at {
		return marker{}, false
	}
	return marker{text[:at], text[at+1 : dot], text[dot+1:]}, true
}

// tree is a process and all that it started.
type tree struct {
	root  identity
	mark  marker
	group group
}

// members lists what lives of the tree: the root, its session and process
// group, their descendants, what carries the mark, and the control group.
func (t tree) members() []fact {
	all, held := facts(), t.group.holds()
	return selectMembers(all, t.root, func(pid int) bool { return held(pid) || markerOf(pid) == t.mark.String() })
}

// selectMembers is the rule of members over a list of processes. Nothing that
// began before the root can have been started by it.
func selectMembers(all []fact, root identity, marked func(pid int) bool) []fact {
	in, asked := map[int]bool{}, map[int]bool{} // a look at an environment is a file read: once is enough
	var found []fact
	for grew := true; grew; { // a descendant may be listed before its parent
		grew = false
		for _, f := range all {
			if in[f.pid] || f.start < root.Start {
				continue
			}
			isRoot := f.pid == root.PID && f.start == root.Start
			related := isRoot || f.session == root.PID || f.group == root.PID || in[f.ppid]
			if !related && !asked[f.pid] {
				related, asked[f.pid] = marked(f.pid), true
			}
			if related {
				in[f.pid], grew = true, true
				if !f.zombie {
					found = append(found, f)
				}
			}
		}
	}
	return found
}

// frozen tells whether a process was stopped, or all that it started and waits
// for were.
func frozen(pid int) bool {
	f, err := factOf(pid)
	return err == nil && isFrozen(f)
}

func isFrozen(f fact) bool {
	if f.stopped {
		return true
	}
	started := children(f.pid)
	for _, child := range started {
		if !isFrozen(child) {
			return false
		}
	}
	return len(started) > 0
}

// strays lists what lives of any start of a backend by this gateway.
func strays(prefix string, g group) []fact {
	var found []fact
	all, held := facts(), g.holds()
	for _, f := range all {
		if !f.zombie && (held(f.pid) || strings.HasPrefix(markerOf(f.pid), prefix)) {
			found = append(found, f)
		}
	}
	return found
}

// topmost climbs from a process to the one that none of the others started.
func topmost(members []fact, from int) (fact, bool) {
	byPID := map[int]fact{}
	for _, f := range members {
		byPID[f.pid] = f
	}
	at, found := byPID[from]
	for found {
		parent, more := byPID[at.ppid]
		if !more || parent.pid == at.pid {
			break
		}
		at = parent
	}
	return at, found
}

func identities(members []fact) []identity {
	boot := bootID()
	ids := make([]identity, 0, len(members))
	for _, f := range members {
		ids = append(ids, identity{PID: f.pid, Start: f.start, Boot: boot})
	}
	return ids
}

// signalAll signals every process. One that is gone is not an error.
func signalAll(ids []identity, s syscall.Signal) {
	for _, id := range ids {
		_ = sendSignal(id, s) // ESRCH: it ended; EPERM: the next look tells that it lives
	}
}

const (
	// killRounds bounds the race against a tree that forks while it is killed.
	killRounds = 20
	// killPatience is how long one round waits for what it killed: a process in
	// an uninterruptible system call ends later.
	killPatience = 500 * time.Millisecond
)

// killAll kills what list returns until it returns nothing, and tells whether
// that was reached.
func killAll(ctx context.Context, g group, list func() []fact) bool {
	for range killRounds {
		ids := identities(list())
		if len(ids) == 0 {
			return true
		}
		g.kill()
		signalAll(ids, syscall.SIGKILL)
		awaitAll(ctx, ids, killPatience)
		if ctx.Err() != nil {
			return false
		}
	}
	return false
}

func awaitAll(ctx context.Context, ids []identity, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, id := range ids {
		if awaitExit(ctx, id) != nil {
			return
		}
	}
}
