package proxy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// destination is where redirect sends clients, or what rewrite asks the backend
// for: a URL or a path with placeholders. The client's query is kept unless the
// destination has a query of its own, be it an empty one.
type destination struct {
	filling
	hasQuery bool
}

// destinationNames are the placeholders of a destination. A route with a regular
// expression has its groups, the others have what follows their path.
func destinationNames(byPattern bool, groups int) []string {
	names := []string{"path", "query", "scheme", "host", "port"}
	if !byPattern {
		return append(names, "rest")
	}
	for i := 1; i <= min(groups, 9); i++ {
		names = append(names, strconv.Itoa(i))
	}
	return names
}

func parseDestination(written string, names []string) (destination, error) {
	f, err := parseFilling(written, names)
	d := destination{filling: f}
	if err != nil {
		return d, err
	}
	for i, s := range f {
		if strings.ContainsFunc(s.text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return d, errors.New("it holds a character that cannot be seen: type it again")
		}
		d.filling[i].text = spelled(s.text)
		d.hasQuery = d.hasQuery || strings.Contains(s.text, "?")
		if s.name == "query" && !d.hasQuery {
			return d, errors.New(`{query} stands before any "?": leave it out, since the client's query is kept anyway, or write "?{query}"`)
		}
	}
	return d, nil
}

// parseRedirect reads a URL, or a path of the same site.
func parseRedirect(written string, names []string) (destination, error) {
	d, err := parseDestination(written, names)
	if err != nil || isPathOfSite(written) {
		return d, err
	}
	for _, scheme := range []string{"https://", "http://", "{scheme}://"} {
		if rest, found := strings.CutPrefix(written, scheme); found {
			return d, checkHost(rest, names)
		}
	}
	return d, fmt.Errorf("%q is neither a URL nor a path: write it with https:// or, for a path of this site, with a slash in front", written)
}

// parseRewrite reads a path.
func parseRewrite(written string, names []string) (destination, error) {
	d, err := parseDestination(written, names)
	switch {
	case err != nil:
		return d, err
	case !isPathOfSite(written):
		return d, fmt.Errorf("%q is no path: write it with one slash in front", written)
	case strings.Contains(written, "#"):
		return d, errors.New(`"#" begins what only browsers know: leave it out`)
	}
	return d, nil
}

func isPathOfSite(written string) bool {
	return strings.HasPrefix(written, "/") && !strings.HasPrefix(written, "//") || strings.HasPrefix(written, "{path}")
}

// checkHost looks at a URL from its host on. What a client wrote may follow the
// host only behind a slash: "example.com{rest}" would let the client make it
// example.com.another.org.
func checkHost(rest string, names []string) error {
	f, err := parseFilling(rest, names)
	switch {
	case err != nil:
		return err
	case len(f) == 0 || strings.HasPrefix(rest, "/"):
		return errors.New("it names no host: write one, such as https://www.example.com{path}")
	}
	for _, s := range f {
		switch {
		case strings.ContainsAny(s.text, "/?#") || s.name == "path":
			return nil
		case s.name != "" && s.name != "host" && s.name != "port":
			return fmt.Errorf("{%s} follows the host without a slash, so that a client could name another host: write a slash before it", s.name)
		}
	}
	return nil
}

// spelled writes with percent signs what a URL can't hold as it is.
func spelled(text string) string {
	if !strings.ContainsFunc(text, notInURL) {
		return text
	}
	var out strings.Builder
	for i := range len(text) {
		if c := text[i]; notInURL(rune(c)) {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

// notInURL finds what has no place in any part of a URL (RFC 3986, appendix A).
// The backslash matters most: browsers read "/\host" as "//host".
func notInURL(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>\\^`{|}", r)
}

// of fills the destination in for one request.
func (d destination) of(t target, value func(name string) string) string {
	to, fragment, hasFragment := strings.Cut(d.fill(value), "#")
	switch {
	case d.hasQuery:
		to = strings.TrimRight(to, "?&")
	case t.hasQuery:
		to += "?" + t.query
	}
	if hasFragment {
		to += "#" + fragment
	}
	return to
}

// prefix tells what stands before {rest}, if that ends the destination: such a
// path is one prefix in the place of another, which can be mapped back.
func (d destination) prefix() (prefix string, ok bool) {
	if len(d.filling) != 2 || d.filling[1].name != "rest" || d.hasQuery {
		return "", false
	}
	return d.filling[0].text, true
}
