package control

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// controlRole makes the test binary play a part in a process of its own; its
// argument is the path of the socket.
const controlRole = "GATEWAY_TEST_CONTROL_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(controlRole); role != "" {
		if err := controlPlay(role, os.Args[1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func controlPlay(role, path string) error {
	if role == "call" {
		var out string
		err := NewClient(path).Call(context.Background(), "echo", "hello", &out)
		fmt.Println(out)
		return err
	}
	s := controlEcho(path)
	if err := s.Bind(); err != nil {
		return err
	}
	fmt.Println("ready")
	return s.Serve(context.Background())
}

func controlEcho(path string) *Server {
	s := NewServer(path, slog.New(slog.DiscardHandler))
	Handle(s, "echo", func(_ context.Context, in string) (string, error) { return in, nil })
	HandleStream(s, "endless", func(ctx context.Context, _ struct{}, w io.Writer) error {
		_, err := io.WriteString(w, "line\n")
		<-ctx.Done()
		return err
	})
	return s
}

// controlServe serves until the test ends, or until stop is called, which
// returns what Serve did.
func controlServe(t *testing.T, s *Server) (c *Client, stop func() error) {
	t.Helper()
	if err := s.Bind(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-served })
	t.Cleanup(func() { _ = stop() })
	return NewClient(s.path), stop
}

func controlPath(t *testing.T) string { return filepath.Join(t.TempDir(), "run", "gateway.sock") }

// controlProcess starts a server in a process of its own.
func controlProcess(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), controlRole+"=serve")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the server said %q, %v", line, err)
	}
	return cmd
}

func controlWantText(t *testing.T, err error, want ...string) {
	t.Helper()
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("got error %v, want it to contain %q", err, w)
		}
	}
}

func TestCall_CarriesJSONBothWays(t *testing.T) {
	type question struct{ Name string }
	type answer struct {
		Greeting string
		Times    []int
	}
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	Handle(s, "backend/greet", func(_ context.Context, in question) (answer, error) {
		return answer{"hello " + in.Name, []int{1, 2}}, nil
	})
	c, _ := controlServe(t, s)
	var got answer
	if err := c.Call(t.Context(), "backend/greet", question{"bob"}, &got); err != nil || got.Greeting != "hello bob" || len(got.Times) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := c.Call(t.Context(), "backend/greet", nil, nil); err != nil {
		t.Errorf("nothing in, nothing out: %v", err)
	}
}

func TestCall_CarriesTheTextOfAnError(t *testing.T) {
	const text = "config.toml:3: listen: \"é\" is wrong\nconfig.toml:4: also"
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	Handle(s, "reload", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, errors.New(text) })
	c, _ := controlServe(t, s)
	err := c.Call(t.Context(), "reload", nil, nil)
	var remote *RemoteError
	if !errors.As(err, &remote) || err.Error() != text {
		t.Errorf("got %v", err)
	}
}

func TestCall_TellsWhatTheServerDoesNotUnderstand(t *testing.T) {
	c, _ := controlServe(t, controlEcho(controlPath(t)))
	controlWantText(t, c.Call(t.Context(), "no/such", nil, nil), "does not know POST /v1/no/such", "another version")
	controlWantText(t, c.Call(t.Context(), "echo", 7, nil), "does not understand", "number")
	controlWantText(t, c.Call(t.Context(), "endless", map[string]int{"force": 1}, nil), `unknown field "force"`)
	controlWantText(t, c.Call(t.Context(), "echo", strings.Repeat("x", mostRequest), nil), "too large")
	var number int
	controlWantText(t, c.Call(t.Context(), "echo", "text", &number), "answer is not understood")
}

func TestCall_TellsAnAnswerThatIsNoJSON(t *testing.T) {
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	Handle(s, "bad", func(context.Context, struct{}) (func(), error) { return nil, nil })
	c, _ := controlServe(t, s)
	controlWantText(t, c.Call(t.Context(), "bad", nil, nil), "can't write its answer")
}

func TestCall_ServesManyAtOnce(t *testing.T) {
	const callers = 50
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	arrived := make(chan struct{}, callers)
	all := make(chan struct{})
	Handle(s, "meet", func(_ context.Context, in int) (int, error) {
		arrived <- struct{}{}
		<-all
		return in * in, nil
	})
	c, _ := controlServe(t, s)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			var got int
			if err := c.Call(t.Context(), "meet", i, &got); err != nil || got != i*i {
				t.Errorf("%d: got %d, %v", i, got, err)
			}
		})
	}
	for range callers {
		<-arrived
	}
	close(all)
	group.Wait()
}

func TestCall_EndsWithItsContextOnBothSides(t *testing.T) {
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	begun, ended := make(chan struct{}), make(chan error, 1)
	Handle(s, "wait", func(ctx context.Context, _ struct{}) (struct{}, error) {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return struct{}{}, nil
	})
	c, _ := controlServe(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if err := c.Call(ctx, "wait", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context ended with %v", err)
	}
}

func TestCall_WaitsLongerThanTheTimeoutsOfReadingAndWriting(t *testing.T) {
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	s.timeout = time.Second // in which the call must have come, also on a busy machine
	Handle(s, "restart", func(ctx context.Context, _ struct{}) (string, error) {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(2 * s.timeout):
			return "done", nil
		}
	})
	c, _ := controlServe(t, s)
	var got string
	if err := c.Call(t.Context(), "restart", nil, &got); err != nil || got != "done" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestServer_ClosesACallThatNeverBecomesComplete(t *testing.T) {
	s := controlEcho(controlPath(t))
	s.timeout = 20 * time.Millisecond
	controlServe(t, s)
	for _, sent := range []string{"", "POST /v1/echo HTTP/1.1\r\nHost: x\r\n", "POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n\"a"} {
		conn, err := net.Dial("unix", s.path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, sent)
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%q: %v", sent, err)
		}
		_ = conn.Close()
	}
}

func TestStream_PassesLinesOnAtOnce(t *testing.T) {
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	next := make(chan string)
	HandleStream(s, "logs", func(_ context.Context, in struct{ Name string }, w io.Writer) error {
		for line := range next {
			if _, err := fmt.Fprintln(w, in.Name, line); err != nil {
				return err
			}
		}
		return nil
	})
	c, _ := controlServe(t, s)
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- c.Stream(t.Context(), "logs", struct{ Name string }{"api"}, w) }()
	lines := bufio.NewReader(r)
	for _, line := range []string{"one", "two"} {
		next <- line
		if got, err := lines.ReadString('\n'); err != nil || got != "api "+line+"\n" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	close(next)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStream_CarriesAnErrorBeforeAndAfterTheFirstByte(t *testing.T) {
	const text = "no backend \"äpi\":\nthere is \"api\""
	for _, first := range []string{"", "some output\n"} {
		s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
		HandleStream(s, "logs", func(_ context.Context, _ struct{}, w io.Writer) error {
			if first != "" {
				_, _ = io.WriteString(w, first)
			}
			return errors.New(text)
		})
		c, _ := controlServe(t, s)
		var out bytes.Buffer
		err := c.Stream(t.Context(), "logs", nil, &out)
		var remote *RemoteError
		if !errors.As(err, &remote) || err.Error() != text || out.String() != first {
			t.Errorf("got %q, %v", out.String(), err)
		}
	}
}

func TestStream_OfNothingIsNoError(t *testing.T) {
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	HandleStream(s, "logs", func(context.Context, struct{}, io.Writer) error { return nil })
	c, _ := controlServe(t, s)
	var out bytes.Buffer
	if err := c.Stream(t.Context(), "logs", nil, &out); err != nil || out.Len() != 0 {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

// controlOnFirst calls a function at the first byte that is written to it.
type controlOnFirst struct{ call func() }

func (w controlOnFirst) Write(p []byte) (int, error) { w.call(); return len(p), nil }

func TestStream_EndsTheHandlerWhenTheCallerLeaves(t *testing.T) {
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	HandleStream(s, "logs", func(ctx context.Context, _ struct{}, w io.Writer) error {
		_, _ = io.WriteString(w, "line\n")
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	})
	c, _ := controlServe(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	if err := c.Stream(ctx, "logs", nil, controlOnFirst{cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-ended
}

func TestStream_ReturnsTheErrorOfTheWriter(t *testing.T) {
	c, _ := controlServe(t, controlEcho(controlPath(t)))
	r, w := io.Pipe()
	full := errors.New("disk full")
	_ = r.CloseWithError(full)
	if err := c.Stream(t.Context(), "endless", nil, w); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

func TestStream_SaysThatTheServerWasKilled(t *testing.T) {
	path := controlPath(t)
	cmd := controlProcess(t, path)
	err := NewClient(path).Stream(t.Context(), "endless", nil, controlOnFirst{func() { _ = cmd.Process.Kill() }})
	controlWantText(t, err, "gateway ended before its answer was complete")
}

func TestServe_EndsStreamsButFinishesCalls(t *testing.T) {
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	begun, finish := make(chan struct{}, 2), make(chan struct{})
	HandleStream(s, "logs", func(ctx context.Context, _ struct{}, w io.Writer) error {
		_, _ = io.WriteString(w, "line\n")
		begun <- struct{}{}
		<-ctx.Done()
		close(finish) // the call below ends after the server began to stop
		return ctx.Err()
	})
	Handle(s, "restart", func(context.Context, struct{}) (string, error) {
		begun <- struct{}{}
		<-finish
		return "restarted", nil
	})
	c, stop := controlServe(t, s)
	streamed, called := make(chan error, 1), make(chan error, 1)
	var got string
	go func() { streamed <- c.Stream(t.Context(), "logs", nil, io.Discard) }()
	go func() { called <- c.Call(t.Context(), "restart", nil, &got) }()
	<-begun
	<-begun
	if err := stop(); err != nil {
		t.Error(err)
	}
	controlWantText(t, <-streamed, "gateway stopped")
	if err := <-called; err != nil || got != "restarted" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestServe_CutsACallThatOutlastsTheGrace(t *testing.T) {
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	s.grace = 10 * time.Millisecond
	begun := make(chan struct{})
	Handle(s, "hang", func(ctx context.Context, _ struct{}) (struct{}, error) {
		close(begun)
		<-ctx.Done()
		return struct{}{}, ctx.Err()
	})
	c, stop := controlServe(t, s)
	called := make(chan error, 1)
	go func() { called <- c.Call(t.Context(), "hang", nil, nil) }()
	<-begun
	if err := stop(); err != nil {
		t.Error(err)
	}
	controlWantText(t, <-called, "gateway ended before its answer was complete")
}

func TestServe_IsNotHeldUpByACallerThatDoesNotRead(t *testing.T) {
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	s.grace = 10 * time.Millisecond
	written := make(chan struct{}, 1)
	HandleStream(s, "flood", func(_ context.Context, _ struct{}, w io.Writer) error {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return err
			}
			select {
			case written <- struct{}{}:
			default:
			}
		}
	})
	_, stop := controlServe(t, s)
	conn, err := net.Dial("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /v1/flood HTTP/1.1\r\nHost: x\r\n\r\n")
	<-written
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestClose_LeavesTheSocketOfTheNextServer(t *testing.T) {
	first := controlEcho(controlPath(t))
	_, stop := controlServe(t, first)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c, _ := controlServe(t, controlEcho(first.path))
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Call(t.Context(), "echo", "x", nil); err != nil {
		t.Error(err)
	}
}

func TestServe_RemovesItsSocketAndCanBeFollowedByAnother(t *testing.T) {
	path := controlPath(t)
	for range 3 {
		c, stop := controlServe(t, controlEcho(path))
		if err := c.Call(t.Context(), "echo", "x", nil); err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	}
}

func TestServe_LeavesASocketThatIsNotItsOwn(t *testing.T) {
	path := controlPath(t)
	_, stop := controlServe(t, controlEcho(path))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("another process's socket was removed: %v", err)
	}
}

func TestServe_WantsABoundSocket(t *testing.T) {
	s := controlEcho(controlPath(t))
	controlWantText(t, s.Serve(t.Context()), "not bound")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestPeerFrom_TellsWhoCalls(t *testing.T) {
	s := NewServer(controlPath(t), slog.New(slog.DiscardHandler))
	Handle(s, "who", func(ctx context.Context, _ struct{}) (Peer, error) {
		peer, ok := PeerFrom(ctx)
		if !ok {
			return peer, errors.New("nobody")
		}
		return peer, nil
	})
	c, _ := controlServe(t, s)
	var got Peer
	if err := c.Call(t.Context(), "who", nil, &got); err != nil || got.UID != os.Getuid() || got.PID != os.Getpid() {
		t.Errorf("got %+v, %v", got, err)
	}
}
