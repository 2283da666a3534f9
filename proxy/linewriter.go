package proxy

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"time"
)

const (
	pendingBytes   = 1 << 20     // lines kept while the sink refuses them; later ones are counted as lost
	complaintEvery = time.Minute // how often a sink that goes on refusing is told of
)

// sink is where lines go: a logFile, or a standard stream.
type sink interface {
	Open() error
	Write(lines []byte) (int, error)
	Reopen() error
	Close() error
}

// standardStream is a sink that belongs to whoever started gateway.
type standardStream struct{ file *os.File }

func (s standardStream) Open() error                     { return nil }
func (s standardStream) Write(lines []byte) (int, error) { return s.file.Write(lines) }
func (s standardStream) Reopen() error                   { return nil }
func (s standardStream) Close() error                    { return nil }

// nowhere is the sink of a log that is not kept.
type nowhere struct{}

func (nowhere) Open() error                     { return nil }
func (nowhere) Write(lines []byte) (int, error) { return len(lines), nil }
func (nowhere) Reopen() error                   { return nil }
func (nowhere) Close() error                    { return nil }

// lineWriter writes lines to a sink. One goroutine owns it.
//
// A sink that refuses, as a full disk does, never holds up a request: lines are
// kept up to pendingBytes, the ones after that are counted, and both the trouble
// and the number of lost lines are told. A line that went out in part is
// completed before anything else is written.
type lineWriter struct {
	sink    sink
	errors  *slog.Logger
	pending []byte // what the sink refused
	failing bool
	lost    int
	told    time.Time
}

func newLineWriter(to sink, errors *slog.Logger) *lineWriter {
	return &lineWriter{sink: to, errors: errors}
}

// write writes whole lines, if there are any, unless the sink is known to refuse.
func (w *lineWriter) write(lines []byte) {
	if len(lines) == 0 {
		return
	}
	if w.failing {
		w.keep(lines)
		return
	}
	if n, err := w.sink.Write(lines); err != nil {
		w.pending = append(w.pending, lines[n:]...)
		w.complain(err)
	}
}

// keep takes lines that cannot be written now, as many as there is room for.
func (w *lineWriter) keep(lines []byte) {
	for line := range bytes.Lines(lines) {
		if len(w.pending)+len(line) > pendingBytes {
			w.lost++
			continue
		}
		w.pending = append(w.pending, line...)
	}
}

// tick is called once a second: it tries again what the sink refused.
func (w *lineWriter) tick() {
	if w.failing {
		w.retry()
	}
}

func (w *lineWriter) reopen() {
	if err := w.sink.Reopen(); err != nil {
		w.errors.Error("access log: cannot be reopened, lines go on into the file that was open", "error", err)
	}
	w.tick()
}

func (w *lineWriter) retry() {
	n, err := w.sink.Write(w.pending)
	if err != nil {
		w.pending = w.pending[:copy(w.pending, w.pending[n:])]
		w.complain(err)
		return
	}
	w.errors.Warn("access log: lines are written again", "lost_lines", w.lost)
	w.pending, w.failing, w.lost, w.told = nil, false, 0, time.Time{}
}

func (w *lineWriter) complain(err error) {
	w.failing = true
	if now := time.Now(); now.Sub(w.told) >= complaintEvery {
		w.told = now
		w.errors.Error("access log: lines cannot be written; requests are served all the same. Make room or mend the path, nothing else is needed",
			"error", err, "waiting_bytes", len(w.pending), "lost_lines", w.lost)
	}
}

// close writes what is left and closes the sink.
func (w *lineWriter) close() error {
	w.tick()
	lost := w.lost + bytes.Count(w.pending, []byte{'\n'})
	err := w.sink.Close()
	if lost > 0 {
		return fmt.Errorf("access log: %d lines could not be written before the end", lost)
	}
	return err
}
