package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTimeouts_ASlowHeadIsAnsweredWith408(t *testing.T) {
	lab := wireStart(t, wireEcho, func(o *Options) { o.Timeouts.Header = 50 * time.Millisecond })
	for name, c := range map[string]net.Conn{"plain": lab.dial(wirePlain), "TLS": lab.dialTLS("http/1.1")} {
		wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\nX: ")
		if statuses, _ := wireAnswers(t, c); fmt.Sprint(statuses) != "[408]" {
			t.Errorf("%s: answers %v", name, statuses)
		}
	}
}

func TestTimeouts_DrippingDoesNotBuyAHeadMoreTime(t *testing.T) {
	lab := wireStart(t, wireEcho, func(o *Options) { o.Timeouts.Header = 100 * time.Millisecond })
	c := lab.dial(wirePlain)
	done := make(chan bool)
	go func() {
		defer close(done)
		for range 1000 {
			if _, err := io.WriteString(c, "X"); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	started := time.Now()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusRequestTimeout || time.Since(started) > 2*time.Second {
		t.Errorf("%v %v after %v", res, err, time.Since(started))
	}
	_ = c.Close()
	<-done
}

func TestTimeouts_AnIdleConnectionIsClosedWithoutAnAnswer(t *testing.T) {
	lab := wireStart(t, wireEcho, func(o *Options) { o.Timeouts.Idle = 50 * time.Millisecond })
	used := lab.dial(wirePlain)
	wireSend(t, used, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	for name, c := range map[string]net.Conn{"fresh": lab.dialTLS("http/1.1"), "used": used} {
		statuses, _ := wireAnswers(t, c)
		if want := strings.Count(name, "used"); len(statuses) != want {
			t.Errorf("%s: answers %v", name, statuses)
		}
	}
}

func TestTimeouts_AFreshConnectionMayWaitLongerThanAHead(t *testing.T) {
	lab := wireStart(t, wireEcho, func(o *Options) {
		o.Timeouts.Handshake, o.Timeouts.Header = 300*time.Millisecond, 50*time.Millisecond
	})
	c := lab.dialTLS("http/1.1")
	time.Sleep(400 * time.Millisecond) // longer than either
	wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if statuses, _ := wireAnswers(t, c); fmt.Sprint(statuses) != "[200]" {
		t.Errorf("answers %v", statuses)
	}
}

func TestTimeouts_ALongAnswerIsNotTakenForIdleness(t *testing.T) {
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-r.Context().Done():
			t.Error("the request was cut off")
		}
	}, func(o *Options) { o.Timeouts.Idle, o.Timeouts.Header = 50*time.Millisecond, 50*time.Millisecond })
	c := lab.dial(wirePlain)
	wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\n") // the second is sent during the first
	time.Sleep(100 * time.Millisecond)
	wireSend(t, c, "Host: a\r\nConnection: close\r\n\r\n")
	if statuses, _ := wireAnswers(t, c); fmt.Sprint(statuses) != "[200 200]" {
		t.Errorf("answers %v", statuses)
	}
}

func TestTimeouts_HandlersSetTheirOwnDeadlines(t *testing.T) {
	result := make(chan error, 1)
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := io.Copy(io.Discard, r.Body)
		result <- err
	})
	c := lab.dialTLS("http/1.1")
	wireSend(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
	if err := <-result; err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("error %v", err)
	}
}

func TestTimeouts_TheGoneClientEndsItsRequest(t *testing.T) {
	entered, gone := make(chan bool), make(chan bool)
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-r.Context().Done()
		gone <- true
	})
	for _, c := range []net.Conn{lab.dial(wirePlain), lab.dialTLS("http/1.1")} {
		wireSend(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
		<-entered
		_ = c.Close()
		<-gone
	}
}

func TestReadDeadline_TheEarlierOfTwoHolds(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	d := readDeadline{conn: server}
	now := time.Now()
	for _, test := range []struct{ guard, handler, want time.Time }{
		{time.Time{}, time.Time{}, time.Time{}},
		{now.Add(1), time.Time{}, now.Add(1)},
		{time.Time{}, now.Add(1), now.Add(1)},
		{now.Add(1), now.Add(2), now.Add(1)},
		{now.Add(2), now.Add(1), now.Add(1)},
	} {
		d.setGuard(test.guard, false)
		_ = d.setHandler(test.handler)
		if !d.set.Equal(test.want) {
			t.Errorf("guard %v, handler %v: %v is set", test.guard, test.handler, d.set)
		}
	}
}
