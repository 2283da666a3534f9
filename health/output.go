package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/DeRuina/timberjack"
	"golang.org/x/sys/unix"
)

// output carries what a backend prints to its rotated log and to a ring.
//
// It travels through a named pipe, and the backend's end of it is opened for
// reading as well as writing. So the pipe has a reader as long as the backend
// lives: when gateway is killed, the backend gets no SIGPIPE, the pipe keeps up
// to pipeSize bytes, and the gateway that adopts the backend opens the pipe by
// its name and goes on where the last one ended. (A backend that prints more
// than that waits, as it would for any reader that is slow.) And as it is gateway that
// writes the log, a full disk never fails a write of the backend.
type output struct {
	pipe   string // path of the named pipe
	path   string // path of the log
	ring   *ring
	log    *slog.Logger
	reader *os.File

	mu      sync.Mutex // held while bytes go from the pipe to the ring and the log
	sink    io.WriteCloser
	buffer  []byte
	dropped int64 // bytes that the log could not take since it last could
}

// pipeSize is what an unprivileged process may ask for (pipe(7)).
const pipeSize = 1 << 20

// openOutput makes the named pipe unless it is there, and opens gateway's end.
// owner may open it again, as programs do that write to /dev/stdout.
func openOutput(cfg Config, pipe, path string, owner account, into *ring, log *slog.Logger) (*output, error) {
	if err := makePipe(pipe, owner); err != nil {
		return nil, err
	}
	reader, err := openPipe(pipe, unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	// Best effort: a smaller pipe works as well, it holds less while gateway is away.
	growPipe(reader)
	o := &output{
		pipe: pipe, path: path, ring: into, log: log, reader: reader,
		buffer: make([]byte, 64<<10),
		sink:   newSink(cfg, path),
	}
	o.ring.write(endOf(path, ringSize))
	return o, nil
}

func newSink(cfg Config, path string) io.WriteCloser {
	return &timberjack.Logger{
		Filename:   path,
		MaxSize:    max(1, int(cfg.logMaxSize()>>20)), // timberjack counts in MiB
		MaxBackups: cfg.logKeep(),
		LocalTime:  true,
		FileMode:   0o640,
	}
}

func makePipe(path string, owner account) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeNamedPipe {
		return fmt.Errorf("%s is in the way: gateway makes a named pipe there; move it elsewhere", path)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("named pipe %s: %w", path, err)
	}
	switch {
	case !owner.change:
		return nil
	case os.Geteuid() == 0:
		return os.Lchown(path, int(owner.uid), int(owner.gid))
	}
	// Only root may give a file away. Nobody else gets through the folder; the
	// backend has the pipe as its standard output and may open it there again.
	return os.Chmod(path, 0o602)
}

// openPipe opens both ends at once, which never blocks, unlike opening one. It
// goes around os.OpenFile, which would make the backend's end non-blocking.
func openPipe(path string, flags int) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW|flags, 0)
	if err != nil {
		return nil, fmt.Errorf("named pipe %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// child is the backend's end, to be closed when the backend has been started.
func (o *output) child() (*os.File, error) { return openPipe(o.pipe, 0) }

// run drains the pipe until ctx ends. What is in the pipe then is left to the
// next gateway, or was taken by flush.
func (o *output) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = o.reader.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := o.reader.SyscallConn()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		var readErr error
		err := raw.Read(func(fd uintptr) bool {
			readErr = o.pump(int(fd), len(o.buffer))
			return !errors.Is(readErr, unix.EAGAIN)
		})
		if err := errors.Join(err, readErr); err != nil && ctx.Err() == nil {
			return fmt.Errorf("reading what the backend prints: %w", err)
		}
	}
	return nil
}

// flush takes all that is in the pipe now, so that the last words of a process
// that has just ended are known before its end is told.
func (o *output) flush() {
	raw, err := o.reader.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		for taken := 0; taken < pipeSize; taken += len(o.buffer) {
			if o.pump(int(fd), len(o.buffer)) != nil {
				return
			}
		}
	})
}

// pump moves one piece of at most limit bytes, and returns EAGAIN when there is none.
func (o *output) pump(fd, limit int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := unix.Read(fd, o.buffer[:limit])
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil {
		return err
	}
	o.ring.write(o.buffer[:n])
	o.keep(o.buffer[:n])
	return nil
}

// keep writes to the log. What the log cannot take is dropped, for the backend
// must not wait for a disk to be emptied; this is told once, and its end too.
func (o *output) keep(p []byte) {
	written, err := o.sink.Write(p)
	if err != nil {
		if o.dropped == 0 {
			o.log.Error("the backend's log cannot be written, so what it prints is dropped; free space on that disk",
				"file", o.path, "error", err)
		}
		o.dropped += int64(len(p) - written)
		return
	}
	if o.dropped > 0 {
		o.log.Info("the backend's log is written again", "file", o.path, "dropped_bytes", o.dropped)
		o.dropped = 0
	}
}

// close ends it; run must have returned.
func (o *output) close() error { return errors.Join(o.reader.Close(), o.sink.Close()) }

// endOf reads the last bytes of a file; an unreadable one has none.
func endOf(path string, limit int64) []byte {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	text, err := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-limit), limit))
	if err != nil {
		return nil
	}
	return text
}
