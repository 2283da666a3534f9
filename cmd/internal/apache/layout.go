package apache

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Source is where a configuration lies, and what is known before its first line.
type Source struct {
	File      string            // the first file to read
	Root      string            // where relative paths start unless ServerRoot says otherwise
	Layout    string            // who arranges files so, for people: "Debian"
	Variables map[string]string // of envvars or sysconfig
	Defines   []string          // of the command line, -D NAME
}

// place is where a distribution or packager puts the configuration.
type place struct{ file, root, layout string }

// places are looked at in this order.
var places = [...]place{
	{"/etc/apache2/apache2.conf", "/etc/apache2", "Debian"},
	{"/etc/httpd/conf/httpd.conf", "/etc/httpd", "RHEL"},
	{"/etc/apache2/httpd.conf", "/etc/apache2", "SUSE or macOS"},
	{"/opt/homebrew/etc/httpd/httpd.conf", "/opt/homebrew/opt/httpd", "Homebrew"},
	{"/usr/local/etc/httpd/httpd.conf", "/usr/local/opt/httpd", "Homebrew"},
	{"/usr/local/etc/apache24/httpd.conf", "/usr/local", "FreeBSD"},
	{"/usr/local/apache2/conf/httpd.conf", "/usr/local/apache2", "the Apache project's own"},
}

// Find tells where the configuration lies: at path, which is its first file, one
// file of it, or the folder that holds it; or, without a path, where Debian,
// RHEL, SUSE, Homebrew, FreeBSD and the Apache project put it.
func Find(path string) (Source, error) {
	if path != "" {
		return findAt(path)
	}
	var looked []string
	for _, p := range places {
		if _, err := os.Stat(p.file); err == nil {
			return p.source(), nil
		}
		looked = append(looked, p.file)
	}
	return Source{}, fmt.Errorf("no configuration of Apache httpd is on this machine; looked for %s: name the file or its folder: gateway import apache PATH", strings.Join(looked, ", "))
}

func (p place) source() Source {
	s := Source{File: p.file, Root: p.root, Layout: p.layout}
	s.readEnvironment()
	return s
}

func findAt(path string) (Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Source{}, &Problem{Position{File: path}, "the configuration cannot be read", "name apache2.conf, httpd.conf or the folder that holds it", err}
	}
	if !info.IsDir() {
		return sourceAt(path), nil
	}
	for _, name := range []string{"apache2.conf", "conf/httpd.conf", "httpd.conf", "etc/apache2/apache2.conf", "etc/httpd/conf/httpd.conf"} {
		if file := filepath.Join(path, name); isFile(file) {
			return sourceAt(file), nil
		}
	}
	return Source{}, &Problem{Position{File: path}, "this folder holds neither apache2.conf nor httpd.conf", "name the first file of the configuration", nil}
}

// sourceAt guesses the root from where a file lies.
func sourceAt(file string) Source {
	absolute, err := filepath.Abs(file)
	if err != nil {
		absolute = file
	}
	for _, p := range places {
		if p.file == absolute {
			return p.source()
		}
	}
	s := Source{File: file, Root: filepath.Dir(absolute), Layout: "a single file"}
	switch folder := filepath.Base(s.Root); {
	case filepath.Base(file) == "apache2.conf":
		s.Layout = "Debian"
	case filepath.Base(file) == "httpd.conf" && folder == "conf":
		s.Root, s.Layout = filepath.Dir(s.Root), "RHEL"
	case filepath.Base(file) == "httpd.conf":
		s.Layout = "Homebrew"
	case folder == "sites-enabled", folder == "sites-available", folder == "conf-enabled", folder == "conf-available", folder == "conf.d", folder == "vhosts.d":
		s.Root = filepath.Dir(s.Root)
	}
	s.readEnvironment()
	return s
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// debianVariables are those of Debian's envvars, for a file that was taken out of
// its place.
func debianVariables() map[string]string {
	return map[string]string{
		"APACHE_RUN_USER": "www-data", "APACHE_RUN_GROUP": "www-data", "APACHE_RUN_DIR": "/var/run/apache2", "APACHE_PID_FILE": "/var/run/apache2/apache2.pid",
		"APACHE_LOCK_DIR": "/var/lock/apache2", "APACHE_LOG_DIR": "/var/log/apache2",
	}
}

var defineOption = regexp.MustCompile(`(?:^|\s)-D\s*([A-Za-z0-9_]+)`)

// readEnvironment takes in what the service starts httpd with. None of these
// files has to be there.
func (s *Source) readEnvironment() {
	s.Variables = debianVariables()
	for _, path := range []string{"envvars", "../sysconfig/httpd", "../sysconfig/apache2", "../default/apache2"} {
		text, err := readText(filepath.Join(s.Root, path))
		if err != nil {
			continue // a variable that is missed is told where it is used
		}
		for name, value := range parseEnvvars(text) {
			s.Variables[name] = value
		}
	}
	for _, name := range []string{"OPTIONS", "APACHE_ARGUMENTS"} {
		for _, match := range defineOption.FindAllStringSubmatch(s.Variables[name], -1) {
			s.Defines = append(s.Defines, match[1])
		}
	}
}

// readText reads one file of a configuration. What is no regular file, is too
// large or is no text is refused.
func readText(path string) (string, error) {
	at := Position{File: path}
	info, err := os.Stat(path)
	if err != nil {
		return "", &Problem{at, "cannot be read", remedyFor(err), err}
	}
	if !info.Mode().IsRegular() {
		return "", &Problem{at, "is no regular file", "name a file of text", nil}
	}
	raw, err := readUpTo(path, largestFile+1)
	if err != nil {
		return "", &Problem{at, "cannot be read", remedyFor(err), err}
	}
	if len(raw) > largestFile {
		at.Line = 1 + bytes.Count(raw, []byte("\n"))
		return "", &Problem{at, fmt.Sprintf("the file has %d bytes, and goes on where no configuration does", info.Size()), "see what this file is; leave it out if it is a log or an archive", nil}
	}
	return textOf(path, raw)
}

// readUpTo reads the beginning of a file: even one that grows is never read whole.
func readUpTo(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(file, most))
	return raw, errors.Join(err, file.Close())
}

func remedyFor(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "run the import as root, or copy the configuration to where you may read it"
	}
	return "see that the file is there, or take out the line that names it"
}
