package http2

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// drainOwner wants to know nothing.
type drainOwner struct{}

func (drainOwner) Busy()      {}
func (drainOwner) Idle()      {}
func (drainOwner) Cut(string) {}

// A client takes nothing for an answer before it has the settings.
func TestDrain_TellsAConnectionThatHasNotBegunItsSettingsFirst(t *testing.T) {
	ours, theirs := net.Pipe()
	server := NewServer(Options{
		Handler: http.NotFoundHandler(), MaxStreams: 1, MaxHeaderList: 1 << 10,
		HeaderTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
	})
	c := server.NewConn(ours, drainOwner{})
	c.Drain()
	ended := make(chan error)
	go func() { ended <- c.Serve(context.Background()) }()
	var kinds []frameKind
	for range 3 {
		var header [frameHeaderSize]byte
		if _, err := io.ReadFull(theirs, header[:]); err != nil {
			t.Fatal(err)
		}
		f := parseFrame(header[:])
		if _, err := io.CopyN(io.Discard, theirs, int64(f.length)); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, f.kind)
	}
	if kinds[0] != frameSettings || kinds[2] != frameGoAway {
		t.Errorf("frames of kinds %v came, want settings first, and GOAWAY after the window", kinds)
	}
	_ = theirs.Close()
	if err := <-ended; err == nil {
		t.Error("no reason")
	}
}
