package certs

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// ticketRotation is how often new session tickets get a new key.
	ticketRotation = 8 * time.Hour
	// ticketLife is how long a key opens the tickets that were made with it. A
	// recorded TLS 1.2 connection can be read by whoever takes the keys out of memory
	// within that time; crypto/tls by itself keeps them for seven days.
	ticketLife = 24 * time.Hour
	// ticketSecret is how many bytes crypto/tls wants for a key.
	ticketSecret = 32
)

// Tickets are the keys with which clients resume the TLS sessions that began in
// this process, for a process that serves in its place. Whoever has them can read
// recorded connections of TLS 1.2, so they must never leave memory.
func (s *Store) Tickets() []byte { return s.tickets.export() }

// AdoptTickets has clients resume the sessions that began in another process, whose
// Tickets these are; without any it does nothing. It must be called before clients
// are served and before Run. When it fails, nothing is changed.
func (s *Store) AdoptTickets(tickets []byte) error {
	if len(tickets) == 0 {
		return nil
	}
	return s.tickets.adopt(s.server, tickets, time.Now())
}

// ticketKey is a key of session tickets.
type ticketKey struct {
	Secret []byte    `json:"secret"`
	Made   time.Time `json:"made"`
}

// current reports whether the key opens tickets at a time. One that is from the
// future is of no known age.
func (k ticketKey) current(now time.Time) bool {
	age := now.Sub(k.Made)
	return 0 <= age && age < ticketLife
}

// ticketKeys are the keys of session tickets, the newest first.
type ticketKeys struct {
	mu   sync.Mutex
	keys []ticketKey
}

// rotate makes a new key for new tickets and forgets those that are too old.
func (t *ticketKeys) rotate(config *tls.Config, now time.Time) {
	secret := make([]byte, ticketSecret)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the program instead
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := slices.DeleteFunc(t.keys, func(k ticketKey) bool { return !k.current(now) })
	t.use(config, append([]ticketKey{{secret, now}}, kept...))
}

// rotatesIn is how long it is until a new key is due.
func (t *ticketKeys) rotatesIn(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.keys[0].Made.Add(ticketRotation).Sub(now)
}

// use puts keys in the place of those that were. t.mu is held.
func (t *ticketKeys) use(config *tls.Config, keys []ticketKey) {
	t.keys = keys
	var secrets [][ticketSecret]byte
	for _, k := range keys {
		secrets = append(secrets, [ticketSecret]byte(k.Secret))
	}
	config.SetSessionTicketKeys(secrets)
}

func (t *ticketKeys) export() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, _ := json.Marshal(t.keys) // never fails: see ticketKey
	return text
}

// adopt puts what export has given elsewhere in the place of the own keys, which
// have made no ticket yet, but for what is too old.
func (t *ticketKeys) adopt(config *tls.Config, exported []byte, now time.Time) error {
	var keys []ticketKey
	if err := json.Unmarshal(exported, &keys); err != nil {
		return fmt.Errorf("the keys of session tickets: %w", err)
	}
	for _, k := range keys {
		if len(k.Secret) != ticketSecret {
			return fmt.Errorf("a key of session tickets has %d bytes, and not %d", len(k.Secret), ticketSecret)
		}
	}
	keys = slices.DeleteFunc(keys, func(k ticketKey) bool { return !k.current(now) })
	if len(keys) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.use(config, keys)
	return nil
}
