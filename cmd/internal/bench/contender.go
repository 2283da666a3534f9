package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// contender is a proxy that can be measured.
type contender struct {
	name    string
	program string // path of the binary
	version string
	gateway bool // whether it is a build of gateway

	// configure writes the files that it needs into the site's folder, and returns
	// the arguments that make it serve the site in the foreground.
	configure func(s site) ([]string, error)
}

// site is what every contender serves: one name, one certificate, one backend.
type site struct {
	dir         string // a folder of its own
	port        int    // on 127.0.0.1, TLS
	backend     string // address of the backend
	certificate string // PEM file of the leaf and its issuer
	key         string // PEM file
	workers     int    // processes or threads that serve
}

// file is a path in the site's folder.
func (s site) file(name string) string { return filepath.Join(s.dir, name) }

// write puts a file into the site's folder and returns its path.
func (s site) write(name, text string) (string, error) {
	return s.file(name), os.WriteFile(s.file(name), []byte(text), 0o644)
}

// siteName is what clients ask for. Every machine knows it, and load generators
// that cannot be told an address send it as the server name of TLS.
const siteName = "localhost"

// finder looks for a contender on this machine, or makes it in the folder. It
// tells what takes long.
type finder struct {
	name string
	find func(dir string, tell func(string)) (contender, error)
}

// finders are the contenders beside gateway, in the order of the table.
func finders() []finder {
	return []finder{
		{"nginx", findNginx},
		{"haproxy", findHAProxy},
		{"apache", findApache},
		{"caddy", findCaddy},
		{"httputil", findPlain},
	}
}

func finderNames() []string {
	var names []string
	for _, f := range finders() {
		names = append(names, f.name)
	}
	return names
}

// findContenders returns those that were asked for. It is an error if one of them
// cannot be had; without a wish the others are measured and tell says what is missing.
func findContenders(o options, dir string, tell func(string)) ([]contender, error) {
	var found []contender
	for _, b := range o.binaries {
		if !o.wants(b.name) {
			continue
		}
		c, err := findGateway(b)
		if err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	for _, f := range finders() {
		if !o.wants(f.name) {
			continue
		}
		c, err := f.find(dir, tell)
		switch {
		case err == nil:
			found = append(found, c)
		case len(o.only) > 0:
			return nil, err
		default:
			tell(fmt.Sprintf("not measured: %v", err))
		}
	}
	return found, nil
}

// look finds a program in PATH or where Debian keeps servers, which is not in the
// PATH of everybody.
func look(name, debianPackage string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: apt-get install %s", name, debianPackage)
}

// firstLine is the first line that a command prints, wherever it prints it.
func firstLine(program string, args ...string) (string, error) {
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %.200s", program, strings.Join(args, " "), err, out)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line), nil
}
