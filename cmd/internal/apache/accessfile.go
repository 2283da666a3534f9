package apache

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// mostLookedAt bounds the search for files of settings below a folder.
const mostLookedAt = 20_000

// accessFiles tells of files of settings in a folder and below it, which gateway
// does not read and which httpd does where AllowOverride lets it.
func (b *builder) accessFiles(all []*Directive, folder string) {
	d := lastOf(all, "AllowOverride")
	if d == nil || strings.EqualFold(d.arg(0), "none") {
		return
	}
	names := []string{".htaccess"}
	if named := b.host.last("AccessFileName"); named != nil {
		names = named.Args
	}
	found, whole := b.filesNamed(folder, names)
	for _, path := range found {
		b.ledger.lost(d, path+" holds settings, which gateway does not read", "import what it says with the rest: write its lines into a <Directory> for its folder, and import again")
	}
	if !whole {
		b.ledger.lost(d, fmt.Sprintf("more than %d files are below %s, of which the rest was not looked at for %s", mostLookedAt, folder, strings.Join(names, ", ")), "look for them by find")
	}
}

// search is what was found in a folder and below.
type search struct {
	found []string
	whole bool // all was looked at
}

// filesNamed are the files of these names in a folder and below. Sites often
// share a folder, so each is looked at once.
func (t *translation) filesNamed(folder string, names []string) ([]string, bool) {
	key := folder + "\n" + strings.Join(names, "\n")
	known, looked := t.searches[key]
	if !looked {
		known.found, known.whole = filesNamed(folder, names)
		t.searches[key] = known
	}
	return known.found, known.whole
}

func filesNamed(folder string, names []string) (found []string, whole bool) {
	seen := 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if seen++; seen > mostLookedAt {
			return fs.SkipAll
		}
		if err != nil {
			return nil // what can't be read is not served either
		}
		if !entry.IsDir() && slices.Contains(names, entry.Name()) {
			found = append(found, path)
		}
		return nil
	})
	return found, err == nil && seen <= mostLookedAt
}
