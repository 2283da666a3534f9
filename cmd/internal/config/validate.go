package config

// validate lets every room judge its part, then checks what none of them sees.
func (c *Config) validate(f *findings) {
	f.settleReferences()
	c.validatePresence(f)
	c.validateFolders(f)
}

// validatePresence reports a file that would serve nothing.
func (c *Config) validatePresence(f *findings) {
	if len(c.Sites) == 0 {
		f.addUnlessSettled("site", "there is none, so nothing would be served", "write a [[site]] with name, listen, certificate and backend")
	}
	if len(c.Backends) == 0 {
		f.addUnlessSettled("backend", "there is none, so no request could be answered", "write a [[backend]] with name and url")
	}
}

// settleReferences silences complaints about unknown backends when a backend's
// name could not be read: it may well be the one that was meant.
func (f *findings) settleReferences() {
	unreadable := false
	for path := range f.settled {
		key := schemaKey(path)
		unreadable = unreadable || key == "backend" || key == "backend.name"
	}
	if !unreadable {
		return
	}
	for path := range f.lines.at {
		if key := schemaKey(path); key == "site.backend" || key == "site.route.backend" {
			f.settled[path] = true
		}
	}
}
