package certs

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"go.uber.org/zap/zapcore"
)

// zapToSlog is a zapcore.Core that passes certmagic's lines on for debugging,
// whatever their level: it logs every step and every failed challenge, of which
// the admin is told once and in our words.
type zapToSlog struct {
	handler slog.Handler
	fields  []zapcore.Field
}

// Enabled tells whether lines for debugging are wanted.
func (z *zapToSlog) Enabled(zapcore.Level) bool {
	return z.handler.Enabled(context.Background(), slog.LevelDebug)
}

// With returns a core whose lines carry the fields too.
func (z *zapToSlog) With(fields []zapcore.Field) zapcore.Core {
	return &zapToSlog{z.handler, slices.Concat(z.fields, fields)}
}

// Check asks for the entry to be written.
func (z *zapToSlog) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if z.Enabled(entry.Level) {
		return checked.AddCore(entry, z)
	}
	return checked
}

// Write passes one entry on.
func (z *zapToSlog) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, field := range slices.Concat(z.fields, fields) {
		field.AddTo(values)
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
