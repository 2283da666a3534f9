package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"
)

// queueLines is how many finished lines may wait for the disk. A request that
// finds the queue full waits for a place: a slow disk slows the clients down,
// and no line is lost. A disk that refuses (full, gone) does not block, see lineWriter.
const queueLines = 1024

// maxPooledLine is the largest line buffer that is kept for reuse.
const maxPooledLine = 16 << 10

// AccessLog writes one line a request. The goroutine that served the request
// formats its line and hands it to the one goroutine in Run, which alone
// touches the file; there is no lock on the way.
type AccessLog struct {
	append appendField // nil when no access log is kept
	writer *lineWriter
	queue  chan *[]byte
	reopen chan struct{}
	done   chan struct{} // closed when Run has written its last line
	lines  sync.Pool     // of *[]byte
}

// NewAccessLog prepares the access log of cfg; it touches no file. Troubles with
// the file are told to errors, at most once a minute. The error is a *FormatError.
func NewAccessLog(cfg LogConfig, errors *slog.Logger) (*AccessLog, error) {
	l := &AccessLog{
		queue:  make(chan *[]byte, queueLines),
		reopen: make(chan struct{}, 1),
		done:   make(chan struct{}),
		lines:  sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }},
	}
	if cfg.Access == "" {
		return l, nil
	}
	appendLine, err := lineFormat(cfg.Format)
	if err != nil {
		return nil, err
	}
	l.append = appendLine
	l.writer = newLineWriter(accessSink(cfg, errors), errors)
	return l, nil
}

func accessSink(cfg LogConfig, errors *slog.Logger) sink {
	if cfg.Access == "-" {
		return standardStream{os.Stdout}
	}
	return newLogFile(cfg, cfg.Access, func(err error) { errors.Error("access log", "error", err) })
}

func lineFormat(format string) (appendField, error) {
	if format == "json" {
		return appendJSONLine, nil
	}
	compiled, err := ParseLogFormat(format)
	if err != nil {
		return nil, fmt.Errorf("log format: %w", err)
	}
	return compiled.appendLine, nil
}

// Open opens the file, so that a path that cannot be written is an error before
// anything is served. Close or the end of Run closes it.
func (l *AccessLog) Open() error {
	if l.writer == nil {
		return nil
	}
	return l.writer.sink.Open()
}

// Close closes a log that was opened but never ran.
func (l *AccessLog) Close() error {
	if l.writer == nil {
		return nil
	}
	return l.writer.sink.Close()
}

// Reopen makes Run open the path anew, after logrotate has renamed the file.
func (l *AccessLog) Reopen() {
	select {
	case l.reopen <- struct{}{}:
	default: // one is due already
	}
}

// Run writes lines until ctx is done, then writes those that wait and closes
// the file. End it after the servers: requests that finish later are not logged.
func (l *AccessLog) Run(ctx context.Context) error {
	defer close(l.done)
	if l.writer == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case line := <-l.queue:
			l.write(line)
		case <-l.reopen:
			l.writer.reopen()
		case <-tick.C:
			l.writer.tick()
		case <-ctx.Done():
			l.drain()
			return l.writer.close()
		}
	}
}

// write writes a line together with those that wait behind it, so that a busy
// log costs one system call for many lines and a quiet one is up to date.
func (l *AccessLog) write(line *[]byte) {
	l.take(line)
	for !l.writer.full() {
		select {
		case line := <-l.queue:
			l.take(line)
			continue
		default:
		}
		break
	}
	l.writer.flush()
}

func (l *AccessLog) take(line *[]byte) {
	l.writer.add(*line)
	if cap(*line) <= maxPooledLine {
		l.lines.Put(line)
	}
}

func (l *AccessLog) drain() {
	for {
		select {
		case line := <-l.queue:
			l.write(line)
		default:
			return
		}
	}
}

// Wrap is the outermost handler: it opens the request's exchange, lets next
// answer, and writes the line.
func (l *AccessLog) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := newTransaction(w, r)
		defer l.finish(t) // also when the handler panics with http.ErrAbortHandler
		next.ServeHTTP(&t.response, t.request)
		t.response.returned = true
	})
}

// finish logs the request, now or when the server says that the response has left.
func (l *AccessLog) finish(t *transaction) {
	t.finish()
	if l.append == nil {
		return
	}
	c := t.exchange.conn
	if c == nil || !c.account.deferred || t.request.ProtoMajor != 1 || t.response.tunnel != nil {
		t.close()
		l.log(t)
		return
	}
	t.log = l
	c.account.unlogged.Store(t)
}

func (l *AccessLog) log(t *transaction) {
	line := l.lines.Get().(*[]byte)
	*line = append(l.append((*line)[:0], t), '\n')
	select {
	case <-l.done:
		return
	default:
	}
	select {
	case l.queue <- line:
	case <-l.done:
	}
}
