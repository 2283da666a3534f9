package proxy

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

type verdict int

const (
	passwordRight verdict = iota
	passwordWrong
	passwordUntried // the client's address has sent too many wrong ones
	passwordUnasked // the client went away before it could be checked
)

const (
	// checksAtOnce is how many passwords are hashed at a time. Hashing is meant to
	// be slow, and clients who guess must not take the processor from the others.
	checksAtOnce = 2
	// provenMost bounds the memory of right passwords, which browsers send with
	// every request: hashing each time would cost more than the request.
	provenMost = 4096
)

// gatekeeper checks passwords of one file for all routes that ask for it.
type gatekeeper struct {
	file   *passwordFile
	checks chan struct{}
	key    [sha256.Size]byte // of proofs; they mean nothing in another process

	mu     sync.Mutex
	proven map[proof]struct{}
	faults faults
}

// proof is the fingerprint of a user, a password and the hash it was checked with.
type proof [sha256.Size]byte

func newGatekeeper(path string) (*gatekeeper, error) {
	file, err := newPasswordFile(path)
	if err != nil {
		return nil, err
	}
	g := &gatekeeper{file: file, checks: make(chan struct{}, checksAtOnce), proven: map[proof]struct{}{}, faults: faults{}}
	_, _ = rand.Read(g.key[:]) // never fails, see crypto/rand
	return g, nil
}

// judge checks a password. The error is about the file, of which the last good
// state was used.
func (g *gatekeeper) judge(ctx context.Context, user, password, client string) (verdict, error) {
	known, err := g.file.read()
	p := g.proofOf(known[user], user, password)
	if g.isProven(p) {
		return passwordRight, err
	}
	address, _ := netip.ParseAddr(client)
	select {
	case g.checks <- struct{}{}:
		defer func() { <-g.checks }()
	case <-ctx.Done():
		return passwordUnasked, err
	}
	if !g.mayTry(address) {
		return passwordUntried, err
	}
	if !known.match(user, password) {
		g.fault(address)
		return passwordWrong, err
	}
	g.prove(p)
	return passwordRight, err
}

func (g *gatekeeper) proofOf(hash, user, password string) (p proof) {
	mac := hmac.New(sha256.New, g.key[:])
	for _, text := range []string{hash, user, password} {
		sum := sha256.Sum256([]byte(text)) // of one length, so that no two triples look alike
		mac.Write(sum[:])
	}
	mac.Sum(p[:0])
	return p
}

func (g *gatekeeper) isProven(p proof) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, found := g.proven[p]
	return found
}

func (g *gatekeeper) prove(p proof) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.proven) >= provenMost {
		clear(g.proven)
	}
	g.proven[p] = struct{}{}
}

func (g *gatekeeper) mayTry(address netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.faults.mayTry(neighbourhood(address), time.Now())
}

func (g *gatekeeper) fault(address netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults.add(neighbourhood(address), time.Now())
}

const (
	faultsMost     = 10              // wrong passwords of one address in a row
	faultForgotten = 6 * time.Second // for each of them
	faultsKept     = 10_000          // addresses
)

// faults counts the wrong passwords of each address, as the time at which the
// last of them will be forgotten.
type faults map[netip.Prefix]time.Time

func (f faults) mayTry(from netip.Prefix, now time.Time) bool {
	return f[from].Sub(now) <= (faultsMost-1)*faultForgotten
}

func (f faults) add(from netip.Prefix, now time.Time) {
	if len(f) >= faultsKept {
		f.forget(now)
	}
	since := now
	if until := f[from]; until.After(now) {
		since = until
	}
	f[from] = since.Add(faultForgotten)
}

// forget makes room, if need be by forgiving everybody.
func (f faults) forget(now time.Time) {
	for from, until := range f {
		if !until.After(now) {
			delete(f, from)
		}
	}
	if len(f) >= faultsKept {
		clear(f)
	}
}

// userFiles has one gatekeeper for each file, however many routes name it.
type userFiles struct{ byPath map[string]*gatekeeper }

func (u *userFiles) of(path string) (*gatekeeper, error) {
	if known := u.byPath[path]; known != nil {
		return known, nil
	}
	one, err := newGatekeeper(path)
	if err != nil {
		return nil, err
	}
	u.byPath[path] = one
	return one, nil
}
