// Package certs decides which certificate a client is shown, and on which terms
// TLS is spoken.
//
// Three promises hold whatever happens to the files:
//
//   - a running gateway never trades a certificate that clients accept for one
//     that they would refuse: a torn, mismatched, expired or misnamed replacement
//     is told to the admin, and the last good pair stays in use;
//   - Apply changes everything or nothing;
//   - a handshake never waits for a disk, a lock or another machine.
//
// What is wrong with a certificate is a Problem. A Fatal one can't be served, so
// that gateway does not start with it. An Error is served, because an expired
// certificate must not keep all other sites from starting at boot, but clients
// will refuse it. A Warning works.
package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// What the key "certificate" of a site may say.
const (
	FromFiles = "files" // installed files, as a CA hands them out
	FromACME  = "acme"  // obtained and renewed from an ACME CA
	FromLocal = "local" // made by a private CA in the state folder
)

// Config is the certificate part of a [[site]].
type Config struct {
	Certificate string `toml:"certificate"` // "files", "acme" or "local"
	Files       Paths  `toml:"files"`       // a folder, or a list of PEM files, as the CA sent them
}

// Report receives one problem of a configuration: the key below the table that
// is validated, what is wrong with it, and what to write instead.
type Report func(key, wrong, instead string)

// Paths is one path or a list of paths.
type Paths []string

// UnmarshalTOML reads a string or a list of strings.
func (p *Paths) UnmarshalTOML(value any) error {
	switch value := value.(type) {
	case string:
		*p = Paths{value}
		return nil
	case []any:
		return p.fromList(value)
	}
	return fmt.Errorf("%v is neither a path nor a list of paths: write a folder such as \"/etc/gateway/ssl\", or a list of files in brackets", value)
}

func (p *Paths) fromList(values []any) error {
	list := make(Paths, 0, len(values))
	for _, value := range values {
		path, ok := value.(string)
		if !ok {
			return fmt.Errorf("%v in the list is not a path: write every path between double quotes", value)
		}
		list = append(list, path)
	}
	*p = list
	return nil
}

// Validate reports what is wrong with the words of the configuration and with
// the paths that it names; what the files hold is judged by Inspect. It is meant
// for sites that speak TLS on at least one address.
func (c Config) Validate(report Report) {
	switch c.Certificate {
	case FromFiles:
		c.Files.validate(report)
	case FromLocal, FromACME:
		if len(c.Files) > 0 {
			report("files", fmt.Sprintf("is of no use with certificate = %q", c.Certificate), `write certificate = "files", or leave "files" out`)
		}
	case "":
		report("certificate", "is missing", `write certificate = "files" and files = "/etc/gateway/ssl", or certificate = "acme", or "local" to try it out`)
	default:
		report("certificate", fmt.Sprintf("%q is unknown", c.Certificate), `write "files", "acme" or "local"`)
	}
}

func (p Paths) validate(report Report) {
	if len(p) == 0 {
		report("files", `is missing, and certificate = "files" needs it`, `write files = "/etc/gateway/ssl", the folder with the certificate and its key`)
		return
	}
	for i, path := range p {
		switch {
		case strings.TrimSpace(path) == "":
			report("files", "holds an empty path", `write a folder such as "/etc/gateway/ssl", or a list of files`)
		case slices.Contains(p[:i], path):
			report("files", path+" is listed twice", "write each file once")
		default:
			validatePath(path, report)
		}
	}
}

func validatePath(path string, report Report) {
	if _, err := os.Stat(path); err != nil {
		report("files", path+": "+plainError(err), "write a folder or files that exist and that gateway may read")
		return
	}
	file, err := openQuickly(path)
	if err != nil {
		report("files", path+": "+plainError(err), "write a path that gateway may read, or let it: see the owner and mode with ls -l")
		return
	}
	_ = file.Close() // nothing was written
}

// plainError says what the operating system said, without the path that the
// caller has named already.
func plainError(err error) string {
	var wrapped *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read by the user that gateway runs as"
	case errors.As(err, &wrapped):
		return wrapped.Err.Error()
	}
	return err.Error()
}
