// Package control lets another process ask and tell a running gateway:
// `gateway status`, `gateway reload`, `gateway backend restart`.
//
// It is HTTP over a unix socket. A call is POST /v1/NAME with one JSON value;
// the answer is one JSON value, or a stream of bytes; an error travels as its
// text. Who may call is decided twice: by the socket's mode, 0600, and by the
// kernel's word on who is at the other end: root, or the user that gateway
// itself runs as. One process owns a socket at a time, proved by a lock on the
// file beside it, so that what a killed gateway left behind is told from a
// gateway that lives.
package control

import (
	"fmt"
	"os/user"
	"strconv"
	"time"
)

const (
	prefix = "/v1/"
	// errorTrailer carries the error of a stream that had already begun, as a
	// quoted ASCII string; a stream that went well ends with it empty.
	errorTrailer = "Gateway-Error"

	mostRequest = 1 << 20  // bytes of a call's JSON
	mostAnswer  = 64 << 20 // bytes of an answer's JSON

	ioTimeout = 10 * time.Second // to read a call, and to write an answer that is no stream
	grace     = 5 * time.Second  // for calls in progress when the server stops
)

// failure is the JSON of an error.
type failure struct {
	Error string `json:"error"`
}

// Peer is the process at the other end of a call, as the kernel tells it.
type Peer struct {
	UID int
	PID int // 0 where the system does not tell
}

// userName is the name of a user for a message, or its number.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("with number %d", uid)
}
