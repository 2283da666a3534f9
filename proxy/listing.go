package proxy

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed pages/listing.html
var listingHTML string

// longestListing bounds how many names of a folder are shown.
const longestListing = 10_000

// listing is a folder as its page shows it.
type listing struct {
	Path    string
	Parent  bool
	Entries []listed
}

// listed is one line of a listing.
type listed struct {
	Href    string
	Name    string
	Size    string // "" for a folder
	Changed string // UTC, for people
}

func newListingPage() (*template.Template, error) {
	return template.New("listing.html").Parse(listingHTML)
}

// list answers with the names in a folder, hidden ones left out.
func (v *fileVisit) list(folder *os.File) {
	entries, err := folder.ReadDir(longestListing)
	if err != nil && !errors.Is(err, io.EOF) {
		v.handler.fail(v.call, noSuchFile(err))
		return
	}
	path := decode(v.call.target.path, true)
	var page bytes.Buffer
	if err := v.handler.pages.listing.Execute(&page, listing{path, path != "/", listedOf(entries)}); err != nil {
		v.handler.fail(v.call, noSuchFile(err))
		return
	}
	h := v.call.w.Header()
	h.Set("X-Request-Id", v.call.exchange.id)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	h.Set("X-Content-Type-Options", "nosniff")
	v.call.w.WriteHeader(http.StatusOK)
	if v.call.r.Method != http.MethodHead {
		_, _ = v.call.w.Write(page.Bytes()) // fails only for a client that is gone
	}
}

// listedOf is in the order of the names.
func listedOf(entries []fs.DirEntry) []listed {
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var all []listed
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || strings.HasPrefix(entry.Name(), ".") {
			continue // hidden, or removed meanwhile
		}
		one := listed{Name: entry.Name(), Size: strconv.FormatInt(info.Size(), 10), Changed: info.ModTime().UTC().Format(time.DateTime)}
		if entry.IsDir() {
			one.Name, one.Size = one.Name+"/", ""
		}
		one.Href = "./" + (&url.URL{Path: one.Name}).EscapedPath() // "./" lest "a:b" is taken for a scheme
		all = append(all, one)
	}
	return all
}
