package proxy

import (
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// forward has the backend answer an ordinary request, one that does not ask to
// switch the protocol. The backend and the client see what they see when
// httputil.ReverseProxy passes the request on, but no request and no header is
// copied twice, and there is mostly no timer.
func (h *Handler) forward(c *call, out *http.Request) {
	out.Header = c.parts.endToEnd(c.r.Header)
	c.readdress(out, c.r)
	if _, found := out.Header["User-Agent"]; !found {
		out.Header["User-Agent"] = []string{""} // else net/http names itself
	}
	out.Close = false
	c.parts.interim.begin(c.w)
	res, err := c.route.upstream.RoundTrip(out)
	c.parts.interim.end()
	if err != nil {
		h.failed(c.w, out, err)
		return
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		_ = res.Body.Close()
		h.failed(c.w, out, fmt.Errorf("backend switched to protocol %q, and nobody had asked for it", res.Header.Get("Upgrade")))
		return
	}
	dropHopByHop(res.Header)
	c.mapBack(res)
	h.relay(c, res)
}

// endToEnd is a header without what concerns only the connection that it came
// by. The values are shared with in, and must not be written to.
func (p *callParts) endToEnd(in http.Header) http.Header {
	out := p.header
	if out == nil || len(in) > mostReused {
		out = make(http.Header, len(in)+addedHeaders)
	}
	if len(in) <= mostReused {
		p.header = out
	}
	for name, values := range in {
		if !isHopByHop(name) {
			out[name] = slices.Clip(values)
		}
	}
	dropNamed(out, in["Connection"])
	if httpguts.HeaderValuesContainsToken(in["Te"], "trailers") {
		out["Te"] = []string{"trailers"}
	}
	return out
}

// mostReused is how many headers a request may have whose map is used again. A map
// does not shrink, and to go through a wide one for a few headers takes long.
const mostReused = 64

// addedHeaders is how many headers gateway adds to a request: Forwarded, X-Real-Ip,
// X-Request-Id, User-Agent and four of X-Forwarded.
const addedHeaders = 8

func dropHopByHop(h http.Header) {
	dropNamed(h, h["Connection"])
	for name := range h {
		if isHopByHop(name) {
			delete(h, name)
		}
	}
}

// dropNamed removes what Connection names (RFC 9110, section 7.6.1).
func dropNamed(h http.Header, connection []string) {
	for _, list := range connection {
		for name := range strings.SplitSeq(list, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
}

// isHopByHop reports headers that end here whether Connection names them or not,
// for not everybody does (RFC 2616, section 13.5.1).
func isHopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// relay answers with a backend's response.
func (h *Handler) relay(c *call, res *http.Response) {
	header := c.w.Header()
	add(header, res.Header)
	announced := len(res.Trailer)
	if announced > 0 {
		header["Trailer"] = append(header["Trailer"], strings.Join(slices.Sorted(maps.Keys(res.Trailer)), ", "))
	}
	c.w.WriteHeader(res.StatusCode)
	err := h.copyBody(c, res)
	_ = res.Body.Close() // only now are the trailers complete
	if err != nil {
		panic(http.ErrAbortHandler) // what was sent must not be taken for the whole
	}
	relayTrailer(c.w, res.Trailer, announced)
}

// relayTrailer sends trailers that were announced, in their number, under their
// name, and else under the name that tells the server that they are trailers.
func relayTrailer(w *pacedWriter, trailer http.Header, announced int) {
	if len(trailer) == 0 {
		return
	}
	_ = w.FlushError() // else the server gives a short body a length, and a trailer can't follow it
	if len(trailer) == announced {
		add(w.Header(), trailer)
		return
	}
	for name, values := range trailer {
		name = http.TrailerPrefix + name
		w.Header()[name] = append(w.Header()[name], values...)
	}
}

// add adds the values of from to what h has of them. A trailer that was announced
// and never came has no values; HTTP/2 servers wait forever for the frame of a name
// without one.
func add(h, from http.Header) {
	for name, values := range from {
		if len(values) == 0 {
			continue
		}
		if before := h[name]; len(before) > 0 {
			values = append(slices.Clip(before), values...)
		}
		h[name] = values
	}
}

// interim passes the interim responses of a backend on (RFC 9110, section 15.2)
// for as long as its final response has not come. http.Transport may tell of one
// later, from a goroutine of its own.
type interim struct {
	mu sync.Mutex
	w  *pacedWriter // nil before and after
}

func (i *interim) begin(w *pacedWriter) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.w = w
}

func (i *interim) end() { i.begin(nil) }

// pass is httptrace's Got1xxResponse.
func (i *interim) pass(status int, header textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.w == nil {
		return nil
	}
	h := i.w.Header()
	before := maps.Clone(h)
	add(h, http.Header(header))
	i.w.WriteHeader(status)
	clear(h)
	maps.Copy(h, before)
	return nil
}
