package demo

import (
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// tick is the time between two events of /events.
const tick = time.Second

// mostMessage is the largest WebSocket message that is echoed, in bytes.
const mostMessage = 1 << 20

// events is a stream of Server-Sent Events: the time, once a second. A proxy
// that collects a response before it passes it on shows nothing here.
func (b *backend) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n, now := 1, time.Now(); ; n++ {
		if _, err := fmt.Fprintf(w, "id: %d\ndata: %s from pid %d\n\n", n, now.Format(time.TimeOnly), b.pid); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case now = <-ticker.C:
		case <-r.Context().Done():
			return
		}
	}
}

// echo sends every WebSocket message back to where it came from.
func (b *backend) echo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade") // RFC 9110, 7.8
		http.Error(w, "/ws is a WebSocket that echoes: open it with a WebSocket client, or try it on the page /", http.StatusUpgradeRequired)
		return
	}
	socket, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has told the client
	}
	defer func() { _ = socket.CloseNow() }()
	socket.SetReadLimit(mostMessage)
	for {
		kind, message, err := socket.Read(r.Context())
		if err != nil {
			return // the client closed it or is gone, or the backend stops
		}
		if err := socket.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}
