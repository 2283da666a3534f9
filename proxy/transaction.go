package proxy

import (
	"net"
	"net/http"
	"strings"
	"time"
)

// transaction is one request and what became of it: what a line of the access
// log is made of.
type transaction struct {
	exchange exchange
	request  *http.Request
	response recorder
	body     countedBody
	log      *AccessLog // where its line goes, when it waits for the response to leave

	start, end time.Time
	status     int
	written    int64 // bytes of the response body; of both directions' answer after an upgrade
	received   int64 // bytes read from the client for this request, head and body
	sent       int64 // bytes written to the client for this request, head and body
	nth        int64 // requests before this one on the connection
	aborted    bool  // the client or the handler cut the exchange short
}

func newTransaction(w http.ResponseWriter, r *http.Request) *transaction {
	space, r := workspaceFor(r)
	t := &space.transaction
	t.start, t.request, t.response.ResponseWriter = time.Now(), r, w
	t.exchange.start, t.exchange.conn = t.start, connOf(r.Context())
	space.exchange = &t.exchange
	if r.Body != nil && r.Body != http.NoBody {
		t.body.ReadCloser = r.Body
		t.request.Body = &t.body
	}
	if c := t.exchange.conn; c != nil {
		t.nth = c.account.requests.Add(1) - 1
	}
	return t
}

// finish takes down what is known when the handler has returned or panicked.
func (t *transaction) finish() {
	t.aborted = !t.response.returned || t.request.Context().Err() != nil
	t.status = t.response.outcome()
	if t.request.Method != http.MethodHead {
		t.written = t.response.body
	}
	if t.response.tunnel != nil {
		t.written = t.response.tunnel.written.Load()
	}
}

// close takes down what is known when the response has left.
func (t *transaction) close() {
	t.end = time.Now()
	if c := t.exchange.conn; c != nil && t.request.ProtoMajor == 1 {
		t.received, t.sent = c.account.take(c)
		return
	}
	// Requests of one HTTP/2 connection share it: what each would take as HTTP/1.1 stands for it.
	t.received = t.body.read.Load() + t.requestLineLen() + headLen(t.request.Header) + fieldLen("Host", t.request.Host)
	t.sent = t.written + int64(len("HTTP/1.1 200 OK")) + headLen(t.response.Header())
	if tunnel := t.response.tunnel; tunnel != nil {
		t.received += tunnel.read.Load()
	}
}

// headLen is the length of a head with these fields, without the text of its first line.
func headLen(h http.Header) int64 {
	n := int64(len("\r\n\r\n"))
	for name, values := range h {
		for _, value := range values {
			n += fieldLen(name, value)
		}
	}
	return n
}

func fieldLen(name, value string) int64 { return int64(len(name) + len(": \r\n") + len(value)) }

func (t *transaction) duration() time.Duration { return t.end.Sub(t.start) }

func (t *transaction) requestLineLen() int64 {
	if t.exchange.line != "" {
		return int64(len(t.exchange.line))
	}
	return int64(len(t.request.Method) + len(t.target()) + len(t.protocol()) + 2)
}

// appendRequestLine appends the request line without its secrets.
func appendRequestLine(line []byte, t *transaction) []byte {
	if t.exchange.line != "" {
		return appendEscaped(line, redactRequestLine(t.exchange.line))
	}
	line = append(appendEscaped(line, t.request.Method), ' ')
	line = append(appendEscaped(line, redact(t.target())), ' ')
	return append(line, t.protocol()...)
}

func (t *transaction) target() string {
	if t.request.RequestURI != "" {
		return t.request.RequestURI
	}
	return t.request.URL.RequestURI()
}

func (t *transaction) protocol() string { return t.request.Proto }

// path is the decoded path, as Apache's %U has it.
func (t *transaction) path() string { return redact(t.request.URL.Path) }

// query is the query string with its question mark, "" if there is none.
func (t *transaction) query() string {
	target := t.target()
	if i := strings.IndexByte(target, '?'); i >= 0 {
		return redact(target[i:])
	}
	return ""
}

func (t *transaction) tlsVersion() string {
	if t.request.TLS == nil {
		return ""
	}
	return tlsVersion(t.request.TLS.Version)
}

func (t *transaction) clientAddress() string {
	if t.exchange.client != "" {
		return t.exchange.client
	}
	return hostOf(t.request.RemoteAddr)
}

func (t *transaction) localAddress() string {
	if c := t.exchange.conn; c != nil && c.local != nil {
		return c.local.String()
	}
	if addr, ok := t.request.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return addr.String()
	}
	return ""
}

// hostName is the name the client asked for, without port, in lower case.
func (t *transaction) hostName() string {
	if t.request.Host == "" {
		return t.siteName()
	}
	return strings.ToLower(hostOf(t.request.Host))
}

// siteName is the canonical name of the site that answered; where there was
// none, as for a request without a known name, it is what the client asked for.
func (t *transaction) siteName() string {
	if t.exchange.site != "" {
		return t.exchange.site
	}
	return strings.ToLower(hostOf(t.request.Host))
}

// handlerName is what Apache names the handler of a proxied request.
func (t *transaction) handlerName() string {
	if t.exchange.backend != "" {
		return "proxy-server"
	}
	return ""
}

// connectionStatus is X when the exchange was cut short, + when the connection
// stays open for the next request, - when it was closed after this one.
func (t *transaction) connectionStatus() string {
	switch {
	case t.aborted:
		return "X"
	case t.response.tunnel != nil, t.request.Close, t.response.Header().Get("Connection") == "close":
		return "-"
	}
	return "+"
}

// responseField is a field of the response. Apache prints Content-Type without
// its parameters, and of repeated fields all of Set-Cookie and the first of others.
func (t *transaction) responseField(key string) []string {
	values := t.response.Header()[key]
	switch {
	case len(values) == 0 || key == "Set-Cookie":
		return values
	case key == "Content-Type":
		mediaType, _, _ := strings.Cut(values[0], ";")
		return []string{strings.TrimSpace(mediaType)}
	}
	return values[:1]
}

// trailer is a trailer field of the response, announced or not.
func (t *transaction) trailer(key string) []string {
	header := t.response.Header()
	if values := header[http.TrailerPrefix+key]; len(values) > 0 {
		return values
	}
	for _, announced := range header["Trailer"] {
		for name := range strings.SplitSeq(announced, ",") {
			if http.CanonicalHeaderKey(strings.TrimSpace(name)) == key {
				return header[key]
			}
		}
	}
	return nil
}

// hostOf is the host of host:port, without the brackets of an IPv6 address.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}
