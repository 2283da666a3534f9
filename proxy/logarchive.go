package proxy

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// backupLayout stamps a rotated file with UTC, so that names sort by age over a change of summer time.
	backupLayout = "20060102T150405.000Z"
	// quiet is how long a rotated file stays as it is: another process that had
	// it open finds out within movedEvery.
	quiet        = 3 * movedEvery
	archiveSweep = time.Hour // how often files are looked for that have become too old
)

// archive keeps the rotated files of a log: PATH-20061102T150405.000Z, with .gz
// once compressed. It works in a goroutine of its own, between start and stop.
type archive struct {
	path     string
	keep     int           // so many are kept; 0: any number
	maxAge   time.Duration // older ones are removed; 0: never
	compress bool
	wake     chan struct{}
	cancel   context.CancelFunc
	ended    sync.WaitGroup
	trouble  func(error)
}

func newArchive(cfg LogConfig, path string, trouble func(error)) *archive {
	return &archive{
		path: path, keep: cfg.Keep, maxAge: cfg.MaxAge, compress: cfg.Compress,
		wake: make(chan struct{}, 1), trouble: trouble,
	}
}

// freeName is the name for a file that is rotated at t.
func (a *archive) freeName(t time.Time) string {
	for {
		name := a.path + "-" + t.UTC().Format(backupLayout)
		if !exists(name) && !exists(name+".gz") {
			return name
		}
		t = t.Add(time.Millisecond)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (a *archive) start() {
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	a.ended.Go(func() { a.run(ctx) })
	a.kick()
}

// stop waits for the goroutine. What it leaves undone is done after the next start.
func (a *archive) stop() {
	a.cancel()
	a.ended.Wait()
}

// kick says that a file was rotated.
func (a *archive) kick() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *archive) run(ctx context.Context) {
	tick := time.NewTicker(archiveSweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-a.wake:
		}
		if err := a.sweep(ctx); err != nil && ctx.Err() == nil {
			a.trouble(err)
		}
	}
}

// sweep removes what is too much or too old and compresses the rest.
func (a *archive) sweep(ctx context.Context) error {
	backups, err := a.list()
	if err != nil {
		return err
	}
	var problems []error
	for i, b := range backups {
		var err error
		if isExpired(i, b.rotated, time.Now(), a.keep, a.maxAge) {
			err = os.Remove(b.path)
		} else if a.compress && !strings.HasSuffix(b.path, ".gz") {
			err = compressWhenQuiet(ctx, b.path)
		}
		if !errors.Is(err, fs.ErrNotExist) { // else another process did it
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// isExpired decides on the backup that is the nth, counted from 0 for the newest.
func isExpired(nth int, rotated, now time.Time, keep int, maxAge time.Duration) bool {
	return keep > 0 && nth >= keep || maxAge > 0 && now.Sub(rotated) > maxAge
}

type backup struct {
	path    string
	rotated time.Time
}

// list returns the rotated files, the newest first. Files with other names are
// none of ours.
func (a *archive) list() ([]backup, error) {
	entries, err := os.ReadDir(filepath.Dir(a.path))
	if err != nil {
		return nil, fmt.Errorf("rotated logs: %w", err)
	}
	var backups []backup
	prefix := filepath.Base(a.path) + "-"
	for _, entry := range entries {
		stamp, found := strings.CutPrefix(strings.TrimSuffix(entry.Name(), ".gz"), prefix)
		if !found || !entry.Type().IsRegular() {
			continue
		}
		if t, err := time.Parse(backupLayout, stamp); err == nil {
			backups = append(backups, backup{filepath.Join(filepath.Dir(a.path), entry.Name()), t})
		}
	}
	slices.SortFunc(backups, func(a, b backup) int { return b.rotated.Compare(a.rotated) })
	return backups, nil
}

// compressWhenQuiet replaces path by path.gz. A line that another process still
// wrote to it in the meantime makes it begin again.
func compressWhenQuiet(ctx context.Context, path string) error {
	for {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(quiet - min(quiet, time.Since(info.ModTime()))):
		}
		read, err := compressFile(ctx, path)
		if err != nil {
			return fmt.Errorf("compress %s: %w", path, err)
		}
		if after, err := os.Stat(path); err == nil && after.Size() == read {
			return os.Remove(path)
		}
	}
}

// compressFile writes path.gz, by way of a temporary file, and returns how many
// bytes of path are in it.
func compressFile(ctx context.Context, path string) (read int64, err error) {
	from, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return 0, err
	}
	to, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, to.Close(), os.Remove(to.Name()))
		}
	}()
	inherit(to, info)
	zip := gzip.NewWriter(to)
	if read, err = io.Copy(zip, contextReader{ctx, from}); err != nil {
		return 0, err
	}
	if err = errors.Join(zip.Close(), to.Sync()); err != nil {
		return 0, err
	}
	if err = os.Rename(to.Name(), path+".gz"); err != nil {
		return 0, err
	}
	return read, to.Close()
}

// contextReader ends a copy when its context is done.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
