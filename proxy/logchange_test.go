package proxy

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogChange_HasTheAccessLogWrittenElsewhereAndLosesNoLine(t *testing.T) {
	dir := t.TempDir()
	before, after := filepath.Join(dir, "before.log"), filepath.Join(dir, "after.log")
	log, err := NewAccessLog(LogConfig{Access: before, Format: "before %U"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := logTestRun(t, log)
	handler := log.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	ask := func(path string) { handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)) }
	ask("/1")
	ask("/2")
	change, err := log.Prepare(LogConfig{Access: after, Format: "after %U"})
	if err != nil {
		t.Fatal(err)
	}
	ask("/3")
	change.Commit()
	ask("/4")
	logTestWaitLines(t, after, 1)
	if change, err = log.Prepare(LogConfig{Access: ""}); err != nil {
		t.Fatal(err)
	}
	change.Commit()
	ask("/5")
	stop()
	if got := strings.Join(logTestEverything(t, before), ","); got != "before /1,before /2,before /3" {
		t.Errorf("before: %q", got)
	}
	if got := strings.Join(logTestEverything(t, after), ","); got != "after /4" {
		t.Errorf("after: %q", got)
	}
}

func TestLogChange_RefusesAPathThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	access, err := NewAccessLog(DefaultLog(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultLog()
	cfg.Access, cfg.Error = filepath.Join(file, "access.log"), filepath.Join(file, "error.log")
	if _, err := access.Prepare(cfg); err == nil {
		t.Error("an access log below a file was taken")
	}
	errors, err := NewErrorLog(DefaultLog())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := errors.Prepare(cfg); err == nil {
		t.Error("an error log below a file was taken")
	}
}

func TestLogChange_ChangesPathAndLevelOfTheErrorLogInPlace(t *testing.T) {
	dir := t.TempDir()
	cfg := DefaultLog()
	cfg.Error, cfg.Level = filepath.Join(dir, "one.log"), "info"
	log, err := NewErrorLog(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Open(); err != nil {
		t.Fatal(err)
	}
	logger := log.Logger().With("kept", true)
	logger.Info("first")
	cfg.Error, cfg.Level = filepath.Join(dir, "two.log"), "warn"
	change, err := log.Prepare(cfg)
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	logger.Info("unheard")
	logger.Warn("second")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	one, two := strings.Join(logTestEverything(t, filepath.Join(dir, "one.log")), ","), strings.Join(logTestEverything(t, cfg.Error), ",")
	if !strings.Contains(one, "first") || strings.Contains(one, "second") {
		t.Errorf("one: %q", one)
	}
	if !strings.Contains(two, "second") || strings.Contains(two, "unheard") {
		t.Errorf("two: %q", two)
	}
}
