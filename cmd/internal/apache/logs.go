package apache

import (
	"slices"
	"strings"
)

// accessLog is the one access log: gateway writes one for all sites.
func (t *translation) accessLog(hosts []*host) {
	var logs []*Directive
	for _, h := range hosts {
		own := named(h.own, "CustomLog", "TransferLog")
		if len(own) == 0 {
			own = named(h.main, "CustomLog", "TransferLog")
		}
		for _, d := range own {
			if !slices.Contains(logs, d) {
				logs = append(logs, d)
			}
		}
	}
	paths := map[string]bool{}
	var kept []*Directive
	for _, d := range logs {
		path, ok := t.logPath(d)
		if len(d.Args) > 2 {
			t.ledger.missed(d, "gateway logs every request, not only those with "+d.arg(2), "filter the log where it is read")
			ok = ok && len(logs) == 1
		}
		if ok {
			paths[path] = true
			kept = append(kept, d)
		}
	}
	if len(kept) == 0 {
		return
	}
	path, _ := t.logPath(kept[0])
	t.log.set("access", path, kept...)
	t.logFormat(kept, len(paths) > 1)
}

// logPath is the file of a log. Programs that rotate are not needed.
func (t *translation) logPath(d *Directive) (string, bool) {
	written := d.arg(0)
	command, piped := strings.CutPrefix(written, "|")
	if !piped {
		if strings.HasPrefix(written, "syslog") {
			t.ledger.lost(d, "gateway writes files and standard output", `write access = "-": journald takes it from there`)
			return "", false
		}
		return t.absolute(written), true
	}
	command = strings.Trim(command, "|$ ")
	for _, word := range words(command) {
		if strings.HasPrefix(word, "/") && strings.Contains(command, "rotatelogs") && !strings.HasSuffix(word, "rotatelogs") {
			t.ledger.differently(d, "gateway rotates its log itself, see [log]")
			return strings.TrimRight(word[:firstOf(word, "%")], ".-_"), true
		}
	}
	t.ledger.lost(d, "gateway gives its log to no program", "let the program read the file, or gateway's standard output")
	return "", false
}

// firstOf is where a letter first stands in a text, or its end.
func firstOf(text, letter string) int {
	if i := strings.Index(text, letter); i >= 0 {
		return i
	}
	return len(text)
}

// logFormat is that of the first log. Where several become one, lines must tell
// of which site they are.
func (t *translation) logFormat(logs []*Directive, several bool) {
	if several {
		for _, d := range logs {
			t.ledger.differently(d, "all sites write into one file, with the site's name in front of each line")
		}
		t.log.set("format", "vhost_combined", logs...)
		return
	}
	format, from := t.formatOf(logs[0])
	if standard := standardFormats[format]; standard != "" {
		format = standard
	}
	if check := t.options.CheckLogFormat; check != nil {
		if err := check(format); err != nil {
			t.ledger.lost(logs[0], "gateway can't write this format: "+err.Error(), "write another format")
			return
		}
	}
	if format != "combined" {
		t.log.set("format", format, append(from, logs[0])...)
		return
	}
	for _, d := range from {
		t.ledger.notNeeded(d, "it is gateway's format when none is written")
	}
}

// standardFormats are the formats that have a name in gateway.
var standardFormats = map[string]string{
	`%h %l %u %t "%r" %>s %b`:                                      "common",
	`%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`:       "combined",
	`%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %I %O`: "combinedio",
	`%v:%p %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`: "vhost_combined",
	`%v:%p %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"`: "vhost_combined",
	`%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"`:       "combined",
}

// formatOf is the format of a log, written out.
func (t *translation) formatOf(d *Directive) (string, []*Directive) {
	written := d.arg(1)
	for _, f := range slices.Backward(t.formats(d)) {
		if written != "" && f.arg(1) == written {
			return f.arg(0), []*Directive{f}
		}
		if written == "" && len(f.Args) == 1 {
			return f.arg(0), []*Directive{f}
		}
	}
	if written == "" {
		return "common", nil
	}
	return written, nil
}

// formats are the LogFormat lines that a log of a host may name.
func (t *translation) formats(log *Directive) []*Directive {
	all := named(t.main, "LogFormat")
	for _, d := range t.tree.Directives {
		if d.Is("VirtualHost") && slices.Contains(d.Children, log) {
			all = append(all, named(d.Children, "LogFormat")...)
		}
	}
	return all
}

// errorLog is where gateway says what is wrong.
func (t *translation) errorLog(hosts []*host) {
	var first *Directive
	for _, h := range hosts {
		d := h.last("ErrorLog")
		if d == nil {
			continue
		}
		if first == nil {
			first = d
		}
		if d != first && d.arg(0) != first.arg(0) {
			t.ledger.differently(d, "gateway has one error log, named at "+first.Position.String()+"; its lines name the site")
		}
	}
	if first == nil {
		return
	}
	if written := first.arg(0); strings.HasPrefix(written, "syslog") || strings.HasPrefix(written, "|") || strings.HasPrefix(written, "/dev/") {
		t.ledger.differently(first, `gateway writes to standard error, which journald keeps`)
	} else {
		t.log.set("error", t.absolute(written), first)
		for _, h := range hosts {
			if d := h.last("ErrorLog"); d != nil && d.arg(0) == first.arg(0) {
				t.log.entry("error").come([]*Directive{d})
			}
		}
	}
	for _, d := range named(t.main, "LogLevel") {
		if slices.ContainsFunc(d.Args, func(level string) bool { return level == "debug" || strings.HasPrefix(level, "trace") }) {
			t.log.set("level", "debug", d)
		}
	}
}
