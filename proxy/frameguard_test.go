package proxy

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// wireH2 speaks raw frames.
type wireH2 struct {
	*http2.Framer
	t    *testing.T
	head []byte
	w    bytes.Buffer
	c    io.ReadWriteCloser
}

func (l *wireLab) dialH2() *wireH2 {
	l.t.Helper()
	c := l.dialTLS("h2")
	h := &wireH2{Framer: http2.NewFramer(c, c), t: l.t, c: c}
	wireSend(l.t, c, http2.ClientPreface)
	if err := h.WriteSettings(); err != nil {
		l.t.Fatal(err)
	}
	encoder := hpack.NewEncoder(&h.w)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "example.com"}, {":path", "/"}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	h.head = h.w.Bytes()
	return h
}

func (h *wireH2) open(stream uint32, end bool) error {
	return h.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: h.head, EndStream: end, EndHeaders: true})
}

// cut reads until the connection ends and tells the code of its GOAWAY.
func (h *wireH2) cut() (code http2.ErrCode, told bool) {
	for {
		f, err := h.ReadFrame()
		if err != nil {
			if strings.Contains(err.Error(), "timeout") {
				h.t.Error("the connection was not cut")
			}
			return code, told
		}
		if f, ok := f.(*http2.GoAwayFrame); ok {
			code, told = f.ErrCode, true
		}
	}
}

func TestFrameGuard_CutsClientsThatOnlyMakeWork(t *testing.T) {
	for _, test := range []struct {
		name  string
		times int
		send  func(h *wireH2, i uint32) error
	}{
		{"rapid reset", 5000, func(h *wireH2, i uint32) error {
			if err := h.open(2*i+1, true); err != nil {
				return err
			}
			return h.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
		}},
		{"made you reset by an empty window update", 5000, func(h *wireH2, i uint32) error {
			if err := h.open(2*i+1, true); err != nil {
				return err
			}
			return h.WriteRawFrame(http2.FrameWindowUpdate, 0, 2*i+1, []byte{0, 0, 0, 0})
		}},
		{"made you reset by data after the end", 5000, func(h *wireH2, i uint32) error {
			if err := h.open(2*i+1, true); err != nil {
				return err
			}
			return h.WriteData(2*i+1, true, []byte("x"))
		}},
		{"PING", 20000, func(h *wireH2, _ uint32) error { return h.WritePing(false, [8]byte{}) }},
		{"SETTINGS", 5000, func(h *wireH2, _ uint32) error { return h.WriteSettings() }},
		{"PRIORITY", 20000, func(h *wireH2, i uint32) error {
			return h.WritePriority(2*i+1, http2.PriorityParam{StreamDep: 0})
		}},
		{"WINDOW_UPDATE", 20000, func(h *wireH2, _ uint32) error { return h.WriteWindowUpdate(0, 1) }},
		{"empty DATA", 20000, func(h *wireH2, i uint32) error {
			if i == 0 {
				return h.open(1, false)
			}
			return h.WriteData(1, false, nil)
		}},
		{"padding", 20000, func(h *wireH2, i uint32) error {
			if i == 0 {
				return h.open(1, false)
			}
			return h.WriteDataPadded(1, false, nil, make([]byte, 100))
		}},
		{"unknown frames", 20000, func(h *wireH2, _ uint32) error { return h.WriteRawFrame(0xf0, 0, 0, nil) }},
		{"CONTINUATION", 20000, func(h *wireH2, i uint32) error {
			if i == 0 {
				return h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.head, EndStream: true})
			}
			return h.WriteContinuation(1, false, nil)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			lab := wireStart(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			h := lab.dialH2()
			h.AllowIllegalWrites = true
			sent := make(chan int)
			go func() {
				for i := range test.times {
					if test.send(h, uint32(i)) != nil {
						sent <- i
						return
					}
				}
				sent <- test.times
			}()
			code, told := h.cut()
			_ = h.c.Close()
			<-sent
			if told && code != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("cut with %v", code)
			}
			if !strings.Contains(lab.log.String(), "an HTTP/2 connection was cut") {
				t.Errorf("not logged:\n%.2000s", lab.log)
			}
		})
	}
}

func TestFrameGuard_LeavesABusyClientAlone(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/big" {
			_, _ = io.WriteString(w, big)
		}
	})
	h := lab.dialH2()
	answers := make(chan struct{}, 3000)
	go func() { // gives up every other request once it was answered, and updates windows as curl does
		for i := range uint32(3000) {
			_ = h.open(2*i+1, true)
			if _, open := <-answers; !open {
				return
			}
			if i%2 == 0 {
				_ = h.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
			}
			_ = h.WriteWindowUpdate(0, 100)
		}
		_ = h.WriteGoAway(0, http2.ErrCodeNo, nil)
	}()
	answered := 0
	defer close(answers)
	for {
		f, err := h.ReadFrame()
		if err != nil {
			break
		}
		switch f := f.(type) {
		case *http2.HeadersFrame:
			answered++
			answers <- struct{}{}
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo {
				t.Fatalf("cut after %d answers: %v", answered, f)
			}
			_ = h.c.Close()
		}
	}
	if answered != 3000 {
		t.Errorf("%d requests were answered", answered)
	}
	res, err := lab.client(true).Get("https://" + lab.addr(wireTLS) + "/big")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, res.Body); int(n) != len(big) || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestFrameGuard_BoundsTheTimeForAHead(t *testing.T) {
	for name, send := range map[string]func(h *wireH2){
		"half a frame header": func(h *wireH2) { _, _ = h.c.Write([]byte{0, 0}) },
		"half a frame":        func(h *wireH2) { _, _ = h.c.Write([]byte{0, 0, 9, 1, 5, 0, 0, 0, 1, 0x82}) },
		"no end of the head": func(h *wireH2) {
			_ = h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.head, EndStream: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			lab := wireStart(t, wireEcho, func(o *Options) { o.Timeouts.Header = 100 * time.Millisecond })
			h := lab.dialH2()
			send(h)
			started := time.Now()
			h.cut()
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if !strings.Contains(lab.log.String(), "it takes too long over a frame") {
				t.Errorf("not logged:\n%s", lab.log)
			}
		})
	}
}

func TestFrameGuard_AHeadBeyondTheLimitsIsAnsweredByTheHandler(t *testing.T) {
	lab := wireStart(t, wireEcho, func(o *Options) { o.Limits.Header, o.Limits.HeaderLines = 8<<10, 20 })
	for name, change := range map[string]func(*http.Request){
		"large":   func(r *http.Request) { r.Header.Set("X", strings.Repeat("a", 8<<10)) },
		"cookies": func(r *http.Request) { r.Header.Set("Cookie", strings.Repeat("a", 180<<10)) },
		"lines":   func(r *http.Request) { r.Header["X"] = make([]string, 21) },
	} {
		r, _ := http.NewRequest(http.MethodGet, "https://"+lab.addr(wireTLS), nil)
		change(r)
		res, err := lab.client(true).Do(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: status %d", name, res.StatusCode)
		}
	}
}
