package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// BusyError is a setup that is kept out by another one.
type BusyError struct {
	PID   int       `json:"pid"`
	By    string    `json:"by"`
	Since time.Time `json:"since"`
}

func (e *BusyError) Error() string {
	if e.PID == 0 {
		return "another `gateway setup` is at work: wait for it to end"
	}
	return fmt.Sprintf("another `gateway setup` is at work: process %d of %s, since %s: wait for it to end",
		e.PID, e.By, e.Since.Local().Format("2006-01-02 15:04:05"))
}

// setupLock keeps a second setup out of the host. The kernel lets go of it when
// the process ends, however that happens.
type setupLock struct{ file *os.File }

const lockName = "lock"

// lock takes the lock; the error is a *BusyError while another process has it.
func (s *store) lock(by string, now time.Time) (*setupLock, error) {
	file, err := s.folder.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		busy := &BusyError{}
		if text, err := io.ReadAll(io.LimitReader(file, 4096)); err == nil {
			_ = json.Unmarshal(text, busy) // it is only for the message
		}
		return nil, errors.Join(busy, file.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s/%s: %w", s.path, lockName, err), file.Close())
	}
	l := &setupLock{file}
	if err := l.sign(BusyError{PID: os.Getpid(), By: by, Since: now}); err != nil {
		l.release()
		return nil, fmt.Errorf("%s/%s: %w", s.path, lockName, err)
	}
	return l, nil
}

// busy tells whether another process has the lock, and leaves no mark.
func (s *store) busy() bool {
	file, err := s.folder.Open(lockName)
	if err != nil {
		return false
	}
	defer file.Close()
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	return errors.Is(err, syscall.EWOULDBLOCK)
}

// sign writes into the lock who has it.
func (l *setupLock) sign(who BusyError) error {
	text, err := json.Marshal(who)
	if err != nil {
		return err
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err = l.file.WriteAt(text, 0)
	return err
}

func (l *setupLock) release() { _ = l.file.Close() }

const (
	// lockEvery is how often a lock that another process has is tried.
	lockEvery = 50 * time.Millisecond
	// lockMoment is how long a lock may be somebody's who only looks.
	lockMoment = 500 * time.Millisecond
)

// lockInTime waits for the lock until ctx ends.
func (s *store) lockInTime(ctx context.Context, by string, now func() time.Time) (*setupLock, error) {
	ticker := time.NewTicker(lockEvery)
	defer ticker.Stop()
	for {
		l, err := s.lock(by, now())
		if busy := (*BusyError)(nil); !errors.As(err, &busy) {
			return l, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}
