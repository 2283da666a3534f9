package service

import (
	"context"
	"slices"
	"strings"
	"time"

	"gateway/cmd/internal/host"
)

// Around is what the step must know of the rest of gateway.
type Around struct {
	Program     string        // the running gateway
	File        string        // the configuration; all paths are whole
	State       string        // the state folder
	Socket      string        // the control socket
	Listen      []Address     // of all sites
	Reads       []string      // files and folders that gateway must read besides File
	Logs        []string      // files that gateway writes
	Backends    []Backend     // that gateway starts
	StopsWithin time.Duration // how long gateway may take to stop
	Connections int           // of clients, at most
	// Limits are the largest that backends ask for, by the words of systemd.exec(5):
	// LimitNOFILE and others. math.MaxUint64 is none.
	Limits map[string]uint64
	// Holder finds the process that keeps gateway from listening on an address.
	// The error wraps host.ErrNoHolder where there is none.
	Holder func(ctx context.Context, network, address string) (host.Listener, error)
}

// Address is where gateway listens, in the words of net.Listen.
type Address struct{ Network, Address string }

// Backend is a program that gateway starts.
type Backend struct {
	User   string // "": gateway's own
	Dir    string // "": the home
	Spared bool   // its oom_score is below 0
}

// needs is what the backends need of the service, beside what gateway does.
type needs struct {
	others bool     // to start programs as other users, and to end them
	spare  bool     // to have the kernel spare a program when memory is short
	root   bool     // to start a program with all rights of root, such as JupyterHub
	homes  bool     // to see what lies in homes
	starts bool     // to start any program at all
	cards  bool     // to see graphics cards that compute
	groups []string // through which it sees the folders of backends
}

// underHome tells whether a path is in one of the folders that ProtectHome hides.
func underHome(path string) bool {
	return slices.ContainsFunc([]string{"/home", "/root", "/run/user"}, func(folder string) bool {
		return path == folder || strings.HasPrefix(path, folder+"/")
	})
}
