package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// maxPooledLine is the largest line buffer that is kept for reuse.
const maxPooledLine = 16 << 10

// AccessLog writes one line a request. The goroutine that served the request
// formats its line and leaves it for the one goroutine in Run, which alone
// touches the file.
//
// A line that comes after a quiet time is written at once, those that follow it
// together, every gatherFor. Whatever ends the process without a word (kill -9, a
// crash, the kernel when memory runs out) takes the lines of that time along. To
// save those would take a wake-up and a system call for every request: at 2,000
// requests a second they were a quarter of all CPU time.
type AccessLog struct {
	// Observe is told of every request when it has been answered. It must be set
	// before the first one, and must not block. Nil is fine.
	Observe func(Observation)

	target atomic.Pointer[accessTarget] // written by Run, once it runs
	errors *slog.Logger
	queue  *lineQueue
	reopen chan struct{}
	next   chan accessChange
	done   chan struct{} // closed when Run has written its last line
	lines  sync.Pool     // of *[]byte
	spare  []byte        // Run's: memory for lines to come
}

// accessTarget is how lines look and where they go.
type accessTarget struct {
	append appendField // nil when no access log is kept
	writer *lineWriter
}

// NewAccessLog prepares the access log of cfg; it touches no file. Troubles with
// the file are told to errors, at most once a minute. The error is a *FormatError.
func NewAccessLog(cfg LogConfig, errors *slog.Logger) (*AccessLog, error) {
	l := &AccessLog{
		errors: errors,
		queue:  newLineQueue(),
		reopen: make(chan struct{}, 1),
		next:   make(chan accessChange),
		done:   make(chan struct{}),
		lines:  sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }},
	}
	target, err := newAccessTarget(cfg, errors)
	if err != nil {
		return nil, err
	}
	l.target.Store(target)
	return l, nil
}

func newAccessTarget(cfg LogConfig, errors *slog.Logger) (*accessTarget, error) {
	if cfg.Access == "" {
		return &accessTarget{writer: newLineWriter(nowhere{}, errors)}, nil
	}
	appendLine, err := lineFormat(cfg.Format)
	if err != nil {
		return nil, err
	}
	return &accessTarget{appendLine, newLineWriter(accessSink(cfg, errors), errors)}, nil
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
func (l *AccessLog) Open() error { return l.target.Load().writer.sink.Open() }

// Close closes a log that was opened but never ran.
func (l *AccessLog) Close() error { return l.target.Load().writer.sink.Close() }

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
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	gathered := time.NewTimer(gatherFor)
	defer gathered.Stop()
	for {
		writer := l.target.Load().writer
		select {
		case <-l.queue.ready:
			l.write(writer, gathered)
		case <-gathered.C:
			l.write(writer, gathered)
		case <-l.reopen:
			l.write(writer, gathered)
			writer.reopen()
		case <-tick.C:
			writer.tick()
		case next := <-l.next:
			l.write(writer, gathered)
			l.exchange(next)
		case <-ctx.Done():
			writer.write(l.queue.close())
			return writer.close()
		}
	}
}

// write writes what was gathered and has gathered set for the next time. It is
// not set when nothing came: then the next line wakes Run.
func (l *AccessLog) write(writer *lineWriter, gathered *time.Timer) {
	lines := l.queue.take(l.spare)
	if len(lines) > 0 {
		writer.write(lines)
		gathered.Reset(gatherFor)
	}
	if l.spare = lines; cap(lines) > 4*batchBytes {
		l.spare = nil // what a slow disk or a flood of long lines took
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
	l.observe(t)
	if l.target.Load().append == nil {
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
	appendLine := l.target.Load().append
	if appendLine == nil { // since the request began
		return
	}
	line := l.lines.Get().(*[]byte)
	*line = append(appendLine((*line)[:0], t), '\n')
	l.queue.add(*line)
	if cap(*line) <= maxPooledLine {
		l.lines.Put(line)
	}
}
