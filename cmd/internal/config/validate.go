package config

// validate lets every room judge its part, then checks what none of them sees.
func (c *Config) validate(f *findings) {
	f.settleReferences()
	c.validateFolders(f)
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
