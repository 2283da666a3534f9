// Package hosttest boots a real Debian for the tests of `gateway setup`, so that
// what would be dangerous on the machine at hand is done to a system that is
// thrown away.
//
// A Host is a container of systemd-nspawn: its process 1 is systemd, its sshd,
// ufw, logind and journal are the real ones. Its root file system is an overlay
// in memory over an image that Boot makes once and keeps in the cache folder of
// the user. Its network is a namespace of its own, and so is that of the client
// from which ssh logs in; a pair of virtual cables joins the two, and nothing
// else. Neither the files nor the network nor the processes of the machine at
// hand are touched.
package hosttest

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Options say what is different from a plain host.
type Options struct {
	// Packages are Debian packages that the host has besides those that every host
	// has. Each set of packages is an image of its own, which takes a minute or two
	// to make the first time.
	Packages []string
	// Space is the size of the file system that takes every change, as mount(8)
	// writes it; "" is "1g".
	Space string
	// Seed is a script that /bin/sh runs in the booted host as root.
	Seed string
}

// Host is a booted system. Its methods end the test when they can't do their work.
type Host struct {
	name    string // of the machine, its cgroup, its folder, and the start of its network names
	dir     string
	options Options
	boot    *nspawn
}

// The addresses are for documentation (RFC 5737) and local (RFC 4193): no route
// leads to them or away from them.
const (
	Address    = "198.51.100.2" // of the host
	Address6   = "fd67:7477::2"
	ClientIs   = "198.51.100.1" // where SSH comes from
	ClientIs6  = "fd67:7477::1"
	namePrefix = "gwtest-"
)

// Boot starts a host and takes it down at the end of the test. It skips the test
// where no host can be booted.
func Boot(t testing.TB, o Options) *Host {
	t.Helper()
	needs(t)
	image := imageOf(t, o.Packages)
	h := &Host{name: namePrefix + strings.ToLower(rand.Text()[:8]), options: o}
	h.dir = filepath.Join(runFolder, h.name)
	claim(t, h.name)
	t.Cleanup(func() { h.takeDown(t) })
	must(t, h.mount(image))
	must(t, h.wire())
	h.start(t)
	if o.Seed != "" {
		h.Script(t, o.Seed)
	}
	return h
}

// mount lays an empty layer over the image. What is written goes to memory: an
// overlay's upper layer can't be an overlay, and in a container everything is.
func (h *Host) mount(image string) error {
	space := h.options.Space
	if space == "" {
		space = "1g"
	}
	if err := command("mount", "-t", "tmpfs", "-o", "mode=0700,size="+space, h.name, h.dir); err != nil {
		return err
	}
	for _, name := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(h.dir, name), 0o755); err != nil {
			return err
		}
	}
	// Without redirect_dir a folder of the image could not be renamed (EXDEV), which
	// no real file system refuses.
	layers := "redirect_dir=on,lowerdir=" + image + ",upperdir=" + h.dir + "/upper,workdir=" + h.dir + "/work"
	return command("mount", "-t", "overlay", "-o", layers, h.name, h.root())
}

// root is the host's root file system as it is seen from here: without what the
// host itself mounts, such as /run, /tmp and /proc.
func (h *Host) root() string { return filepath.Join(h.dir, "root") }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
