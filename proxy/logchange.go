package proxy

import (
	"fmt"
	"log/slog"
)

// LogChange is a log that shall be written elsewhere or in another format, with
// all that could fail behind it. Either Commit or Discard must be called.
type LogChange struct {
	commit  func()
	discard func() error
}

// Commit writes what comes from now on as the change says.
func (c *LogChange) Commit() { c.commit() }

// Discard leaves the log as it is.
func (c *LogChange) Discard() error { return c.discard() }

// Prepare opens what cfg names, for a log that runs. A line whose request ends
// while Commit is under way may still be in the old format.
func (l *AccessLog) Prepare(cfg LogConfig) (*LogChange, error) {
	next, err := newAccessTarget(cfg, l.errors)
	if err != nil {
		return nil, err
	}
	if err := next.writer.sink.Open(); err != nil {
		return nil, err
	}
	return &LogChange{func() { l.commit(next) }, next.writer.sink.Close}, nil
}

func (l *AccessLog) commit(next *accessTarget) {
	change := accessChange{next, make(chan struct{})}
	select {
	case l.next <- change:
		<-change.made
	case <-l.done:
		_ = next.writer.sink.Close() // nothing was written
	}
}

// accessChange is what Run is asked for.
type accessChange struct {
	next *accessTarget
	made chan struct{} // closed when lines go to next
}

// exchange is Run's part of a change, after it has written what waited to where it was meant to go.
func (l *AccessLog) exchange(change accessChange) {
	before := l.target.Load().writer
	l.target.Store(change.next)
	close(change.made)
	if err := before.close(); err != nil {
		l.errors.Error("the access log was changed", "error", err)
	}
}

// Prepare opens what cfg names.
func (l *ErrorLog) Prepare(cfg LogConfig) (*LogChange, error) {
	level, err := parseLevel(cfg.Level)
	if err != nil {
		return nil, fmt.Errorf("log level %q %w", cfg.Level, err)
	}
	next := errorSink(cfg)
	if err := next.Open(); err != nil {
		return nil, err
	}
	return &LogChange{func() { l.commit(cfg.Error, level, next) }, next.Close}, nil
}

func (l *ErrorLog) commit(path string, level slog.Level, next sink) {
	l.mu.Lock()
	before := l.sink
	l.path, l.sink = path, next
	l.mu.Unlock()
	l.level.Set(level)
	if err := before.Close(); err != nil {
		l.log.Warn("the former error log", "error", err)
	}
}
