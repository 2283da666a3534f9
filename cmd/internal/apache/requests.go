package apache

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Request is one that a rehearsal sends to both servers.
type Request struct {
	Method string   `json:"method"`
	URL    *url.URL `json:"-"`
}

func (r Request) String() string { return r.Method + " " + r.URL.String() }

// Requests are those of a list or a log, each once.
type Requests struct {
	All     []Request
	Unsafe  map[string]int // left out for their method
	Strange int            // lines that are no request
	More    int            // left out since there are too many
}

// mostRequests is how many different requests a rehearsal sends: a log of a year
// would keep both servers busy for hours.
const mostRequests = 2000

// logLine is common, combined and vhost_combined: the site and port, if they are
// there, the method and the target.
var logLine = regexp.MustCompile(`^(?:([A-Za-z0-9._\[\]:-]+):(\d+) )?\S+ \S+ .*?\[[^\]]+\] "([A-Z]+) ((?:[^"\\]|\\.)+) HTTP/\d[^"]*"`)

// ParseRequests reads one request a line: a URL, a path of the first site, either
// of them behind a method, or a line of httpd's access log. Requests that can
// change something at the backend are left out unless unsafe is set.
func ParseRequests(text io.Reader, places Places, unsafe bool) (Requests, error) {
	found := Requests{Unsafe: map[string]int{}}
	seen := map[string]bool{}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		r, ok := parseRequest(line, places)
		switch {
		case !ok:
			found.Strange++
		case !unsafe && r.Method != "GET" && r.Method != "HEAD":
			found.Unsafe[r.Method]++
		case seen[r.String()]:
		case len(found.All) == mostRequests:
			found.More++
		default:
			seen[r.String()] = true
			found.All = append(found.All, r)
		}
	}
	if err := lines.Err(); err != nil {
		return found, fmt.Errorf("the list of requests can't be read: %w", err)
	}
	return found, nil
}

func parseRequest(line string, places Places) (Request, bool) {
	if m := logLine.FindStringSubmatch(line); m != nil {
		port, _ := strconv.Atoi(m[2])
		return places.request(m[3], m[1], port, unescapeLog(m[4]))
	}
	method, target := "GET", line
	if words := strings.Fields(line); len(words) == 2 && strings.ToUpper(words[0]) == words[0] && !strings.Contains(words[0], "/") {
		method, target = words[0], words[1]
	}
	if strings.ContainsAny(target, " \t") {
		return Request{}, false
	}
	if strings.HasPrefix(target, "/") {
		return places.request(method, "", 0, target)
	}
	parsed, err := url.Parse(target)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return Request{}, false
	}
	parsed.Fragment = ""
	return Request{method, parsed}, true
}

// unescapeLog undoes what httpd does to quotes and odd bytes in its log.
func unescapeLog(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	if plain, err := strconv.Unquote(`"` + text + `"`); err == nil {
		return plain
	}
	return text
}

// Place is where a site of the imported file answers.
type Place struct {
	Name    string // of the site, not of one of its aliases
	TLS     bool
	Port    int
	Address string // to connect to, for an httpd on this machine
	Listen  string // as gateway's file has it
}

// Places are those of all sites, in the order of the file.
type Places []Place

// request makes the URL of a log line. Without a name it is the first site that
// speaks TLS, or else the first.
func (ps Places) request(method, name string, port int, target string) (Request, bool) {
	i := slices.IndexFunc(ps, func(p Place) bool { return (port == 0 || p.Port == port) && (name == "" && p.TLS || p.Name == name) })
	if i < 0 {
		i = slices.IndexFunc(ps, func(p Place) bool { return port == 0 || p.Port == port })
	}
	if i < 0 {
		return Request{}, false
	}
	if name == "" {
		name = ps[i].Name
	}
	parsed, err := url.Parse(ps[i].origin(name) + target)
	if err != nil || !strings.HasPrefix(target, "/") {
		return Request{}, false
	}
	return Request{method, parsed}, true
}

func (p Place) origin(name string) string {
	scheme, usual := "http", 80
	if p.TLS {
		scheme, usual = "https", 443
	}
	if p.Port == usual {
		return scheme + "://" + name
	}
	return fmt.Sprintf("%s://%s:%d", scheme, name, p.Port)
}
