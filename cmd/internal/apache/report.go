package apache

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Report is the account of every directive that is in effect.
type Report struct {
	File     string    `json:"file"`
	Layout   string    `json:"layout"`
	Items    []Item    `json:"directives"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// Item is what became of one directive.
type Item struct {
	Position
	Directive string `json:"directive"`
	Class     Class  `json:"class"`
	Lines     []int  `json:"lines,omitempty"` // of gateway's file
	Note      string `json:"note,omitempty"`  // how, why, or what breaks
	Do        string `json:"do,omitempty"`
	Matters   bool   `json:"matters,omitempty"` // not carried, and clients or safety feel it
	Use       string `json:"use,omitempty"`     // where the macro is used that it is of
}

// Matters reports whether something was not carried that clients, or the safety
// of what is served, feel.
func (r Report) Matters() bool {
	for _, item := range r.Items {
		if item.Matters {
			return true
		}
	}
	return false
}

// Count is how many directives are in a class.
func (r Report) Count(class Class) int {
	n := 0
	for _, item := range r.Items {
		if item.Class == class {
			n++
		}
	}
	return n
}

// report gives every directive its one class.
func (t *translation) report(p *printer) Report {
	r := Report{File: t.tree.Source.File, Layout: t.tree.Source.Layout, Items: []Item{}, Warnings: t.tree.Warnings}
	t.items(&r, p, t.tree.Directives, nil)
	return r
}

func (t *translation) items(r *Report, p *printer, ds []*Directive, within *Directive) {
	for _, d := range ds {
		lines := p.landed[d]
		if len(lines) > 0 {
			t.ledger.carried(d)
		}
		if !t.ledger.known(d) {
			t.ledger.put(d, t.otherwise(d, within, p))
		}
		v := t.ledger.of(d)
		item := Item{Position: d.Position, Directive: d.String(), Class: v.class, Lines: lines, Note: v.note, Do: v.do, Matters: v.matters}
		if d.Via != nil {
			item.Use = d.Via.String()
		}
		r.Items = append(r.Items, item)
		t.items(r, p, d.Children, d)
	}
}

// otherwise is the verdict on a directive that no step of the translation has
// touched: what is generally known of it, and else that it was not used.
func (t *translation) otherwise(d, within *Directive, p *printer) verdict {
	if within != nil {
		if outer := t.ledger.of(within); lasting(within) && outer.class != Carried && outer.class != Differently {
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
	case within != nil && within.Is("DirectoryMatch") && hidesDotfiles("/"+strings.TrimLeft(within.arg(0), "^.*/")):
		return verdict{class: NotNeeded, note: "gateway never sends files whose name begins with a dot"}, true
	case d.Is("DirectoryMatch") && hidesDotfiles("/"+strings.TrimLeft(d.arg(0), "^.*/")):
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

// harmlessHandlers make no program of a file.
var harmlessHandlers = [...]string{"type-map", "send-as-is", "default-handler"}

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

// heading is a part of the report for people.
type heading struct {
	title   string
	class   Class
	matters bool
}

var headings = [...]heading{
	{"NOT carried, and clients feel it", NotCarried, true},
	{"Not carried, and hardly missed", NotCarried, false},
	{"Carried differently", Differently, false},
	{"Carried", Carried, false},
	{"Not needed", NotNeeded, false},
}

func (r Report) chosen(h heading) []Item {
	return slices.DeleteFunc(slices.Clone(r.Items), func(i Item) bool { return i.Class != h.class || i.Matters != h.matters })
}

// grouped writes items one a line; those that follow each other and differ in
// their words only become one.
func grouped(items []Item) []string {
	var lines []string
	for i := 0; i < len(items); {
		end := i + 1
		for end < len(items) && items[end].follows(items[i]) {
			end++
		}
		text := items[i].String()
		if more := end - i - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more like it down to line %d)", more, items[end-1].Line)
		}
		lines = append(lines, text)
		i = end
	}
	return lines
}

// follows reports an item of the same file, name and fate as an earlier one.
func (i Item) follows(first Item) bool {
	name, _, _ := strings.Cut(i.Directive, " ")
	firstName, _, _ := strings.Cut(first.Directive, " ")
	return i.File == first.File && name == firstName && i.Note == first.Note && i.Do == first.Do && slices.Equal(i.Lines, first.Lines)
}

// Print writes the report for people, what wants an eye first.
func (r Report) Print(w io.Writer) error {
	var out strings.Builder
	for _, heading := range headings {
		items := r.chosen(heading)
		if len(items) == 0 {
			continue
		}
		fmt.Fprintf(&out, "%s (%d):\n", heading.title, len(items))
		for _, one := range grouped(items) {
			fmt.Fprintf(&out, "  %s\n", one)
		}
		out.WriteString("\n")
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(&out, "warning: %s\n", warning)
	}
	fmt.Fprintf(&out, "%s (%s): %s: %s\n", r.File, r.Layout, plural(len(r.Items), "directive"), r.counts())
	_, err := io.WriteString(w, out.String())
	return err
}

func (r Report) counts() string {
	var parts []string
	for _, class := range Classes() {
		parts = append(parts, fmt.Sprintf("%d %s", r.Count(class), class))
	}
	return strings.Join(parts, ", ")
}

// String is one line of the report: where, what, why, what to do.
func (i Item) String() string {
	parts := []string{i.Position.String(), i.Directive}
	if len(i.Lines) > 0 {
		parts = append(parts, lineList(i.Lines))
	}
	for _, part := range []string{i.Note, i.Do} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if i.Use != "" {
		parts = append(parts, "used at "+i.Use)
	}
	return strings.Join(parts, ": ")
}

// lineList names lines of gateway's file, not too many.
func lineList(lines []int) string {
	if len(lines) == 1 {
		return fmt.Sprintf("line %d", lines[0])
	}
	shown := lines
	if len(shown) > mostOrigins {
		shown = shown[:mostOrigins]
	}
	text := "lines " + strings.Trim(strings.ReplaceAll(fmt.Sprint(shown), " ", ", "), "[]")
	if more := len(lines) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
