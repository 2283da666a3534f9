package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

// demoRole makes the test binary the demo backend, in a process of its own.
const demoRole = "GATEWAY_TEST_DEMO_BACKEND"

func TestMain(m *testing.M) {
	if address := os.Getenv(demoRole); address != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := ServeBackend(ctx, address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// demoServer serves the demo application inside of the test.
func demoServer(t *testing.T) (url string, crashed chan struct{}) {
	t.Helper()
	crashed = make(chan struct{}, 1)
	s := httptest.NewServer(Backend(func() { crashed <- struct{}{} }))
	t.Cleanup(s.Close)
	return s.URL, crashed
}

func demoDo(t *testing.T, method, url string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func TestBackend_PageShowsTheHeadersThatGatewaySet(t *testing.T) {
	url, _ := demoServer(t)
	response, page := demoDo(t, "GET", url+"/", nil, "X-Forwarded-Proto", "https", "X-Forwarded-For", "192.0.2.7", "X-Odd", "<script>")
	for _, want := range []string{"It works", "encrypted connection", "192.0.2.7", "set by gateway: who asked", "&lt;script&gt;", fmt.Sprint(os.Getpid())} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if ct := response.Header.Get("Content-Type"); ct != "text/html; charset=utf-8" {
		t.Errorf("Content-Type is %q", ct)
	}
}

func TestBackend_PageSaysWhenGatewayIsNotInBetween(t *testing.T) {
	url, _ := demoServer(t)
	if _, page := demoDo(t, "GET", url+"/", nil); !strings.Contains(page, "You asked the backend itself") {
		t.Error("the page takes a direct request for one through gateway")
	}
}

func TestBackend_ServesEverythingThatThePageNeeds(t *testing.T) {
	url, _ := demoServer(t)
	for path, kind := range map[string]string{"/page/demo.css": "text/css; charset=utf-8", "/page/demo.js": "text/javascript; charset=utf-8"} {
		response, text := demoDo(t, "GET", url+path, nil)
		if response.StatusCode != 200 || response.Header.Get("Content-Type") != kind || text == "" {
			t.Errorf("%s: %d %s, %d bytes", path, response.StatusCode, response.Header.Get("Content-Type"), len(text))
		}
	}
	if response, _ := demoDo(t, "GET", url+"/page/index.html", nil); response.StatusCode != 404 {
		t.Errorf("the template itself is served: %d", response.StatusCode)
	}
}

func TestBackend_HeadersTellsTheRequestByteForByte(t *testing.T) {
	url, _ := demoServer(t)
	_, text := demoDo(t, "PROPFIND", url+"/headers?a=%zz;b", nil, "X-Request-Id", "abc")
	var got received
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != "PROPFIND" || got.Target != "/headers?a=%zz;b" || got.Headers.Get("X-Request-Id") != "abc" || got.PID != os.Getpid() {
		t.Errorf("got %+v", got)
	}
}

func TestBackend_EventsArriveOneByOne(t *testing.T) {
	url, _ := demoServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, _ := http.NewRequestWithContext(ctx, "GET", url+"/events", nil)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if ct := response.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("Content-Type is %q", ct)
	}
	lines := bufio.NewScanner(response.Body)
	var ids []string
	for len(ids) < 2 && lines.Scan() {
		if id, found := strings.CutPrefix(lines.Text(), "id: "); found {
			ids = append(ids, id)
		}
	}
	if strings.Join(ids, " ") != "1 2" {
		t.Errorf("event ids %q", ids)
	}
}

func TestBackend_WebSocketEchoes(t *testing.T) {
	url, _ := demoServer(t)
	socket, response, err := websocket.Dial(t.Context(), url+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response
	for _, message := range []string{"hello", "", strings.Repeat("x", 100_000)} {
		socket.SetReadLimit(mostMessage)
		if err := socket.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := socket.Read(t.Context()); err != nil || string(got) != message {
			t.Errorf("sent %d bytes, got %d, %v", len(message), len(got), err)
		}
	}
	if err := socket.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}

func TestBackend_UploadCountsEveryByte(t *testing.T) {
	url, _ := demoServer(t)
	for _, method := range []string{"POST", "PUT"} {
		response, text := demoDo(t, method, url+"/upload", io.LimitReader(demoZeros{}, 10<<20+7))
		var got struct{ Bytes int64 }
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Bytes != 10<<20+7 || response.StatusCode != 200 {
			t.Errorf("%s: %d %q, %v", method, response.StatusCode, text, err)
		}
	}
}

type demoZeros struct{}

func (demoZeros) Read(p []byte) (int, error) { return len(p), nil }

func TestBackend_AnswersWithTheStatusItIsAskedFor(t *testing.T) {
	url, _ := demoServer(t)
	for _, c := range []struct {
		method, target string
		status         int
		within         string
	}{
		{"GET", "/status", 200, "200 OK"},
		{"GET", "/status?code=503", 503, "503 Service Unavailable"},
		{"DELETE", "/status?code=418", 418, "418"},
		{"GET", "/status?code=204", 204, ""},
		{"GET", "/status?code=304", 304, ""},
		{"GET", "/status?code=302", 302, "302 Found"},
		{"GET", "/status?code=101", 400, "from 200 to 599"},
		{"GET", "/status?code=x", 400, "from 200 to 599"},
		{"GET", "/slow?seconds=0", 200, "answered after 0 seconds"},
		{"GET", "/slow?seconds=NaN", 400, "from 0 to 300"},
		{"GET", "/slow?seconds=-1", 400, "from 0 to 300"},
		{"GET", "/slow?seconds=1e9", 400, "from 0 to 300"},
		{"GET", "/crash", 405, "wants the method POST"},
		{"GET", "/ws", 426, "WebSocket client"},
		{"GET", "/nothing", 404, "/events"},
	} {
		response, text := demoDo(t, c.method, url+c.target, nil)
		if response.StatusCode != c.status || !strings.Contains(text, c.within) {
			t.Errorf("%s %s: %d %q", c.method, c.target, response.StatusCode, text)
		}
	}
}

func TestBackend_CrashIsNotForOtherSites(t *testing.T) {
	url, crashed := demoServer(t)
	response, _ := demoDo(t, "POST", url+"/crash", nil, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	if response.StatusCode != 403 || len(crashed) != 0 {
		t.Errorf("status %d, %d crashes", response.StatusCode, len(crashed))
	}
	if response, _ := demoDo(t, "POST", url+"/crash", nil); response.StatusCode != 202 {
		t.Errorf("status %d", response.StatusCode)
	}
	select {
	case <-crashed: // after the answer has left
	case <-time.After(time.Minute):
		t.Error("there was no crash")
	}
}

// demoFreeAddress is an address that is the test's own until its end. A socket
// that is bound and does not listen holds it, so that the system gives it to nobody
// else; whoever sets SO_REUSEADDR may listen there, as every net.Listen does.
func demoFreeAddress(t *testing.T) string {
	t.Helper()
	syscall.ForkLock.RLock()
	holder, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(holder)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(holder) })
	if err := errors.Join(syscall.SetsockoptInt(holder, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(holder, &syscall.SockaddrInet4{})); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(holder)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// demoProcess starts the demo backend as a process and waits for its port.
func demoProcess(t *testing.T) (*exec.Cmd, string) {
	t.Helper()
	address := demoFreeAddress(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), demoRole+"="+address, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(time.Minute); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			return cmd, address
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // between two looks at a condition
	}
}

func TestServeBackend_CrashKillsTheProcessAfterItsAnswer(t *testing.T) {
	cmd, address := demoProcess(t)
	response, text := demoDo(t, "POST", "http://"+address+"/crash", strings.NewReader("some body"))
	if want := fmt.Sprintf("pid %d kills itself now with signal KILL\n", cmd.Process.Pid); response.StatusCode != 202 || text != want {
		t.Errorf("%d %q, want %q", response.StatusCode, text, want)
	}
	demoWantKilled(t, cmd.Wait())
}

func TestServeBackend_SilentCrashLeavesTheRequestUnanswered(t *testing.T) {
	cmd, address := demoProcess(t)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /crash?silent HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
	if answer, _ := io.ReadAll(c); len(answer) != 0 {
		t.Errorf("answered %q", answer)
	}
	demoWantKilled(t, cmd.Wait())
}

func demoWantKilled(t *testing.T, err error) {
	t.Helper()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the process ended with %v, want signal: killed", err)
	}
}

func TestServeBackend_StopsWithItsStreamsAndFinishesShortRequests(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, nil) }()

	socket, _, err := websocket.Dial(t.Context(), url+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	stream, err := http.Get(url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	upload := demoStartedUpload(t, listener.Addr().String())

	stop()
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("the stream was cut instead of ended: %v", err)
	}
	if _, _, err := socket.Read(t.Context()); err == nil {
		t.Error("the WebSocket is still open")
	}
	fmt.Fprint(upload, "12345")
	if answer, _ := io.ReadAll(upload); !bytes.Contains(answer, []byte(`"bytes": 5`)) {
		t.Errorf("the upload got %q", answer)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// demoStartedUpload returns once the handler waits for the five bytes of a body:
// net/http sends 100 Continue at the first Read.
func demoStartedUpload(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	fmt.Fprint(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	interim := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(c, interim); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestServeBackend_SaysWhenItsPortIsTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := ServeBackend(t.Context(), listener.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
}
