package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// environment names the variable that tells a gateway that it is to take over
// from another one, by the number of the descriptor through which the two speak.
const environment = "GATEWAY_HANDOVER"

// The descriptors of a heir, behind the three that every process has.
const (
	wireFD   = 3
	stderrFD = 4 // its standard error is a pipe until it serves
)

// word is what the two processes say to each other, in this order: offer (with
// the listening sockets), prepared or refused, lease, serving. Whoever is gone
// says nothing, which ends the matter.
type word struct {
	Offer    *offer   `json:"offer,omitempty"`
	Prepared bool     `json:"prepared,omitempty"` // it could serve, and waits for the lease
	Refused  []string `json:"refused,omitempty"`  // why it can't
	Lease    bool     `json:"lease,omitempty"`    // the state folder and the backends are its own now
	Secrets  []byte   `json:"secrets,omitempty"`  // what is in memory alone, with the lease
	Serving  *Served  `json:"serving,omitempty"`
}

// offer lists the sockets that come with it, in their order.
type offer struct {
	Sockets []socketName `json:"sockets"`
}

// socketName is what a listening socket was opened with.
type socketName struct {
	Network string `json:"network"`
	Address string `json:"address"`
}

// Served is what a heir tells of itself once it serves.
type Served struct {
	PID     int    `json:"pid"`
	Version string `json:"version"`
}

// wire is one end of the conversation.
type wire struct {
	conn    *net.UnixConn
	decoder *json.Decoder
	encoder *json.Encoder
}

// newWire takes a descriptor over, also when it fails.
func newWire(file *os.File) (*wire, error) {
	conn, err := net.FileConn(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("the connection between the two gateways: %w", err)
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("the connection between the two gateways is no unix socket"), conn.Close())
	}
	return &wire{conn: unix, decoder: json.NewDecoder(unix), encoder: json.NewEncoder(unix)}, nil
}

func (w *wire) say(what word) error { return w.encoder.Encode(what) }

// hear waits for the next word until the deadline; the zero time is for ever.
func (w *wire) hear(deadline time.Time) (word, error) {
	if err := w.conn.SetReadDeadline(deadline); err != nil {
		return word{}, err
	}
	var what word
	err := w.decoder.Decode(&what)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return what, err
}
