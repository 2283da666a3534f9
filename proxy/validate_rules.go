package proxy

import (
	"fmt"
	"strings"
)

func (h Headers) validate(report Report) {
	for _, key := range append(h.requestKeys(), h.responseKeys()...) {
		for i, line := range key.lines {
			if _, err := parseChange(key.verb, line, key.isOurs); err != nil {
				reportError(report, index(key.key, i), err)
			}
		}
	}
}

func validatePages(report Report, pages []ErrorPage) {
	seen := map[int]bool{}
	for i, page := range pages {
		below := under(index("error_page", i), report)
		page.Validate(below)
		for j, status := range page.Status {
			if seen[status] {
				below(index("status", j), fmt.Sprintf("%d has a page already", status), "write each status once")
			}
			seen[status] = true
		}
	}
}

// Validate reports what one [[site.error_page]] can't mean.
func (p ErrorPage) Validate(report Report) {
	if len(p.Status) == 0 {
		report("status", "is missing", "write which statuses the page is for, such as [502, 503, 504]")
	}
	for i, status := range p.Status {
		if status < 400 || status > 599 {
			report(index("status", i), fmt.Sprintf("%d is no status of an error", status), "write one from 400 to 599")
		}
	}
	switch _, err := p.read(); {
	case p.File == "" && p.Text == "":
		report("file", "is missing", `write the file of the page, or text = "..."`)
	case p.File != "" && p.Text != "":
		report("text", "stands beside file", "write one of the two")
	case err != nil:
		report("file", err.Error(), fmt.Sprintf("write a file that gateway can read, with at most %s", largestPage))
	}
}

func (r Rules) validateLogin(report Report) {
	if strings.ContainsFunc(r.AuthRealm, func(c rune) bool { return c < ' ' || c > '~' }) {
		report("auth_realm", fmt.Sprintf("%q holds a character that not every browser shows", r.AuthRealm), "write it in letters, digits and spaces")
	}
	switch {
	case r.AuthFile == nil && r.AuthRealm != "":
		report("auth_realm", "stands without auth_file", "write the file with the users, or leave it out")
	case r.AuthFile != nil && *r.AuthFile != "":
		if _, err := readPasswords(*r.AuthFile); err != nil {
			report("auth_file", err.Error(), "write a file as htpasswd -B makes it, which gateway can read")
		}
	}
}
