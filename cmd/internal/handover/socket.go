package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSockets is how many descriptors one message may carry (SCM_MAX_FD).
const maxSockets = 253

// sendSockets makes the offer. The descriptors go along with its bytes: what
// they refer to is shared, so that a queue of clients is served by whoever accepts.
func (w *wire) sendSockets(sockets []Socket) error {
	if len(sockets) > maxSockets {
		return fmt.Errorf("%d addresses cannot be handed over, only %d", len(sockets), maxSockets)
	}
	var names []socketName
	var fds []int
	for _, s := range sockets {
		names = append(names, socketName{s.Network, s.Address})
		fd, err := duplicate(s.Listener)
		if err != nil {
			closeAll(fds)
			return fmt.Errorf("the socket of %s: %w", s.Address, err)
		}
		fds = append(fds, fd)
	}
	defer closeAll(fds)
	text, err := json.Marshal(word{Offer: &offer{names}})
	if err != nil {
		return err
	}
	_, _, err = w.conn.WriteMsgUnix(append(text, '\n'), unix.UnixRights(fds...), nil)
	return err
}

// Socket is a listener with what it was opened with.
type Socket struct {
	Network, Address string
	Listener         net.Listener
}

// duplicate gives a descriptor of its own. It goes around net's File, whose use
// by os/exec would make the listener block.
func duplicate(l net.Listener) (int, error) {
	system, ok := l.(syscall.Conn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return 0, err
	}
	fd := -1
	var failed error
	err = raw.Control(func(own uintptr) { fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, failed)
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// receiveSockets hears the offer.
func (w *wire) receiveSockets() (*Sockets, error) {
	text, control := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4*maxSockets))
	n, controls, _, _, err := w.conn.ReadMsgUnix(text, control)
	if err != nil {
		return nil, err
	}
	var what word
	if err := json.Unmarshal(text[:n], &what); err != nil || what.Offer == nil {
		return nil, fmt.Errorf("the other gateway's offer is not understood: %w", errors.Join(err, errors.New("it is another version")))
	}
	messages, err := unix.ParseSocketControlMessage(control[:controls])
	if err != nil {
		return nil, err
	}
	var fds []int
	for _, message := range messages {
		rights, err := unix.ParseUnixRights(&message)
		if err != nil {
			return nil, err
		}
		fds = append(fds, rights...)
	}
	if len(fds) != len(what.Offer.Sockets) {
		closeAll(fds)
		return nil, fmt.Errorf("%d sockets came, %d were offered", len(fds), len(what.Offer.Sockets))
	}
	return newSockets(what.Offer.Sockets, fds)
}

// Sockets are listening sockets that were inherited and that nobody serves yet.
type Sockets struct {
	// Otherwise opens the addresses that were not inherited; nil: net.Listen.
	Otherwise func(ctx context.Context, network, address string) (net.Listener, error)

	mu   sync.Mutex
	left map[socketName]net.Listener
}

func newSockets(names []socketName, fds []int) (*Sockets, error) {
	s := &Sockets{left: map[socketName]net.Listener{}}
	var problems error
	for i, fd := range fds {
		unix.CloseOnExec(fd)
		file := os.NewFile(uintptr(fd), names[i].Address)
		l, err := net.FileListener(file)
		if err = errors.Join(err, file.Close()); err != nil {
			problems = errors.Join(problems, fmt.Errorf("the socket of %s: %w", names[i].Address, err))
			continue
		}
		s.left[names[i]] = l
	}
	if problems != nil {
		return nil, errors.Join(problems, s.Close())
	}
	return s, nil
}

// take gives an inherited socket away; nil if there is none for the address.
func (s *Sockets) take(network, address string) net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := socketName{network, address}
	if s.left[name] == nil {
		name = either(name)
	}
	l := s.left[name]
	delete(s.left, name)
	return l
}

// Listen gives the inherited socket of an address, or opens one.
func (s *Sockets) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	if l := s.take(network, address); l != nil {
		return l, nil
	}
	if s.Otherwise != nil {
		return s.Otherwise(ctx, network, address)
	}
	var config net.ListenConfig
	return config.Listen(ctx, network, address)
}

// Close closes those that nobody has asked for.
func (s *Sockets) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var problems error
	for name, l := range s.left {
		problems = errors.Join(problems, l.Close())
		delete(s.left, name)
	}
	return problems
}
