package config

import (
	"fmt"
	"regexp"
	"strings"

	"gateway/certs"
	"gateway/health/mail"
)

// validate lets every room judge its part, then checks what none of them sees.
func (c *Config) validate(f *findings) {
	c.settleReferences(f)
	c.Proxy().Validate(f.below(""))
	for i, site := range c.Sites {
		if len(site.Listen) == 0 || len(tlsAddresses(site.Listen)) > 0 {
			site.Config.Validate(f.below(elementPath("site", i)))
		}
	}
	c.validateACME(f)
	c.validateSupervision(f)
	if len(c.Sites) == 0 {
		f.addUnlessSettled("site", "is missing: there is nothing to serve", "write a [[site]] table with name, listen and backend")
	}
	if len(c.Backends) == 0 && !c.Proxy().AnswersWithoutBackend() {
		f.addUnlessSettled("backend", "there is none, so no request could be answered", "write a [[backend]] with name and url")
	}
	c.validateNotices(f)
	c.Setup.validate(f)
	c.validateFolders(f)
}

// validateNotices checks the ways by which admins hear, and the files that these
// name. About its text the room mail tells what to write without that word.
func (c *Config) validateNotices(f *findings) {
	write := func(table string) mail.Report {
		return func(key, wrong, instead string) { f.below("")(table+key, wrong, "write "+instead) }
	}
	c.Mail.Validate(write("mail."))
	c.Mail.CheckFiles(f.below("mail"))
	mail.ValidateWebhooks(c.Webhooks, write("webhook"))
	for i, webhook := range c.Webhooks {
		webhook.CheckFiles(f.below(elementPath("webhook", i)))
	}
}

// validateACME checks how certificates are obtained, and for which names.
func (c *Config) validateACME(f *findings) {
	c.ACME.Validate(f.below("acme"))
	for i, site := range c.Sites {
		if site.Certificate == certs.FromACME && len(tlsAddresses(site.Listen)) > 0 {
			c.ACME.ValidateNames(append([]string{site.Name}, site.Aliases...), f.below(elementPath("site", i)))
		}
	}
}

// validateSupervision leaves out a backend of which it is not known whether it
// has a command, and what its probe is: all its other keys hang on these.
func (c *Config) validateSupervision(f *findings) {
	for i, backend := range c.Backends {
		table := elementPath("backend", i)
		if !f.settled[table+".command"] && !f.settled[table+".probe"] && !f.settled[table+".probe.path"] {
			backend.Config.Validate(f.below(table))
		}
	}
}

// below is how a room reports about its table: its keys are relative to that.
func (f *findings) below(table string) func(key, wrong, instead string) {
	return func(key, wrong, instead string) {
		path := strings.Trim(table+"."+key, ".")
		f.addUnlessSettled(path, f.inLines(wrong), f.inLines(instead))
	}
}

// position is how rooms, which don't know lines, name another place of the file.
var position = regexp.MustCompile(`\b(site|backend|webhook|setup\.user|setup\.conda\.env)\[[0-9]+\](\.[a-z_]+(\[[0-9]+\])?)*`)

// inLines puts lines in place of the positions that a room's text names.
func (f *findings) inLines(text string) string {
	return position.ReplaceAllStringFunc(text, func(path string) string {
		line := fmt.Sprintf("line %d", f.lines.nearest(path))
		if strings.HasSuffix(path, "]") && isList(schemaKey(path)) {
			return "the [[" + schemaKey(path) + "]] of " + line
		}
		return line
	})
}

// settleReferences silences complaints about unknown backends when a backend's
// name is missing or could not be read: it may well be the one that was meant.
func (c *Config) settleReferences(f *findings) {
	nameless := len(c.Backends) == 0
	for i, backend := range c.Backends {
		nameless = nameless || backend.Name == "" || f.settled[elementPath("backend", i)+".name"]
	}
	if !nameless {
		return
	}
	for path := range f.lines.at {
		if key := schemaKey(path); key == "site.backend" || key == "site.route.backend" {
			f.settle(path)
		}
	}
}
