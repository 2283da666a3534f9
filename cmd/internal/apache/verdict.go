package apache

import (
	"slices"
	"strings"
)

// otherwise is the verdict on a directive that no step of the translation has
// touched: what is generally known of it, and else that it was not used.
func (t *translation) otherwise(d, within *Directive, p *printer) verdict {
	if within != nil {
		if outer := t.ledger.of(within); outer.class == NotCarried || lasting(within) && outer.class == NotNeeded {
			outer.note = "it is within " + within.String() + " of " + within.Position.String() + ": " + outer.note
			return outer
		}
	}
	if d.Section && sectionOnly(d) {
		if t.anyLanded(d, p) {
			return verdict{class: Carried, note: "by the lines within it"}
		}
		if len(d.Children) == 0 {
			return verdict{class: NotNeeded, note: "it is empty"}
		}
		return verdict{class: NotNeeded, note: "what is within it is told there"}
	}
	if v, sure := t.ordinary(d, within); sure {
		return v
	}
	known := knowledgeOf(d)
	switch {
	case known.class == NotCarried && slices.Contains([]string{"off", "none", "disabled"}, strings.ToLower(d.Text)):
		return verdict{class: NotNeeded, note: "it switches off what gateway does not do"}
	case known.class != Carried && known.class != Differently:
		return known
	case within != nil && !within.Is("VirtualHost") && !(known.class == Differently && known.note != ""):
		return verdict{NotCarried, "gateway has no place for it in " + within.String(), "see what it does there, and let the backend do it", true}
	case known.note != "":
		return known
	}
	return verdict{class: NotNeeded, note: "no site takes it over: another line says it, or nothing here uses it"}
}

// ordinary are lines of which it is clear what they come to where they stand.
func (t *translation) ordinary(d, within *Directive) (verdict, bool) {
	value := strings.ToLower(d.Text)
	switch {
	case d.Is("Require") && value == "all granted":
		return verdict{class: NotNeeded, note: "everybody may come unless allow or deny say otherwise"}, true
	case within != nil && within.Is("Directory") && !t.folders[within]:
		return verdict{class: NotNeeded, note: "no site sends files of this folder"}, true
	case within != nil && within.Is("DirectoryMatch") && hidesDotFolders(within.arg(0)):
		return verdict{class: NotNeeded, note: "gateway never sends files whose name begins with a dot"}, true
	case d.Is("DirectoryMatch") && hidesDotFolders(d.arg(0)):
		return verdict{class: NotNeeded, note: "gateway never sends files whose name begins with a dot"}, true
	case d.Is("AllowOverride") && value == "none":
		return verdict{class: NotNeeded, note: "gateway reads no .htaccess files"}, true
	case d.Is("KeepAlive") && value == "on":
		return verdict{class: NotNeeded, note: "connections are always kept open, see [timeouts] idle"}, true
	case d.Is("LogFormat"):
		return verdict{class: NotNeeded, note: "no log of a site uses it"}, true
	case d.Is("AddHandler") && slices.Contains(harmlessHandlers[:], strings.ToLower(d.arg(0))):
		return verdict{class: NotNeeded, note: "gateway sends files as they are"}, true
	case d.Is("SSLPassPhraseDialog") && (value == "builtin" || !t.sealedKey()):
		return verdict{class: NotNeeded, note: "no key here wants a passphrase"}, true
	case (d.Is("BrowserMatch") || d.Is("BrowserMatchNoCase") || d.Is("SetEnvIf")) && d.mendsBrowsers():
		return verdict{class: NotNeeded, note: "it is for browsers that are long gone"}, true
	case within != nil && (d.Is("Require") || d.Is("Order") || d.Is("Allow") || d.Is("Deny")) && sectionOnly(within) && !within.Is("Files") && !within.Is("FilesMatch"):
		return verdict{class: NotNeeded, note: "a later section for these paths says who may come"}, true
	case d.Is("ServerName") || d.Is("ServerAlias"):
		return verdict{class: NotNeeded, note: "no site is made of it"}, true
	}
	return verdict{}, false
}

// mendsBrowsers reports variables by which httpd humours old browsers.
func (d *Directive) mendsBrowsers() bool {
	for _, word := range d.Args[min(1, len(d.Args)):] {
		name, _, _ := strings.Cut(word, "=")
		if !slices.Contains([]string{"nokeepalive", "downgrade-1.0", "force-response-1.0", "redirect-carefully", "ssl-unclean-shutdown", "gzip-only-text/html", "no-gzip", "!no-gzip", "!gzip-only-text/html"}, name) {
			return false
		}
	}
	return true
}

// sealedKey reports whether one of the keys is encrypted.
func (t *translation) sealedKey() bool {
	for _, s := range t.sites {
		for _, path := range t.certificate(s.host).list("files") {
			if text, err := readText(path); err == nil && strings.Contains(text, "ENCRYPTED") {
				return true
			}
		}
	}
	return false
}

// lasting reports sections whose own verdict says what becomes of all in them.
func lasting(d *Directive) bool {
	for _, name := range []string{"If", "ElseIf", "Else", "Limit", "LimitExcept", "VirtualHost", "ProxyMatch", "DirectoryMatch", "AuthnProviderAlias", "AuthzProviderAlias", "MDomain"} {
		if d.Is(name) {
			return true
		}
	}
	return false
}

// sectionOnly reports sections that only hold others.
func sectionOnly(d *Directive) bool {
	for _, name := range []string{"Location", "LocationMatch", "Directory", "Files", "FilesMatch", "Proxy", "RequireAll", "RequireAny", "RequireNone"} {
		if d.Is(name) {
			return true
		}
	}
	return false
}

func (t *translation) anyLanded(d *Directive, p *printer) bool {
	for _, child := range d.Children {
		if len(p.landed[child]) > 0 || t.anyLanded(child, p) {
			return true
		}
	}
	return false
}
