package mail

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// diskSmall mounts a file system of 256 KB, which needs root.
func diskSmall(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a small file system cannot be mounted here (it takes root): %v %s", err, bytes.TrimSpace(out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir
}

func TestOutbox_OnAFullDiskTellsSendsFromMemoryAndStoresAgainWhenThereIsRoom(t *testing.T) {
	disk := diskSmall(t)
	mail := outboxMail()
	o := NewOutbox(Options{Dir: filepath.Join(disk, "outbox")}, mail)
	outboxPut(t, o, outboxNotice("1", "while there is room"))
	filler := filepath.Join(disk, "filler")
	_ = os.WriteFile(filler, make([]byte, 1<<20), 0o600) // fills the disk and fails

	begin := time.Now()
	err := o.Put(outboxNotice("2", "no room"))
	if !errors.Is(err, ErrNotStored) || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("Put on a full disk: %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("Put on a full disk took %v", took)
	}
	if queue := o.Queue(); len(queue) != 2 || !queue[0].Stored || queue[1].Stored {
		t.Fatalf("queue %+v", queue)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	o.load(false) // as Run does once a minute
	queue, _, err := ReadQueue(o.spool.dir)
	if err != nil || len(queue) != 2 || queue[1].Subject != "no room" {
		t.Errorf("on the disk: %+v, %v", queue, err)
	}
	outboxRun(t, o)
	outboxEmpty(t, o)
	if got := mail.notices(); len(got) != 2 {
		t.Errorf("delivered %d notices", len(got))
	}
}

func TestOutbox_SendsWhatAFullDiskDidNotTake(t *testing.T) {
	disk := diskSmall(t)
	mail := outboxMail()
	o := NewOutbox(Options{Dir: filepath.Join(disk, "outbox")}, mail)
	_ = os.WriteFile(filepath.Join(disk, "filler"), make([]byte, 1<<20), 0o600)
	outboxRun(t, o)
	for i := range 5 {
		if err := o.Put(outboxNotice("1", fmt.Sprint(i))); !errors.Is(err, ErrNotStored) {
			t.Fatalf("Put on a full disk: %v", err)
		}
	}
	outboxEmpty(t, o)
	if got := mail.notices(); len(got) != 5 {
		t.Errorf("delivered %d notices", len(got))
	}
}

func TestOutbox_OnAReadOnlyDiskDeliversOnce(t *testing.T) {
	disk := diskSmall(t)
	dir := filepath.Join(disk, "outbox")
	outboxPut(t, NewOutbox(Options{Dir: dir}, outboxMail()), outboxNotice("1", "stored before"))
	if out, err := exec.Command("mount", "-o", "remount,ro", disk).CombinedOutput(); err != nil {
		t.Skipf("the file system cannot be made read-only: %v %s", err, out)
	}
	mail := outboxMail()
	var logged bytes.Buffer
	o := NewOutbox(Options{Dir: dir, Log: diskLog(&logged)}, mail)
	if err := o.Put(outboxNotice("2", "cannot be stored")); !errors.Is(err, ErrNotStored) || !strings.Contains(err.Error(), "read-only") {
		t.Fatalf("Put on a read-only disk: %v", err)
	}
	stop := outboxRun(t, o)
	outboxEmpty(t, o)
	o.load(false)
	o.load(false)
	stop()
	if got := mail.notices(); len(got) != 2 {
		t.Errorf("delivered %d notices: %+v", len(got), got)
	}
	if n := strings.Count(logged.String(), "cannot be removed"); n != 1 {
		t.Errorf("told %d times that the file cannot be removed:\n%s", n, logged.String())
	}
}

func TestOutbox_BoundsWhatItKeepsInMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := NewOutbox(Options{Dir: dir}, outboxMail())
	for range maxUnstored + 50 {
		if err := o.Put(outboxNotice("1", "down")); !errors.Is(err, ErrNotStored) {
			t.Fatalf("Put: %v", err)
		}
	}
	queue := o.Queue()
	if len(queue) != maxUnstored || queue[len(queue)-1].Dropped == 0 {
		t.Errorf("%d in memory, the last one stands for %d", len(queue), queue[len(queue)-1].Dropped)
	}
}

func diskLog(w *bytes.Buffer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// diskRefuses is a channel whose second receiver does not exist.
func diskRefuses() *outboxChannel {
	mail := outboxMail("admin@example.com", "gone@example.com")
	mail.answer = func(_ Notice, targets []string, _ int) Outcome {
		o := outboxTaken(targets)
		o.Receipts[1].Err = &Failure{Stage: StageReceiver, Kind: Permanent, Code: 550, Text: "no such user"}
		return o
	}
	return mail
}

func TestOutbox_OnAReadOnlyDiskDoesNotRepeatWhatOneReceiverRefused(t *testing.T) {
	disk := diskSmall(t)
	dir := filepath.Join(disk, "outbox")
	mail := diskRefuses()
	outboxPut(t, NewOutbox(Options{Dir: dir}, mail), outboxNotice("1", "stored before"))
	if out, err := exec.Command("mount", "-o", "remount,ro", disk).CombinedOutput(); err != nil {
		t.Skipf("the file system cannot be made read-only: %v %s", err, out)
	}
	var logged bytes.Buffer
	buried := 0
	o := NewOutbox(Options{Dir: dir, Log: diskLog(&logged), Buried: func(Item) { buried++ }}, mail)
	stop := outboxRun(t, o)
	outboxEmpty(t, o)
	o.load(false) // as Run does once a minute
	outboxEmpty(t, o)
	o.load(false)
	stop()
	if got := mail.notices(); len(got) != 1 || buried != 1 {
		t.Errorf("delivered %d times, told %d times that it was given up, want once each", len(got), buried)
	}
	if n := strings.Count(logged.String(), "cannot be kept among the dead letters"); n != 1 {
		t.Errorf("logged %d times that it cannot be kept:\n%s", n, logged.String())
	}
}

func TestOutbox_ADeadLetterOfAFullDiskTellsWhoRefusedItOnceThereIsRoom(t *testing.T) {
	disk := diskSmall(t)
	mail := diskRefuses()
	o := NewOutbox(Options{Dir: filepath.Join(disk, "outbox")}, mail)
	outboxPut(t, o, outboxNotice("1", "while there is room"))
	filler := filepath.Join(disk, "filler")
	_ = os.WriteFile(filler, make([]byte, 1<<20), 0o600) // fills the disk and fails
	stop := outboxRun(t, o)
	outboxEmpty(t, o)
	stop()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	o.load(false) // as Run does once a minute
	queue, dead, err := ReadQueue(o.spool.dir)
	if err != nil || len(queue) != 0 || len(dead) != 1 {
		t.Fatalf("queue %+v, dead letters %+v, %v", queue, dead, err)
	}
	if targets := dead[0].Targets; len(targets) != 2 || targets[0].State != "delivered" || targets[1].State != "refused" || !strings.Contains(targets[1].Error, "no such user") {
		t.Errorf("the dead letter says %+v", targets)
	}
}
