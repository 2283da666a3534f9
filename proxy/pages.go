package proxy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"strings"
)

//go:embed pages/error.html
var errorHTML string

// pages words the answers that gateway gives itself.
type pages struct {
	html    *template.Template
	listing *template.Template
}

func newPages() (*pages, error) {
	html, err := template.New("error.html").Parse(errorHTML)
	if err != nil {
		return nil, err
	}
	listing, err := newListingPage()
	return &pages{html, listing}, err
}

// errorPage is what a page says. Its JSON form is for programs: WeChat's
// wx.request reports success for every status, so that status and error must be
// found in the body.
type errorPage struct {
	Text   string `json:"error"`
	Status int    `json:"status"`
	ID     string `json:"request_id"`
	Title  string `json:"-"`
}

// write answers with a failure's page: the admin's own if there is one, else HTML
// for browsers and JSON for the rest.
func (p *pages) write(w http.ResponseWriter, r *http.Request, f failure, id string, own *ownPage) {
	var body []byte
	var kind string
	if own != nil {
		body, kind = own.body, own.kind
	} else {
		page := errorPage{Text: f.page, Status: f.status, ID: id, Title: http.StatusText(f.status)}
		body, kind = p.render(page, r.Header["Accept"])
	}
	h := w.Header()
	clear(h)
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Request-Id", id)
	if f.close {
		h.Set("Connection", "close")
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	if f.status == http.StatusMethodNotAllowed { // RFC 9110, section 15.5.6
		h.Set("Allow", f.allow)
	}
	if f.challenge != "" { // RFC 9110, section 11.6.1
		h.Set("Www-Authenticate", f.challenge)
	}
	w.WriteHeader(f.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // fails only for a client that is gone
	}
}

func (p *pages) render(page errorPage, accept []string) (body []byte, kind string) {
	var out bytes.Buffer
	if acceptsHTML(accept) && p.html.Execute(&out, page) == nil {
		return out.Bytes(), "text/html; charset=utf-8"
	}
	out.Reset()
	_ = json.NewEncoder(&out).Encode(page) // can't fail for strings and numbers
	return out.Bytes(), "application/json"
}

// acceptsHTML tells browsers from programs: browsers name text/html.
func acceptsHTML(accept []string) bool {
	for _, one := range splitList(accept) {
		kind, parameters, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(kind), "text/html") && !refusedByQuality(parameters) {
			return true
		}
	}
	return false
}

// refusedByQuality reports "q=0", which means "not this" (RFC 9110, section 12.4.2).
func refusedByQuality(parameters string) bool {
	_, q, found := strings.Cut(strings.ReplaceAll(strings.ToLower(parameters), " ", ""), "q=")
	q, _, _ = strings.Cut(q, ";")
	weight, err := strconv.ParseFloat(q, 64)
	return found && err == nil && weight == 0
}
