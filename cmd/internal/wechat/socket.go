package wechat

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"

	"gateway/certs"
)

// handshakeID is what RFC 6455 section 1.3 adds to the key of a client.
const handshakeID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// socket tells whether a WebSocket can be opened.
func (c Check) socket(ctx context.Context, dial certs.Dial) certs.Finding {
	path, guessed := c.Socket, c.Socket == ""
	if guessed {
		path = "/"
	}
	f := certs.Finding{Item: itemSocket, Verdict: certs.Failed}
	status, err := c.upgrade(ctx, dial, path)
	switch {
	case err == nil && status == http.StatusSwitchingProtocols:
		return certs.Finding{Item: itemSocket, Verdict: certs.Passed, Seen: "a WebSocket opens at " + path}
	case guessed:
		return certs.Finding{Item: itemSocket, Verdict: certs.Skipped, Seen: "none opens at /: if there is one, name its path: --ws /PATH"}
	case err != nil:
		f.Seen = fmt.Sprintf("no WebSocket opens at %s: %s", path, answer{err: err}.cause())
	default:
		f.Seen = fmt.Sprintf("no WebSocket opens at %s: the answer is %d instead of 101", path, status)
	}
	f.Remedies = []string{"gateway: passes WebSockets on without a setting: see whether the backend has one at this path",
		`nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; and a proxy_read_timeout longer than the pauses`,
		"Apache: ProxyPass PATH http://BACKEND/PATH upgrade=websocket (2.4.47 or newer; before, a2enmod proxy_wstunnel and ws://BACKEND/PATH)"}
	return f
}

// upgrade asks for a WebSocket, which is spoken over HTTP/1.1, and closes it.
func (c Check) upgrade(ctx context.Context, dial certs.Dial, path string) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Waits.Answer)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Target.url(path), nil)
	if err != nil {
		return 0, err
	}
	key := base64.StdEncoding.EncodeToString([]byte(rand.Text())[:16])
	request.Header = http.Header{"User-Agent": {agent}, "Referer": {referer}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {key}}
	client := c.client(dial, "http/1.1")
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusSwitchingProtocols {
		return response.StatusCode, nil
	}
	sum := sha1.Sum([]byte(key + handshakeID))
	if response.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		return 0, fmt.Errorf("the answer is 101, but its Sec-WebSocket-Accept %q is not the right one", response.Header.Get("Sec-WebSocket-Accept"))
	}
	if stream, both := response.Body.(io.Writer); both {
		_, _ = stream.Write([]byte{0x88, 0x80, 0, 0, 0, 0}) // a close frame, masked with zeros; whether it arrives does not matter
	}
	return response.StatusCode, nil
}
