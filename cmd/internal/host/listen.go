package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// String names the holder for a message: "pid 123 (user bob): ./server --flag".
func (l Listener) String() string {
	switch l.PID {
	case 0:
		return unseen(os.Geteuid(), l.User)
	case os.Getpid():
		return "gateway itself"
	}
	s := fmt.Sprintf("pid %d", l.PID)
	if l.User != "" {
		s += fmt.Sprintf(" (user %s)", l.User)
	}
	if l.Command != "" {
		s += ": " + l.Command
	}
	return s
}

// unseen names a process that the kernel does not show to us.
func unseen(euid int, owner string) string {
	switch {
	case euid == 0:
		return "something outside of gateway's sight (the kernel, or a process in another container)"
	case owner == "":
		return "a process of another user (run as root to see which)"
	}
	return fmt.Sprintf("a process of user %s (run as root to see which)", owner)
}

// Stop tells how to free the address, a command in most cases; "" when the
// process is not known, or is this one.
func (l Listener) Stop() string {
	switch program := l.program(); {
	case l.PID == 0 || l.PID == os.Getpid():
		return ""
	case l.PID == 1 && (program == "init" || program == "systemd"):
		return "it is a systemd socket, `systemctl list-sockets` names its unit"
	case program == "docker-proxy":
		return "it is a container, `docker ps` names it"
	case l.Unit != "":
		// A service that is merely killed is often started again.
		return "systemctl stop " + l.Unit
	}
	return fmt.Sprintf("kill %d", l.PID)
}

func (l Listener) program() string {
	path, _, _ := strings.Cut(l.Command, " ")
	return filepath.Base(path)
}

// InUseError is a listen error for an address that is taken.
type InUseError struct {
	Address string
	Holder  Listener
	Instead string // what to do instead of stopping the holder
	Err     error  // the error of net.Listen
}

func (e *InUseError) Error() string {
	s := fmt.Sprintf("listen %s: already in use by %s: ", e.Address, e.Holder)
	if stop := e.Holder.Stop(); stop != "" {
		s += fmt.Sprintf("stop it (%s), or ", stop)
	}
	return s + e.Instead
}

// Unwrap returns the error of net.Listen.
func (e *InUseError) Unwrap() error { return e.Err }

// Free tells whether the address can be listened on, by doing so for a moment;
// the error is that of ListenError. It is for an address that another process,
// such as a backend that is about to start, will listen on.
func Free(ctx context.Context, network, address, instead string) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, network, address)
	if err != nil {
		return ListenError(ctx, network, address, err, instead)
	}
	return l.Close()
}

// ListenError explains to an admin why [net.Listen] refused an address: who
// holds it, or which right is missing. The last argument tells how to get along
// without the address, for example "choose another port with --listen". Errors
// of another kind come back as they are; the cause stays reachable by
// [errors.Is] in every case.
func ListenError(ctx context.Context, network, address string, err error, instead string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return inUse(ctx, network, address, err, instead)
	case errors.Is(err, syscall.EACCES) && network != "unix":
		return fmt.Errorf("listen %s: ports below 1024 need a right that this user does not have: run gateway as root or by its systemd unit, or %s: %w", address, instead, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen %s: no network interface of this host has that address: write one of its own (`ip address` lists them), or leave the host out (\":PORT\") to serve all: %w", address, err)
	}
	return err
}

func inUse(ctx context.Context, network, address string, err error, instead string) error {
	holder, lookErr := Holder(ctx, network, address)
	if errors.Is(lookErr, ErrNoHolder) && runtime.GOOS != "linux" && os.Geteuid() != 0 {
		lookErr = nil // there, the sockets of other users are hidden too
	}
	if lookErr != nil {
		// Why the holder is not known matters less than that the port is taken.
		return fmt.Errorf("listen %s: already in use, but its holder was not found (%w): try again, or %s: %w", address, lookErr, instead, err)
	}
	return &InUseError{Address: address, Holder: holder, Instead: instead, Err: err}
}
