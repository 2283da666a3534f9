package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// validateFolders checks that gateway can write where the file tells it to.
func (c *Config) validateFolders(f *findings) {
	c.validateSocket(f)
	c.validateMetrics(f)
	if c.State == "" {
		f.addUnlessSettled("state", "is empty", `write the folder for what gateway keeps, such as "/var/lib/gateway"`)
	} else {
		checkFolder(f, "state", c.State)
	}
	c.validateLogs(f)
}

// validateLogs checks that each log has a file of its own, since whoever puts
// one aside would take it from the other.
func (c *Config) validateLogs(f *findings) {
	keys, logs := []string{"log.access", "log.error"}, []string{c.Log.Access, c.Log.Error}
	for i, backend := range c.Backends {
		keys, logs = append(keys, elementPath("backend", i)+".log"), append(logs, backend.Log)
	}
	owner := map[string]string{}
	for i, path := range logs {
		if path == "" || path == "-" {
			continue
		}
		if first, taken := owner[path]; taken {
			f.addUnlessSettled(keys[i], fmt.Sprintf("is the file of line %d too", f.lines.nearest(first)), "write another file")
			continue
		}
		owner[path] = keys[i]
		checkLogFile(f, keys[i], path)
	}
}

// maxSocketPath is the longest path of a unix socket in bytes: 107 on Linux,
// 103 on macOS (sun_path less the closing NUL).
const maxSocketPath = len(unix.RawSockaddrUnix{}.Path) - 1

// validateMetrics wants an address of this machine alone or of one network: what
// is told there is for admins.
func (c *Config) validateMetrics(f *findings) {
	if c.Admin.Metrics == "" {
		return
	}
	at, err := netip.ParseAddrPort(c.Admin.Metrics)
	if err != nil || at.Port() == 0 || at.Addr().IsUnspecified() {
		f.addUnlessSettled("admin.metrics", fmt.Sprintf("%q is not one address with a port; what is told there is not for everybody", c.Admin.Metrics),
			`write "127.0.0.1:7880", or the address of this machine in a network of your own`)
	}
}

func (c *Config) validateSocket(f *findings) {
	switch path := c.Admin.Socket; {
	case path == "":
		f.addUnlessSettled("admin.socket", "is empty", "write a path such as "+quote(Default().Admin.Socket))
	case len(path) > maxSocketPath:
		f.addUnlessSettled("admin.socket", fmt.Sprintf("the path has %d bytes, and a socket's can have %d", len(path), maxSocketPath),
			"write a shorter one, such as "+quote(Default().Admin.Socket))
	case f.lines.at["admin.socket"] == 0:
		// Nobody asked for the usual place. Where it is not to be had, gateway serves
		// all the same and says that it cannot be asked.
	default:
		checkFolder(f, "admin.socket", filepath.Dir(path))
	}
}

// checkLogFile reports a file that gateway could not append to or make.
func checkLogFile(f *findings, key, path string) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		f.addUnlessSettled(key, path+" is a folder", "write a file in it, such as "+quote(filepath.Join(path, "gateway.log")))
	case err == nil && unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) != nil:
		f.addUnlessSettled(key, fmt.Sprintf("%s can not be written by user id %d", path, os.Geteuid()), "give that user the right to write it, or write another path")
	case err != nil:
		checkFolder(f, key, filepath.Dir(path))
	}
}

// checkFolder reports a folder that gateway could neither write to nor make.
func checkFolder(f *findings, key, folder string) {
	at, err := nearestExisting(folder)
	if err != nil {
		f.addUnlessSettled(key, err.Error(), "write a folder that gateway can write to")
		return
	}
	if err := unix.Faccessat(unix.AT_FDCWD, at, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		f.addUnlessSettled(key, fmt.Sprintf("user id %d can not write to %s: %v", os.Geteuid(), at, err),
			"give that user the right to write there, run gateway as root, or write another path")
	}
}

// nearestExisting is the folder itself or, if it is still to be made, the
// nearest folder above it that exists.
func nearestExisting(folder string) (string, error) {
	for {
		info, err := os.Stat(folder)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("%s is not a folder", folder)
		case err == nil:
			return folder, nil
		case errors.Is(err, unix.ENOTDIR):
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("%s: %s", folder, plainCause(err))
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", fmt.Errorf("%s: %w", folder, err)
		}
		folder = above
	}
}
