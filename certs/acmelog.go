package certs

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap/zapcore"
)

// zapToSlog is a zapcore.Core that passes certmagic's lines on for debugging,
// whatever their level: it logs every step and every failed challenge, of which
// the admin is told once and in our words. The CA's answers are in these lines,
// and nowhere else when they say how long to wait.
type zapToSlog struct {
	handler slog.Handler
	fields  []zapcore.Field
	heard   *pauses
}

// Enabled takes all lines: what they say is of use whether they are logged or not.
func (z *zapToSlog) Enabled(zapcore.Level) bool { return true }

// With returns a core whose lines carry the fields too.
func (z *zapToSlog) With(fields []zapcore.Field) zapcore.Core {
	return &zapToSlog{z.handler, slices.Concat(z.fields, fields), z.heard}
}

// Check asks for the entry to be written.
func (z *zapToSlog) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return checked.AddCore(entry, z)
}

// Write passes one entry on.
func (z *zapToSlog) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, field := range slices.Concat(z.fields, fields) {
		field.AddTo(values)
	}
	status, _ := values.Fields["status_code"].(int64)
	if header, ok := values.Fields["response_headers"].(http.Header); ok && status >= http.StatusBadRequest {
		z.heard.note(header, time.Now())
	}
	if !z.handler.Enabled(context.Background(), slog.LevelDebug) {
		return nil
	}
	record := slog.NewRecord(time.Now(), slog.LevelDebug, "certmagic: "+entry.Message, 0)
	record.AddAttrs(slog.String("level_there", entry.Level.String()))
	for name, value := range values.Fields {
		record.AddAttrs(slog.Any(name, value))
	}
	return z.handler.Handle(context.Background(), record)
}

// Sync has nothing to do: slog does not buffer.
func (z *zapToSlog) Sync() error { return nil }

// pauses is the last time that the CA named before which it wants no other try.
type pauses struct {
	mu    sync.Mutex
	until time.Time
	heard time.Time
}

// note takes a refusal.
func (p *pauses) note(header http.Header, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := retryAfter(header, now); !until.IsZero() {
		p.until, p.heard = until, now
	}
}

// since returns it if it was named since then.
func (p *pauses) since(begun time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heard.Before(begun) {
		return time.Time{}
	}
	return p.until
}
