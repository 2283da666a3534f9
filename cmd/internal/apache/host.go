package apache

import (
	"slices"
	"strings"
)

// host is one virtual host with what it inherits, or the main server where no
// virtual host answers.
type host struct {
	section   *Directive // <VirtualHost>, nil for the main server
	main      []*Directive
	own       []*Directive // empty for the main server
	addresses []address    // as written
	listen    []address    // where its connections arrive
	listeners []*Directive // the Listen lines of these
	name      string       // ServerName without scheme and port
	aliases   []string
	tls       bool
	optional  bool         // SSLEngine optional
	plainFrom []*Directive // of the host without TLS on the same port
}

// last is the directive of this name that holds for the whole host, or nil: the
// last one in the virtual host, else the last outside of it.
func (h *host) last(name string) *Directive {
	if d := lastOf(h.own, name); d != nil {
		return d
	}
	return lastOf(h.main, name)
}

func lastOf(ds []*Directive, name string) *Directive {
	for _, d := range slices.Backward(ds) {
		if d.Is(name) && !d.Section {
			return d
		}
	}
	return nil
}

// on reports whether a directive of two values is set to "on".
func (h *host) on(name string) bool {
	d := h.last(name)
	return d != nil && strings.EqualFold(d.arg(0), "on")
}

// ownFirst are all directives of these names, those of the virtual host before
// those outside, as httpd merges lists of mappings.
func (h *host) ownFirst(names ...string) []*Directive {
	return append(named(h.own, names...), named(h.main, names...)...)
}

// mainFirst are all directives of these names in the order in which httpd merges
// settings: what comes later wins.
func (h *host) mainFirst(names ...string) []*Directive {
	return append(named(h.main, names...), named(h.own, names...)...)
}

// named are the directives and sections of these names.
func named(ds []*Directive, names ...string) []*Directive {
	var found []*Directive
	for _, d := range ds {
		if slices.ContainsFunc(names, d.Is) {
			found = append(found, d)
		}
	}
	return found
}

// names are the name and the aliases.
func (h *host) names() []string {
	if h.name == "" {
		return h.aliases
	}
	return append([]string{h.name}, h.aliases...)
}

// head is the line that a host is told of by: for the main server that of its
// first Listen.
func (h *host) head() *Directive {
	if h.section != nil || len(h.listeners) == 0 {
		return h.section
	}
	return h.listeners[0]
}

// scheme is what clients write in front of the host's name.
func (h *host) scheme() string {
	if h.tls {
		return "https"
	}
	return "http"
}
