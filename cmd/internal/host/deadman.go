package host

import (
	"context"
	"time"
)

// Deadman takes back, by itself, a run that nobody has confirmed: the last
// resort of an admin whom a change of sshd or of the firewall has cut off. It
// outlives the process that arms it, the login that started that, and a reboot.
// Its own files and units are not in the journal.
type Deadman interface {
	// Arm sees to it that `gateway setup undo --expired` is run at until, and
	// `gateway setup undo --unconfirmed` at the next boot. It is called before the
	// first change, and again with a later time when the last one is done: the
	// later call replaces the earlier.
	Arm(ctx context.Context, m Machine, until time.Time) error

	// Disarm leaves nothing of it behind. Where nothing is armed it does nothing.
	Disarm(ctx context.Context, m Machine) error

	// Prove is nil if whoever asks sits in a login over ssh that began after since.
	// Otherwise the error says how to get into one.
	Prove(ctx context.Context, m Machine, since time.Time) error
}
