package proxy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// ErrorLog is where gateway's own events go: one line of key=value text an
// event, whatever the event's text holds, and no secrets.
type ErrorLog struct {
	mu    sync.Mutex // guards sink, which one goroutine at a time may use
	sink  sink
	path  string
	warn  sync.Once
	level slog.LevelVar
	log   *slog.Logger
}

// NewErrorLog prepares the error log of cfg; it touches no file.
func NewErrorLog(cfg LogConfig) (*ErrorLog, error) {
	level, err := parseLevel(cfg.Level)
	if err != nil {
		return nil, fmt.Errorf("log level %q %w", cfg.Level, err)
	}
	l := &ErrorLog{path: cfg.Error, sink: errorSink(cfg)}
	l.level.Set(level)
	l.log = slog.New(redactHandler{slog.NewTextHandler(errorWriter{l}, &slog.HandlerOptions{Level: &l.level})})
	return l, nil
}

func errorSink(cfg LogConfig) sink {
	if cfg.Error == "-" {
		return standardStream{os.Stderr}
	}
	return newLogFile(cfg, cfg.Error, func(err error) { fmt.Fprintln(os.Stderr, "error log:", err) })
}

// Open opens the file.
func (l *ErrorLog) Open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sink.Open()
}

// Reopen opens the path anew, after logrotate has renamed the file.
func (l *ErrorLog) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sink.Reopen()
}

// Close closes the file; what is logged later is lost.
func (l *ErrorLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sink.Close()
}

// Logger is the logger that writes here.
func (l *ErrorLog) Logger() *slog.Logger { return l.log }

// errorWriter is the end of the handler: events are rare enough to be written
// one by one, so that none is lost in a crash.
type errorWriter struct{ log *ErrorLog }

func (w errorWriter) Write(line []byte) (int, error) {
	w.log.mu.Lock()
	n, err := w.log.sink.Write(line)
	path := w.log.path
	w.log.mu.Unlock()
	if err == nil {
		return n, nil
	}
	// A disk that is full must not hide the event: the service manager's journal is the next best place.
	w.log.warn.Do(func() {
		fmt.Fprintf(os.Stderr, "error log %s cannot be written, events go to standard error as well: %v\n", path, err)
	})
	return io.Writer(os.Stderr).Write(line)
}

// redactHandler takes the secrets out of messages and attributes.
type redactHandler struct{ slog.Handler }

// Handle passes the record on, redacted.
func (h redactHandler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, redactMessage(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(redactAttr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// WithAttrs passes the attributes on, redacted.
func (h redactHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = redactAttr(a)
	}
	return redactHandler{h.Handler.WithAttrs(clean)}
}

// WithGroup opens a group.
func (h redactHandler) WithGroup(name string) slog.Handler {
	return redactHandler{h.Handler.WithGroup(name)}
}

func redactAttr(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch kind := a.Value.Kind(); {
	case kind == slog.KindGroup:
		members := a.Value.Group()
		clean := make([]slog.Attr, len(members))
		for i, member := range members {
			clean[i] = redactAttr(member)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(clean...)}
	case kind != slog.KindString && kind != slog.KindAny: // numbers, times
		return a
	case isSecretName(a.Key):
		return slog.String(a.Key, hidden)
	}
	return slog.String(a.Key, redactMessage(fmt.Sprint(a.Value.Any())))
}
