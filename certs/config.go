package certs

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
