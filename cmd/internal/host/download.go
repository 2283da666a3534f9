package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Download fetches a file and gives it the name Path only once its sum is right.
// The folder of Path is a cache that root alone can enter: it is made where it is
// not there, a file with the right sum is not fetched again, and a part of one is
// gone on with. So nothing is to be taken back; a later act removes the file.
type Download struct {
	URL    string // https://..., or the absolute path of a file that an admin has brought
	SHA256 string // in hex
	Path   string
	CAFile string // PEM file with the authorities to trust instead of the system's; "": the system's
	Limit  int64  // most bytes; what is larger is not what was meant
}

func (Download) act() {}

// SumError is a file that is not the one that was meant.
type SumError struct{ URL, Want, Got string }

func (e *SumError) Error() string {
	return fmt.Sprintf("%s has the SHA-256 %s, not %s: it was thrown away and not run: compare both with the sum that its publisher shows, "+
		"and write the right one or another URL", e.URL, e.Got, e.Want)
}

// errComplete is the answer to a request for more of a file that is here already.
var errComplete = errors.New("nothing is missing")

// permanentError is what another try does not mend.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

const (
	// downloadTries is after how many tries in a row without one new byte it is given up.
	downloadTries = 5
	// downloadStall is how long a server may send nothing.
	downloadStall = time.Minute
)

// downloader fetches one file.
type downloader struct {
	Download
	client   *http.Client
	part     part
	stall    time.Duration
	pause    func(try int) time.Duration
	progress func(what string, done, total int64)
}

// Fetch does the download on this machine.
func (d Download) Fetch(ctx context.Context, m Machine) error {
	client, err := d.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	d.Path = m.Path(d.Path)
	progress := m.Progress
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	return downloader{
		Download: d, client: client, part: part{path: d.Path + ".part"}, stall: downloadStall, progress: progress,
		pause: func(try int) time.Duration { return time.Second << try },
	}.run(ctx)
}

func (d downloader) run(ctx context.Context) error {
	if err := ownFolder(filepath.Dir(d.Path)); err != nil {
		return fmt.Errorf("the folder for downloads: %w", err)
	}
	if sum, err := sumOf(d.Path); err == nil && sum == d.SHA256 {
		return nil
	}
	resumed, err := d.whole(ctx)
	if err != nil {
		return err
	}
	err = d.accept()
	var wrong *SumError
	if resumed && errors.As(err, &wrong) { // the part of an earlier day may be what is wrong
		if _, err = d.whole(ctx); err == nil {
			err = d.accept()
		}
	}
	return err
}

// ownFolder makes a folder that no other user can change a file in, or sees that
// the one that is there is such.
func ownFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if owner, known := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !known || int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is %s, but it must be a folder that only its owner, user %d, can enter: "+
			"what is downloaded there is run: see what it is, and remove it", path, info.Mode(), os.Geteuid())
	}
	return nil
}

// whole tries until all of the file is in the part. It tells whether it went on
// with what an earlier run had left.
func (d downloader) whole(ctx context.Context) (resumed bool, err error) {
	if filepath.IsAbs(d.URL) {
		return false, d.copy(ctx)
	}
	from, _ := d.part.resumable(d.URL)
	resumed = from > 0
	for try := 0; ; try++ {
		before := d.part.size()
		err := d.try(ctx)
		if err == nil || errors.Is(err, errComplete) {
			return resumed, nil
		}
		if d.part.size() > before {
			try = 0
		}
		if permanent := (permanentError{}); errors.As(err, &permanent) || ctx.Err() != nil || try+1 >= downloadTries {
			return resumed, d.failed(err)
		}
		select {
		case <-ctx.Done():
			return resumed, d.failed(context.Cause(ctx))
		case <-time.After(d.pause(try)):
		}
	}
}

// failed says what is left of a download that did not end. A full disk is not
// left full.
func (d downloader) failed(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		d.part.discard()
		return fmt.Errorf("download %s to %s: %w: free some space there, and run the same command again", d.URL, filepath.Dir(d.Path), err)
	}
	if n := d.part.size(); n > 0 {
		return fmt.Errorf("download %s: %w: %d bytes are kept, and the same command goes on from there", d.URL, err, n)
	}
	return fmt.Errorf("download %s: %w", d.URL, err)
}

// accept gives the file its name if its sum is right, and throws it away if not.
func (d downloader) accept() error {
	sum, err := sumOf(d.part.path)
	if err != nil {
		return err
	}
	if sum != d.SHA256 {
		d.part.discard()
		return &SumError{URL: d.URL, Want: d.SHA256, Got: sum}
	}
	if err := os.Rename(d.part.path, d.Path); err != nil {
		return err
	}
	d.part.discard()
	return nil
}

// copy takes a file that an admin has brought, so that the one that is checked
// is the one that is run.
func (d downloader) copy(ctx context.Context) error {
	from, err := os.Open(d.URL)
	if err != nil {
		return fmt.Errorf("the installer cannot be read: %w", err)
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > d.Limit {
		return fmt.Errorf("%s is not a file of at most %d bytes", d.URL, d.Limit)
	}
	if err := d.part.begin("", ""); err != nil {
		return d.failed(err)
	}
	if err := d.body(ctx, from, info.Size()); err != nil {
		d.part.discard()
		return fmt.Errorf("copy %s to %s: %w", d.URL, filepath.Dir(d.Path), err)
	}
	return nil
}

// sumOf is the SHA-256 of a file, in hex.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
