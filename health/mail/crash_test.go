package mail

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// The crash test runs this test binary again as a child that puts notices into an
// outbox and delivers them; these tell the child what to do.
const (
	crashDir  = "MAIL_TEST_CRASH_DIR"
	crashAddr = "MAIL_TEST_CRASH_ADDR"
	crashLife = "MAIL_TEST_CRASH_LIFE"
)

// crashChild raises incidents for ever and prints the name of each one that Put
// has taken.
func crashChild(dir, addr, life string) {
	var port int
	if _, err := fmt.Sscanf(addr, "127.0.0.1:%d", &port); err != nil {
		panic(err)
	}
	cfg := DefaultConfig()
	cfg.Host, cfg.Port, cfg.Security, cfg.From, cfg.To = "127.0.0.1", port, SecurityNone, smtpdUser, []string{"admin@example.com"}
	o := NewOutbox(Options{Dir: dir, MaxQueue: 100000}, NewSender(cfg))
	go func() { _ = o.Run(context.Background()) }()
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s-%d", life, i)
		if err := o.Put(outboxNotice(name, name)); err != nil {
			panic(err)
		}
		fmt.Println(name)
		time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond)
	}
}

func TestOutbox_LosesNothingWhenItIsKilledFiftyTimes(t *testing.T) {
	server := (&smtpd{}).start(t)
	dir := t.TempDir()
	taken := map[string]bool{}
	for life := range 50 {
		for _, name := range crashOnce(t, dir, server.addr, life) {
			taken[name] = true
		}
	}
	cfg := smtpdConfig(t, server.addr, SecurityNone)
	o := NewOutbox(Options{Dir: dir, MaxQueue: 100000}, NewSender(cfg))
	stop := outboxRun(t, o)
	for deadline := time.Now().Add(outboxPatience); len(outboxFiles(t, dir, queueFolder)) > crashTemps(t, dir) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	stop()

	copies := crashDelivered(t, server)
	for name := range taken {
		if copies[name] == 0 {
			t.Errorf("%s was taken and never delivered", name)
		}
	}
	if len(taken) < 200 {
		t.Errorf("only %d notices were taken: the test says little", len(taken))
	}
	if dead := outboxFiles(t, dir, deadFolder); len(dead) > 0 {
		t.Errorf("dead letters: %v", dead)
	}
	t.Logf("%d notices taken, %d mails delivered, %d half-written files left", len(taken), len(server.mails()), crashTemps(t, dir))
}

// crashOnce lets a child live for a moment, kills it with SIGKILL, and returns the
// notices that it had taken by then.
func crashOnce(t *testing.T, dir, addr string, life int) (taken []string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashDir+"="+dir, crashAddr+"="+addr, fmt.Sprintf("%s=%d", crashLife, life))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	kill := sync.OnceFunc(func() { _ = child.Process.Kill() })
	defer time.AfterFunc(outboxPatience, kill).Stop() // if it never says anything
	for lines.Scan() {
		taken = append(taken, lines.Text())
		if len(taken) == 4 { // fifty lives of four notices are at least 200
			time.AfterFunc(time.Duration(rand.IntN(40_000))*time.Microsecond, kill)
		}
	}
	_ = child.Wait()
	return taken
}

// crashTemps counts the files that a kill left half-written, which are swept later.
func crashTemps(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	for _, file := range outboxFiles(t, dir, queueFolder) {
		if strings.Contains(file, tempPrefix) {
			n++
		}
	}
	return n
}

// crashDelivered counts the copies of each notice, and fails the test if copies of
// one have different Message-IDs.
func crashDelivered(t *testing.T, server *smtpd) map[string]int {
	t.Helper()
	copies := map[string]int{}
	for _, mail := range server.mails() {
		header, _ := smtpdRead(t, mail.raw)
		subject, _ := header.Subject()
		id, _ := header.MessageID()
		copies[subject]++
		if id != subject+"@www" {
			t.Errorf("a copy of %s has the Message-ID %q", subject, id)
		}
	}
	return copies
}
