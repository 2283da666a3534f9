package proxy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// largestPage bounds a page for an error, which is kept in memory.
const largestPage Size = 1 << 20

// ownPage is an admin's own page for a status.
type ownPage struct {
	body     []byte
	kind     string // Content-Type
	override bool   // it also stands for the backend's
}

// ownPages are by status.
type ownPages map[int]*ownPage

func readPages(written []ErrorPage) (ownPages, error) {
	all := ownPages{}
	for _, one := range written {
		page, err := one.read()
		if err != nil {
			return nil, err
		}
		for _, status := range one.Status {
			if all[status] == nil { // the first one counts
				all[status] = page
			}
		}
	}
	return all, nil
}

// with puts the pages of a route before those of its site.
func (o ownPages) with(written []ErrorPage) (ownPages, error) {
	if len(written) == 0 {
		return o, nil
	}
	own, err := readPages(written)
	if err != nil {
		return nil, err
	}
	for status, page := range o {
		if own[status] == nil {
			own[status] = page
		}
	}
	return own, nil
}

func (p ErrorPage) read() (*ownPage, error) {
	if p.File == "" {
		return &ownPage{[]byte(p.Text + "\n"), "text/plain; charset=utf-8", p.Override}, nil
	}
	body, err := readAtMost(p.File, largestPage)
	kind := cmp.Or(webType(strings.ToLower(filepath.Ext(p.File))), "text/html; charset=utf-8")
	return &ownPage{body, kind, p.Override}, err
}

// readAtMost reads a whole file that is not too large.
func readAtMost(path string, most Size) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, plainCause(err))
	case !info.Mode().IsRegular():
		return nil, errors.New(path + " is no file")
	case info.Size() > int64(most):
		return nil, fmt.Errorf("%s has more than %s", path, most)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, plainCause(err))
	}
	return content, nil
}

// replace puts the page in the place of a backend's.
func (p *ownPage) replace(res *http.Response) {
	_ = res.Body.Close()
	for _, name := range []string{"Content-Encoding", "Content-Language", "Content-Disposition", "Content-Range", "Accept-Ranges", "Etag", "Last-Modified", "Trailer"} {
		delete(res.Header, name)
	}
	res.Header.Set("Content-Type", p.kind)
	res.Header.Set("Content-Length", strconv.Itoa(len(p.body)))
	res.ContentLength, res.TransferEncoding, res.Trailer = int64(len(p.body)), nil, nil
	if res.Body = http.NoBody; res.Request.Method != http.MethodHead {
		res.Body = io.NopCloser(bytes.NewReader(p.body))
	}
}

// ownPages are those of the route or, before it is known, of the site.
func (c *call) ownPages() ownPages {
	switch {
	case c.route != nil:
		return c.route.pages
	case c.site != nil:
		return c.site.pages
	default:
		return nil
	}
}
