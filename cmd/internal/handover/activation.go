package handover

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
)

// Activated are the listening sockets that the service manager has opened for
// this process (sd_listen_fds(3)), so that clients can queue while gateway is
// started anew. There may be none.
func Activated() (*Sockets, error) {
	s := &Sockets{left: map[socketName]net.Listener{}}
	for _, file := range activation.Files(true) {
		l, err := net.FileListener(file)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, errors.Join(fmt.Errorf("the socket %s of the service manager: %w", file.Name(), err), s.Close())
		}
		name, known := nameOf(l.Addr())
		if !known {
			return nil, errors.Join(fmt.Errorf("the service manager hands over a socket for %s, which is no TCP: take its line out of the socket unit", l.Addr()), l.Close(), s.Close())
		}
		s.left[name] = l
	}
	return s, nil
}

// nameOf is what gateway would open a socket of that address with.
func nameOf(address net.Addr) (name socketName, known bool) {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return socketName{}, false
	}
	switch at := tcp.AddrPort(); {
	case at.Addr().Unmap().Is4():
		return socketName{"tcp4", net.JoinHostPort(at.Addr().Unmap().String(), fmt.Sprint(at.Port()))}, true
	case at.Addr().IsUnspecified():
		return socketName{"tcp", fmt.Sprintf(":%d", at.Port())}, true // of both families, as systemd opens it
	default:
		return socketName{"tcp6", at.String()}, true
	}
}

// Left are the addresses of sockets that nobody has asked for.
func (s *Sockets) Left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addresses []string
	for name := range s.left {
		addresses = append(addresses, name.Address)
	}
	return addresses
}

// either is the other name that a socket for all addresses goes by.
func either(name socketName) socketName {
	if port, found := strings.CutPrefix(name.Address, "[::]:"); found && name.Network == "tcp6" {
		return socketName{"tcp", ":" + port}
	}
	return name
}
