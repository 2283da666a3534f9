package handover

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Predecessor is the gateway that runs, as the one sees it that is to take over.
type Predecessor struct {
	*Sockets
	wire *wire
}

// Find finds the gateway that has started this process to take over; nil if it
// was started in the usual way. What is inherited stays with this process alone.
func Find() (*Predecessor, error) {
	if os.Getenv(environment) == "" {
		return nil, nil
	}
	if err := os.Unsetenv(environment); err != nil {
		return nil, err
	}
	// We are one job of a terminal: Ctrl-C is for both.
	if group, err := unix.Getpgid(os.Getppid()); err == nil {
		_ = unix.Setpgid(0, group) // it is no reason not to serve
	}
	unix.CloseOnExec(wireFD)
	unix.CloseOnExec(stderrFD)
	w, err := newWire(os.NewFile(wireFD, "predecessor"))
	if err != nil {
		return nil, err
	}
	p := &Predecessor{wire: w}
	if p.Sockets, err = w.receiveSockets(); err != nil {
		return nil, fmt.Errorf("take the sockets of the other gateway: %w", err)
	}
	return p, nil
}

// Refuse tells why this process can't take over. It is for a process that ends.
func (p *Predecessor) Refuse(err error) {
	_ = p.wire.say(word{Refused: strings.Split(err.Error(), "\n")}) // if nobody hears it, it is logged all the same
}

// errGivenUp is the other gateway's silence.
var errGivenUp = errors.New("the other gateway goes on itself")

// AwaitLease tells that this process could serve, and waits until the other one
// has let go of what only one may own. It returns what that one had in memory for
// this one; nil if it knows of no such thing.
func (p *Predecessor) AwaitLease() (secrets []byte, err error) {
	if err := p.wire.say(word{Prepared: true}); err != nil {
		return nil, fmt.Errorf("%w: %w", errGivenUp, err)
	}
	what, err := p.wire.hear(time.Time{})
	if errors.Is(err, io.EOF) || err == nil && !what.Lease {
		return nil, errGivenUp
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errGivenUp, err)
	}
	return what.Secrets, takeStderr()
}

// Serving tells that this process serves, so that the other one may leave. The
// sockets that the file does not name any more are closed.
func (p *Predecessor) Serving(version string) error {
	return errors.Join(p.wire.say(word{Serving: &Served{PID: os.Getpid(), Version: version}}), p.Close())
}
