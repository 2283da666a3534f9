package apache

import (
	"slices"
	"strconv"
	"strings"
)

// errorPages are the ErrorDocument lines, the last of each status.
func (b *builder) errorPages(t *table, all []*Directive) {
	override := lastOf(all, "ProxyErrorOverride")
	pages := map[int]*Directive{}
	var statuses []int
	for _, d := range named(all, "ErrorDocument") {
		status, err := strconv.Atoi(d.arg(0))
		if err != nil || status < 400 || status > 599 {
			b.ledger.lost(d, d.arg(0)+" is no status of an error", "write one from 400 to 599")
			continue
		}
		if pages[status] == nil {
			statuses = append(statuses, status)
		}
		pages[status] = d
	}
	slices.Sort(statuses)
	for _, status := range statuses {
		if page := b.errorPage(pages[status], status); page != nil {
			if override != nil && !strings.EqualFold(override.arg(0), "off") && overrides(override, status) {
				page.set("override", true, override)
			}
			t.children = append(t.children, page)
		}
	}
}

// overrides reports whether ProxyErrorOverride On [status ...] means a status.
func overrides(d *Directive, status int) bool {
	return len(d.Args) < 2 || slices.Contains(d.Args[1:], strconv.Itoa(status))
}

// errorPage is one page: a text, or a file that httpd finds by its path.
func (b *builder) errorPage(d *Directive, status int) *table {
	written := d.arg(1)
	page := &table{header: "[[site.error_page]]"}
	page.set("status", []int{status}, d)
	switch {
	case strings.EqualFold(written, "default"):
		return nil
	case strings.Contains(written, "://") && !strings.ContainsAny(written, " \t"):
		b.ledger.lost(d, "gateway answers an error with its status and never with a redirect", "put a page into a file and name it in [[site.error_page]]")
		return nil
	case strings.HasPrefix(written, "/"):
		file := b.fileOf(written)
		if !isFile(file) {
			b.ledger.lost(d, "there is no file "+file+" that gateway could read for the page", "save the page into a file and name it in [[site.error_page]]")
			return nil
		}
		page.set("file", file, d)
	default:
		page.set("text", written, d)
	}
	return page
}

// fileOf is the file behind a path, by Alias or DocumentRoot.
func (b *builder) fileOf(path string) string {
	path, _, _ = strings.Cut(path, "?")
	for _, d := range b.host.ownFirst("Alias") {
		if within(path, d.arg(0)) && len(d.Args) > 1 {
			b.ledger.carried(d)
			return b.absolute(d.arg(1) + strings.TrimPrefix(path, d.arg(0)))
		}
	}
	if root := b.host.last("DocumentRoot"); root != nil {
		return b.absolute(root.arg(0) + path)
	}
	return path
}
