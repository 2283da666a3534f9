package health

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestMonitor_BoundsWhatItKeepsOfAGigabyteOfOutput(t *testing.T) {
	t.Parallel()
	size := 1 << 30
	if testing.Short() {
		size = 64 << 20
	}
	m := monitor(t, "flood", func(o *Options) {
		o.Config.Env = append(o.Config.Env, "HEALTH_BYTES="+strconv.Itoa(size))
		o.Config.StartGrace = 5 * time.Minute
		o.Config.Log = filepath.Join(t.TempDir(), "api.log")
		o.Config.LogMaxSize, o.Config.LogKeep = 16<<20, 3
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // it is a lot on a busy machine
	defer cancel()
	m.waitUpFor(t, ctx)
	if kept := len(m.Logs(0)); kept > ringSize {
		t.Errorf("%d bytes kept, want at most %d", kept, ringSize)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	if memory.HeapInuse > 64<<20 {
		t.Errorf("%d MiB of heap in use", memory.HeapInuse>>20)
	}
	if err := m.stop(); err != nil { // timberjack removes old files in the background until it is closed
		t.Fatal(err)
	}
	if tail := string(m.Logs(2)); !strings.Contains(tail, "the flood is over") {
		t.Errorf("the last lines are %.200q", tail)
	}
	files, total := outputFiles(t, filepath.Dir(m.options.Config.Log))
	if total > 5*16<<20 {
		t.Errorf("%d bytes in %d files", total, files)
	}
}

func outputFiles(t *testing.T, dir string) (int, int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			total += info.Size()
		}
	}
	return len(entries), total
}

// fullDisk takes what fits and then fails, as a full disk does.
type fullDisk struct {
	room int
	got  bytes.Buffer
}

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	d.got.Write(p[:n])
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

func (d *fullDisk) Close() error { return nil }

// outputOn is an output whose log is a sink, and the backend's end of its pipe.
func outputOn(t *testing.T, sink io.WriteCloser) (*output, *os.File) {
	t.Helper()
	dir := t.TempDir()
	o, err := openOutput(Config{}, filepath.Join(dir, "pipe"), filepath.Join(dir, "log"), account{}, newRing(), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	o.sink = sink
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.run(ctx) }()
	child, err := o.child()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, child.Close(), o.close()); err != nil {
			t.Error(err)
		}
	})
	return o, child
}

func TestOutput_NeverBlocksTheBackendWhenTheDiskIsFull(t *testing.T) {
	disk := &fullDisk{room: 10 << 10}
	o, child := outputOn(t, disk)
	for range 4 << 10 { // 4 MiB: more than the pipe holds
		if _, err := child.Write(make([]byte, 1<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := child.WriteString("still here\n"); err != nil {
		t.Fatal(err)
	}
	o.flush()
	if text, _ := o.ring.tail(1); !strings.HasSuffix(string(text), "still here\n") {
		t.Errorf("the ring ends with %.20q", text)
	}
	disk.free(o, 1<<20)
	if _, err := child.WriteString("there is room again\n"); err != nil {
		t.Fatal(err)
	}
	o.flush()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !strings.Contains(disk.got.String(), "there is room again") || o.dropped != 0 {
		t.Errorf("the log does not go on, %d bytes dropped", o.dropped)
	}
}

func (d *fullDisk) free(o *output, room int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d.room = room
}

func TestOutput_KeepsWhatWasPrintedWhileNoGatewayRan(t *testing.T) {
	pipe, path := filepath.Join(t.TempDir(), "pipe"), filepath.Join(t.TempDir(), "log")
	first, err := openOutput(Config{}, pipe, path, account{}, newRing(), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	child, err := first.child()
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	if err := first.close(); err != nil { // as a kill -9 closes it
		t.Fatal(err)
	}
	if _, err := child.WriteString("nobody listens\n"); err != nil {
		t.Fatalf("the backend cannot print without gateway: %v", err)
	}
	second, err := openOutput(Config{}, pipe, path, account{}, newRing(), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	second.flush()
	if err := second.close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "nobody listens\n" {
		t.Errorf("the log holds %q, %v", text, err)
	}
}

func TestOutput_RefusesAFileInThePlaceOfThePipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := openOutput(Config{}, path, path+".log", account{}, newRing(), testLog(t))
	if err == nil || !strings.Contains(err.Error(), "is in the way") {
		t.Errorf("error %v", err)
	}
}

func TestRing_FollowsWithoutHoldingTheWriterUp(t *testing.T) {
	r := newRing()
	r.write([]byte("one\ntwo\nthree\n"))
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- r.follow(ctx, 2, writer) }()
	got := make([]byte, 10)
	if _, err := io.ReadFull(reader, got); err != nil || string(got) != "two\nthree\n" {
		t.Fatalf("%q, %v", got, err)
	}
	r.write([]byte("four\n"))
	if _, err := io.ReadFull(reader, got[:5]); err != nil || string(got[:5]) != "four\n" {
		t.Fatalf("%q, %v", got, err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("follow ended with %v", err)
	}
	if err := newRing().follow(t.Context(), 0, &failingWriter{}); err == nil {
		t.Error("a writer that fails must end it")
	}
}

type failingWriter struct{}

func (*failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// FuzzRing compares the ring with a slice that forgets nothing.
func FuzzRing(f *testing.F) {
	f.Add(uint16(1), uint16(100), uint16(65535))
	f.Add(uint16(65535), uint16(65535), uint16(3))
	f.Fuzz(func(t *testing.T, a, b, c uint16) {
		r := newRing()
		var all []byte
		position := int64(0)
		for i, n := range []int{int(a), int(b) * 2, int(c), 7} {
			piece := bytes.Repeat([]byte{byte('a' + i)}, n)
			all = append(all, piece...)
			r.write(piece)
			got, end, _ := r.since(position)
			want := all[max(position, int64(len(all)-ringSize)):]
			if !bytes.Equal(got, want) || end != int64(len(all)) {
				t.Fatalf("after %d bytes: %d bytes to %d, want %d", len(all), len(got), end, len(want))
			}
			position = end
		}
	})
}
