package config

import (
	"errors"
	"time"

	"gateway/certs"
)

// Check is Load for an admin who wants to know everything at once. Besides what
// keeps gateway from starting it tells what is wrong with the certificates that
// the file names: those that clients refuse are problems, though gateway starts
// with them, since an expired certificate must not take all other sites down at
// the next boot. Warnings work as they are. The Config is nil if there are
// problems with the file itself.
func Check(path string, now time.Time) (c *Config, problems, warnings Problems) {
	config, f, err := read(path)
	if err != nil {
		errors.As(err, &problems)
		return nil, problems, nil
	}
	if config == nil {
		return nil, f.sorted(), nil
	}
	if len(f.found) == 0 {
		c = config
	}
	mild := newFindings(f.file, f.lines)
	for i, site := range config.Sites {
		switch table := elementPath("site", i); {
		case len(tlsAddresses(site.Listen)) > 0:
			f.inspect(table, site, now, mild)
		case site.Certificate != "" && len(site.Listen) > 0:
			mild.addUnlessSettled(table+".certificate", "is of no use: every address in listen is plain HTTP, so no client is shown it",
				`write an address for TLS as well, such as ":443", or leave "certificate" out`)
		}
	}
	return c, f.sorted(), mild.sorted()
}

// inspect reports what is wrong with the certificate of one site, mild things
// apart.
func (f *findings) inspect(table string, site Site, now time.Time, mild *findings) {
	seen := certs.Site{Name: site.Name, Aliases: site.Aliases, Default: site.Default, Config: site.Config}
	for _, problem := range certs.Inspect(seen, now) {
		to := f
		if problem.Severity == certs.Warning {
			to = mild
		}
		to.addUnlessSettled(table+".files", problem.Subject+" "+problem.File+": "+problem.Cause, problem.Remedy)
	}
}
