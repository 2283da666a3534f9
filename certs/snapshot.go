package certs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// maxFileSize bounds what is read of one file. A chain is a few KB; Debian's
	// bundle of all roots is 220 KB.
	maxFileSize = 1 << 20
	// maxEntries bounds a folder, which is read every few seconds.
	maxEntries = 1000
)

// file is one regular file as it was at the time of a snapshot.
type file struct {
	path   string
	data   []byte
	mode   fs.FileMode
	listed bool // named in the configuration, not found in a folder
}

// snapshot is everything that a site's paths held at one moment. Equal sums mean
// equal contents.
type snapshot struct {
	paths    []string
	files    []file
	problems []Problem
	folders  []string // folders inside the folder, for a better remedy
	sum      [sha256.Size]byte
}

// takeSnapshot reads all files. It never blocks on a FIFO or a device, and reads
// bounded amounts.
func takeSnapshot(paths []string) *snapshot {
	s := &snapshot{paths: paths}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			s.fault(path, Fatal, err)
		case info.IsDir():
			s.readFolder(path)
		default:
			s.readFile(path, true)
		}
	}
	s.sum = s.digest()
	return s
}

func (s *snapshot) readFolder(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		s.fault(folder, Fatal, err)
		return
	}
	if len(entries) > maxEntries {
		s.add(Fatal, brokenFile, folder, fmt.Sprintf("holds %d files, more than the %d that are looked at", len(entries), maxEntries),
			"make a folder with only the files of this certificate")
		return
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue // editors' and Kubernetes' own
		}
		s.readFile(filepath.Join(folder, entry.Name()), false)
	}
}

func (s *snapshot) readFile(path string, listed bool) {
	severity := Warning
	if listed {
		severity = Fatal
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		s.fault(path, severity, err)
	case info.IsDir():
		s.folders = append(s.folders, path)
	case !info.Mode().IsRegular():
		s.add(severity, skippedFile, path, "is not a regular file", "put the PEM file itself here")
	case info.Size() > maxFileSize:
		s.tooLarge(path, severity, info.Size(), listed)
	default:
		s.readContent(path, severity, listed)
	}
}

func (s *snapshot) tooLarge(path string, severity Severity, size int64, listed bool) {
	if !listed && !looksLikePEM(path) {
		return // an archive or a log beside the certificate
	}
	s.add(severity, brokenFile, path, fmt.Sprintf("has %d bytes, more than the %d that a certificate may have", size, maxFileSize),
		"put only the certificate, its chain and its key here")
}

func (s *snapshot) readContent(path string, severity Severity, listed bool) {
	opened, err := openQuickly(path)
	if err != nil {
		s.fault(path, severity, err)
		return
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		s.fault(path, severity, err)
		return
	}
	data, err := io.ReadAll(io.LimitReader(opened, maxFileSize))
	if err != nil {
		s.fault(path, severity, err)
		return
	}
	s.files = append(s.files, file{path: path, data: data, mode: info.Mode(), listed: listed})
}

// openQuickly opens for reading and returns at once even if the path has become
// a FIFO that nobody writes to.
func openQuickly(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// fault records that a path could not be read.
func (s *snapshot) fault(path string, severity Severity, err error) {
	cause, remedy := plainError(err), "put the file there, or correct the path in the configuration"
	target, linkErr := os.Readlink(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		remedy = fmt.Sprintf("let the user with id %d read it: see its owner and mode with ls -l %s", os.Geteuid(), shellQuoted(path))
	case errors.Is(err, fs.ErrNotExist) && linkErr == nil:
		cause = "is a link to " + target + ", which does not exist"
		remedy = "make the link point to the file, or remove it"
	}
	s.add(severity, brokenFile, path, cause, remedy)
}

func (s *snapshot) add(severity Severity, kind kind, path, cause, remedy string) {
	problem := aboutFile(kind, "file", path, cause, remedy)
	problem.Severity = severity
	s.problems = append(s.problems, problem)
}

func (s *snapshot) digest() (sum [sha256.Size]byte) {
	hash := sha256.New()
	for _, f := range s.files {
		fmt.Fprintf(hash, "%q %o %d\n", f.path, f.mode, len(f.data))
		hash.Write(f.data)
	}
	for _, problem := range s.problems {
		fmt.Fprintf(hash, "%q\n", problem.Error())
	}
	hash.Sum(sum[:0])
	return sum
}

// place is where the admin puts new files.
func (s *snapshot) place() string {
	if len(s.paths) == 1 {
		return s.paths[0]
	}
	return filepath.Dir(s.paths[0])
}

// looksLikePEM tells by the name whether a file is meant to hold certificates or
// a key.
func looksLikePEM(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".pem", ".crt", ".cer", ".cert", ".key", ".der", ".bundle", ".chain":
		return true
	}
	return false
}

// shellQuoted returns the path so that it can be pasted into a shell.
func shellQuoted(path string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,@:", r)
	}
	if strings.IndexFunc(path, func(r rune) bool { return !safe(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
