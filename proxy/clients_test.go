package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestClients_TheLongestWaitingMakesRoom(t *testing.T) {
	for name, limit := range map[string]func(*Options){
		"by address": func(o *Options) { o.Limits.ConnectionsPerAddress = 3 },
		"in all":     func(o *Options) { o.Limits.Connections = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			lab := wireStart(t, wireEcho, limit)
			first, second, third := lab.dialTLS("http/1.1"), lab.dialTLS("http/1.1"), lab.dialTLS("http/1.1")
			wireSend(t, first, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") // now second waits longest
			answer := make([]byte, 12)
			if _, err := io.ReadFull(first, answer); err != nil {
				t.Fatal(err)
			}
			wireUntil(t, func() bool { return lab.waitingLast() == first.LocalAddr().String() })
			fourth := lab.dialTLS("http/1.1")
			if _, err := io.Copy(io.Discard, second); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Error("the connection that waited longest was not closed")
			}
			for _, c := range []net.Conn{first, third, fourth} {
				wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
				if _, err := io.ReadAll(c); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// waitingLast is the address of the client that began to wait last.
func (l *wireLab) waitingLast() string {
	l.server.clients.mu.Lock()
	defer l.server.clients.mu.Unlock()
	if tail := l.server.clients.waiting.tail; tail != nil {
		return tail.client.raw.RemoteAddr().String()
	}
	return ""
}

func TestClients_BusyConnectionsAreNeverClosedForNewOnes(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-leave
	}, func(o *Options) { o.Limits.ConnectionsPerAddress = 2 })
	busy := []net.Conn{lab.dial(wirePlain), lab.dialTLS("http/1.1")}
	for _, c := range busy {
		wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		<-entered
	}
	for range 3 {
		if n, err := io.Copy(io.Discard, lab.dial(wirePlain)); n != 0 || err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("a third connection got %d bytes, %v", n, err)
		}
	}
	close(leave)
	for _, c := range busy {
		if statuses, _ := wireAnswers(t, c); fmt.Sprint(statuses) != "[200]" {
			t.Errorf("answers %v", statuses)
		}
	}
	if n := strings.Count(lab.log.String(), "connections were refused"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, lab.log)
	}
}

func TestClients_AFloodOfIdleAndSlowConnectionsDoesNotShutOutAClient(t *testing.T) {
	lab := wireStart(t, wireEcho, func(o *Options) { o.Limits.ConnectionsPerAddress = 20 })
	for i := range 60 {
		c := lab.dial(wireTLS)
		_, _ = io.WriteString(c, []string{"", "\x16\x03", "GET / HTTP/1.1\r\nX"}[i%3])
	}
	for range 5 {
		res, err := lab.client(true).Get("https://" + lab.addr(wireTLS))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
}

func TestClients_AreAllGoneAfterTheirConnections(t *testing.T) {
	lab := wireStart(t, wireEcho)
	for _, http2 := range []bool{true, false} {
		client := lab.client(http2)
		if res, err := client.Get("https://" + lab.addr(wireTLS)); err != nil {
			t.Error(err)
		} else {
			_ = res.Body.Close()
		}
		client.CloseIdleConnections()
	}
	refused := lab.dial(wirePlain)
	wireSend(t, refused, "nonsense\r\n\r\n")
	wireAnswers(t, refused)
	_ = refused.Close()
	_ = lab.dial(wireTLS).Close()
	if err := lab.stopped(); err != nil {
		t.Error(err)
	}
	all := lab.server.clients
	if len(all.open) != 0 || len(all.addresses) != 0 || all.upgraded != 0 || all.waiting.head != nil || all.waiting.tail != nil {
		t.Errorf("left: %d open, %d addresses, %d upgraded, waiting %v", len(all.open), len(all.addresses), all.upgraded, all.waiting)
	}
}

func TestLimitedBy_CountsIPv6CustomersByTheirNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7":        "192.0.2.7/32",
		"::ffff:192.0.2.7": "192.0.2.7/32",
		"2001:db8:1:2::9":  "2001:db8:1:2::/64",
		"fe80::1%lo":       "fe80::/64",
	} {
		addr := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 1))
		if got := limitedBy(addr).String(); got != want {
			t.Errorf("%s is counted with %s, want %s", address, got, want)
		}
	}
}
