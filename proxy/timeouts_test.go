package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
	wireInFakeTime(t, wireEcho, func(c net.Conn) {
		var dripping sync.WaitGroup
		dripping.Go(func() {
			for range 1000 {
				if _, err := io.WriteString(c, "X"); err != nil {
					return
				}
				time.Sleep(700 * time.Millisecond) // none falls on the end of the 20 s
			}
		})
		started := time.Now()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != http.StatusRequestTimeout || time.Since(started) != 20*time.Second {
			t.Errorf("%v %v after %v", res, err, time.Since(started))
		}
		_ = c.Close()
		dripping.Wait()
	})
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

func TestTimeouts_AConnectionMayWaitLongerThanAHead(t *testing.T) {
	wireInFakeTime(t, wireEcho, func(c net.Conn) {
		r := bufio.NewReader(c)
		for range 3 {
			wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			time.Sleep(2*time.Minute - time.Millisecond)
		}
		time.Sleep(time.Millisecond)
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("an idle connection is still open after two minutes: %v", err)
		}
	})
}

func TestTimeouts_ALongAnswerIsNotTakenForIdleness(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Hour):
		case <-r.Context().Done():
			t.Error("the request was cut off")
		}
	}
	wireInFakeTime(t, slow, func(c net.Conn) {
		wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		var second sync.WaitGroup
		second.Go(func() { // is sent during the first, and slowly
			for _, part := range []string{"GET /second HTTP/1.1\r\n", "Host: a\r\nConnection: close\r\n\r\n"} {
				_, _ = io.WriteString(c, part)
				time.Sleep(10 * time.Minute)
			}
		})
		if statuses, _ := wireAnswers(t, c); fmt.Sprint(statuses) != "[200 200]" {
			t.Errorf("answers %v", statuses)
		}
		second.Wait()
	})
}

// wirePipes is a listener without a network, so that fake time works.
type wirePipes struct{ *handoff }

func (wirePipes) Addr() net.Addr { return &net.TCPAddr{} }

// wireInFakeTime serves h with the default timeouts to one plain client.
func wireInFakeTime(t *testing.T, h http.HandlerFunc, client func(net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		pipes := wirePipes{newHandoff()}
		opts := wireOptions()
		opts.Timeouts, opts.Handler, opts.Log = DefaultTimeouts(), wireRefusing(opts.Limits, h), slog.New(slog.DiscardHandler)
		opts.Listen = func(context.Context, string, string) (net.Listener, error) { return pipes, nil }
		s := NewServer(opts)
		if err := s.Bind(t.Context(), []string{wirePlain}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		stopped := make(chan error)
		go func() { stopped <- s.Serve(ctx) }()
		ours, theirs := net.Pipe()
		pipes.give(theirs)
		client(ours)
		_ = ours.Close()
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
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

// countedDeadlines counts how often the read deadline of a connection is set.
type countedDeadlines struct {
	net.Conn
	set int
}

func (c *countedDeadlines) SetReadDeadline(t time.Time) error {
	c.set++
	return c.Conn.SetReadDeadline(t)
}

func TestReadDeadline_ThatWasPutOffEndsNoRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		defer server.Close()
		c := &countedDeadlines{Conn: server}
		d, start := readDeadline{conn: c}, time.Now()
		d.setGuard(start.Add(time.Second), false)
		for range 10 { // requests
			d.setGuard(time.Time{}, false)
			_ = d.setHandler(start.Add(2 * time.Second))
			_ = d.setHandler(time.Time{})
			d.setGuard(start.Add(time.Minute), true)
		}
		if c.set != 1 {
			t.Errorf("the connection's deadline was set %d times, want once", c.set)
		}
		if _, err := d.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("the read ended after %v: %v", time.Since(start), err)
		}
		if c.set != 2 || !d.passed(time.Now()) {
			t.Errorf("the connection's deadline was set %d times, want twice", c.set)
		}
	})
}

func TestReadDeadline_ThatIsBroughtForwardEndsTheReadUnderWay(t *testing.T) {
	for name, bring := range map[string]func(d *readDeadline, to time.Time){
		"by a handler":  func(d *readDeadline, to time.Time) { _ = d.setHandler(to) },
		"by a bound":    func(d *readDeadline, to time.Time) { _ = d.bound(to) },
		"by draining":   func(d *readDeadline, to time.Time) { d.hasten(to) },
		"to the past":   func(d *readDeadline, _ time.Time) { _ = d.setHandler(time.Unix(1, 0)) },
		"by the guard":  func(d *readDeadline, to time.Time) { d.setGuard(to, false) },
		"after a delay": func(d *readDeadline, to time.Time) { d.setGuard(to.Add(time.Hour), true); d.hasten(to) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				defer server.Close()
				d, start := readDeadline{conn: server}, time.Now()
				d.setGuard(start.Add(time.Second), false)
				d.setGuard(start.Add(time.Hour), true)
				ended := make(chan error, 1)
				go func() {
					_, err := d.Read(make([]byte, 1))
					ended <- err
				}()
				time.Sleep(2 * time.Second) // of the bubble: the first deadline has passed
				synctest.Wait()
				bring(&d, time.Now().Add(time.Second))
				if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > 3*time.Second {
					t.Errorf("the read ended after %v: %v", time.Since(start), err)
				}
			})
		})
	}
}
