package apache

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Difference is what two servers made differently of one request.
type Difference struct {
	Request string `json:"request"`
	What    string `json:"what"` // "status", "body" or a header's name
	Apache  string `json:"apache"`
	Gateway string `json:"gateway"`
}

func (d Difference) String() string {
	return fmt.Sprintf("%s: %s: Apache %s, gateway %s", d.Request, d.What, d.Apache, d.Gateway)
}

// Rehearsal sends requests to the live httpd and to the imported file.
type Rehearsal struct {
	Places  Places
	Gateway map[string]string // address of the imported site, by Place.Listen
}

// longestOwnPage is more than httpd writes for any error.
const longestOwnPage = 2000

// patienceFor is how long an answer may take, and largestBody how much of it is
// compared.
const (
	patienceFor = 30 * time.Second
	largestBody = 8 << 20
)

// IgnoredHeaders are not compared: they tell of the moment, of the connection, of
// the server itself, or follow from how it numbers its files.
func IgnoredHeaders() []string {
	return []string{"Date", "Server", "Age", "Connection", "Keep-Alive", "Upgrade", "Transfer-Encoding", "X-Request-Id", "Etag", "Accept-Ranges"}
}

// answer is what is compared of a response.
type answer struct {
	status int
	header http.Header
	body   string
}

// Run sends all requests, one after the other, and returns what differs. Where
// httpd itself answers in another way when it is asked again, that is left out.
func (r Rehearsal) Run(ctx context.Context, requests []Request) ([]Difference, error) {
	live := newClient(func(p Place) string { return p.Address }, r.Places)
	imported := newClient(func(p Place) string { return r.Gateway[p.Listen] }, r.Places)
	defer live.CloseIdleConnections()
	defer imported.CloseIdleConnections()
	var all []Difference
	for _, request := range requests {
		found, err := compareOne(ctx, live, imported, request)
		if err != nil {
			return all, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func compareOne(ctx context.Context, live, imported *http.Client, request Request) ([]Difference, error) {
	first, err := ask(ctx, live, request)
	if err != nil {
		return nil, fmt.Errorf("%s: the live Apache does not answer: %w: see that it runs on this machine, and that the list names its sites and ports", request, err)
	}
	other, err := ask(ctx, imported, request)
	if err != nil {
		return []Difference{{request.String(), "answer", fmt.Sprint(first.status), err.Error()}}, ctx.Err()
	}
	found := compareAnswers(request, first, other)
	if len(found) == 0 || request.Method != "GET" && request.Method != "HEAD" {
		return found, nil
	}
	second, err := ask(ctx, live, request)
	if err != nil {
		return found, ctx.Err()
	}
	varying := compareAnswers(request, first, second)
	return slices.DeleteFunc(found, func(d Difference) bool {
		return slices.ContainsFunc(varying, func(v Difference) bool { return v.What == d.What })
	}), nil
}

// newClient connects to where a place is, whatever DNS says. Certificates are not
// checked: what is compared are answers, the imported file may show a certificate
// made for the rehearsal, and nothing secret is sent.
func newClient(address func(Place) string, places Places) *http.Client {
	dialer := &net.Dialer{Timeout: patienceFor}
	transport := &http.Transport{
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
		TLSNextProto:       map[string]func(string, *tls.Conn) http.RoundTripper{},
		DisableCompression: true,
		DialContext: func(ctx context.Context, network, wanted string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(wanted)
			for _, p := range places {
				if fmt.Sprint(p.Port) == port {
					return dialer.DialContext(ctx, network, address(p))
				}
			}
			return nil, fmt.Errorf("no site of the configuration has port %s", port)
		},
	}
	return &http.Client{Transport: transport, Timeout: patienceFor, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func ask(ctx context.Context, client *http.Client, request Request) (answer, error) {
	out, err := http.NewRequestWithContext(ctx, request.Method, request.URL.String(), nil)
	if err != nil {
		return answer{}, err
	}
	out.Header.Set("User-Agent", "gateway-rehearsal")
	out.Header.Set("Accept", "*/*")
	res, err := client.Do(out)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, largestBody))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return answer{}, err
	}
	return answer{res.StatusCode, res.Header, string(body)}, nil
}

// compareAnswers lists differences. Pages that a server writes in its own words,
// for errors and redirects, are not compared, nor is what follows from them.
func compareAnswers(request Request, a, g answer) []Difference {
	var found []Difference
	add := func(what, apache, gateway string) {
		if apache != gateway {
			found = append(found, Difference{request.String(), what, apache, gateway})
		}
	}
	add("status", fmt.Sprint(a.status), fmt.Sprint(g.status))
	own := a.ownPage()
	for _, name := range headerNamesOf(a.header, g.header) {
		if slices.Contains(IgnoredHeaders(), name) || own && strings.HasPrefix(name, "Content-") || a.status != g.status && strings.HasPrefix(name, "Content-") {
			continue
		}
		add(name, shownValues(a.header[name]), shownValues(g.header[name]))
	}
	if a.status == g.status && !own && a.body != g.body {
		found = append(found, Difference{request.String(), "body", fmt.Sprintf("%d bytes", len(a.body)), fmt.Sprintf("%d bytes%s", len(g.body), firstDifference(a.body, g.body))})
	}
	return found
}

// ownPage reports a page in httpd's own words.
func (a answer) ownPage() bool {
	return a.status >= 300 && (a.body == "" || strings.Contains(a.body, fmt.Sprintf("<title>%d ", a.status)) && len(a.body) < longestOwnPage)
}

func headerNamesOf(a, b http.Header) []string {
	var names []string
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func shownValues(values []string) string {
	if len(values) == 0 {
		return "none"
	}
	return fmt.Sprintf("%q", values)
}

func firstDifference(a, b string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf(", other from byte %d on", i)
		}
	}
	return ""
}
