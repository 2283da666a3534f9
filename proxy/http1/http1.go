// Package http1 is HTTP/1.1 on the wire, for a proxy that would rather not pay
// for what net/http does for everybody else. It knows nothing of gateway.
package http1
