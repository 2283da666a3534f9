package mail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// outboxChannel is a channel whose outcomes a test decides.
type outboxChannel struct {
	name     string
	to       []string
	fallback bool
	answer   func(n Notice, targets []string, try int) Outcome // nil: everything is delivered

	mu       sync.Mutex
	tries    int
	got      []Notice
	times    []time.Time
	targets  [][]string
	delivers chan struct{} // one value for each call of Deliver, if not nil
}

func (c *outboxChannel) Name() string            { return c.name }
func (c *outboxChannel) Targets(Notice) []string { return c.to }
func (c *outboxChannel) Fallback() bool          { return c.fallback }

func (c *outboxChannel) Deliver(_ context.Context, n Notice, targets []string) Outcome {
	c.mu.Lock()
	c.tries++
	try := c.tries
	c.got = append(c.got, n)
	c.times = append(c.times, time.Now())
	c.targets = append(c.targets, targets)
	c.mu.Unlock()
	if c.delivers != nil {
		c.delivers <- struct{}{}
	}
	if c.answer != nil {
		return c.answer(n, targets, try)
	}
	return outboxTaken(targets)
}

func (c *outboxChannel) notices() []Notice {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

func outboxTaken(targets []string) Outcome {
	o := Outcome{}
	for _, target := range targets {
		o.Receipts = append(o.Receipts, Receipt{Target: target})
	}
	return o
}

func outboxMail(to ...string) *outboxChannel {
	if len(to) == 0 {
		to = []string{"admin@example.com"}
	}
	return &outboxChannel{name: MailChannel, to: to}
}

func outboxNotice(incident, subject string) Notice {
	return Notice{Incident: incident, Kind: "opened", Message: Message{Subject: subject, Body: "It exited with status 1.\n第二行\n", MessageID: strings.ReplaceAll(subject, " ", "-") + "@www"}}
}

// outboxRun runs an outbox until the test or the returned function ends it.
func outboxRun(t *testing.T, o *Outbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func outboxPut(t *testing.T, o *Outbox, n Notice) {
	t.Helper()
	if err := o.Put(n); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

func outboxFiles(t *testing.T, dir, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// outboxPatience is only spent when a test fails.
const outboxPatience = time.Minute

// outboxEmpty waits until nothing is queued.
func outboxEmpty(t *testing.T, o *Outbox) {
	t.Helper()
	for deadline := time.Now().Add(outboxPatience); len(o.Queue()) > 0; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still queued: %+v", o.Queue())
		}
	}
}

func TestOutbox_DeliversAndLeavesNothingBehind(t *testing.T) {
	mail := outboxMail("admin@example.com", "second@example.com")
	chat := &outboxChannel{name: "wecom", to: []string{""}}
	dir := t.TempDir()
	o := NewOutbox(Options{Dir: dir}, mail, chat)
	outboxPut(t, o, outboxNotice("1", "before Run"))
	outboxRun(t, o)
	outboxPut(t, o, outboxNotice("1", "while it runs"))
	outboxEmpty(t, o)
	for _, channel := range []*outboxChannel{mail, chat} {
		got := channel.notices()
		if len(got) != 2 || got[0].Subject != "before Run" || got[1].MessageID != "while-it-runs@www" || got[0].Body != "It exited with status 1.\n第二行\n" {
			t.Errorf("%s got %+v", channel.name, got)
		}
	}
	if files := append(outboxFiles(t, dir, queueFolder), outboxFiles(t, dir, deadFolder)...); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

// Run once forgot what was put while it read the folder, until it read it again a
// minute later.
func TestOutbox_ReadingTheFolderForgetsNothingThatIsPutMeanwhile(t *testing.T) {
	o := NewOutbox(Options{Dir: t.TempDir()}, outboxMail())
	var puts sync.WaitGroup
	puts.Go(func() {
		for i := range 50 {
			if err := o.Put(outboxNotice("1", fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
			if n := len(o.Queue()); n != i+1 {
				t.Errorf("after %d notices %d are queued", i+1, n)
			}
		}
	})
	done := make(chan struct{})
	go func() { puts.Wait(); close(done) }()
	for {
		o.load(true)
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestOutbox_KeepsANoticeOverARestartInAFileMadeToBeRead(t *testing.T) {
	dir := t.TempDir()
	outboxPut(t, NewOutbox(Options{Dir: dir}, outboxMail()), outboxNotice("api-7", "www api is DOWN 后端"))
	files := outboxFiles(t, dir, queueFolder)
	if len(files) != 1 {
		t.Fatalf("files: %v", files)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Incident: api-7\n", "Subject: www api is DOWN 后端\n", "Pending: mail\tadmin@example.com\n", "\n\nIt exited with status 1.\n第二行\n"} {
		if !strings.Contains(string(content), want) {
			t.Errorf("%q is missing in:\n%s", want, content)
		}
	}
	if info, _ := os.Stat(files[0]); info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v", info.Mode())
	}
	mail := outboxMail()
	after := NewOutbox(Options{Dir: dir}, mail)
	outboxRun(t, after)
	for len(mail.notices()) == 0 {
		time.Sleep(time.Millisecond)
	}
	if got := mail.notices()[0]; got.Subject != "www api is DOWN 后端" || got.Incident != "api-7" || got.Body != "It exited with status 1.\n第二行\n" {
		t.Errorf("got %+v", got)
	}
	outboxEmpty(t, after)
}

func TestOutbox_TriesAgainWithLongerPausesAndGivesUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		greylisted := errors.New("451 come back later")
		mail := outboxMail()
		mail.answer = func(_ Notice, targets []string, _ int) Outcome {
			return Outcome{Receipts: []Receipt{{targets[0], greylisted}}}
		}
		dir := t.TempDir()
		var buried []Item
		o := NewOutbox(Options{Dir: dir, RetryFor: 24 * time.Hour, Buried: func(i Item) { buried = append(buried, i) }}, mail)
		stop := outboxRun(t, o)
		begin := time.Now()
		outboxPut(t, o, outboxNotice("1", "down"))
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		stop()

		var pauses []time.Duration
		for i := 1; i < len(mail.times); i++ {
			pauses = append(pauses, mail.times[i].Sub(mail.times[i-1]))
		}
		if want := []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute}; !slices.Equal(pauses[:4], want) {
			t.Errorf("the first pauses are %v", pauses[:4])
		}
		if longest := slices.Max(pauses); longest != time.Hour {
			t.Errorf("the longest pause is %v", longest)
		}
		if last := mail.times[len(mail.times)-1].Sub(begin); last < 24*time.Hour || last > 25*time.Hour {
			t.Errorf("the last try was after %v", last)
		}
		if len(buried) != 1 || !strings.Contains(buried[0].Targets[0].Error, "given up after") {
			t.Errorf("buried: %+v", buried)
		}
		dead, err := o.Dead()
		if err != nil || len(dead) != 1 || !dead[0].Dead || len(o.Queue()) != 0 {
			t.Errorf("dead letters: %+v, %v", dead, err)
		}
		for _, n := range mail.got {
			if n.MessageID != "down@www" {
				t.Fatalf("a copy has the Message-ID %q", n.MessageID)
			}
		}
		if late := mail.got[len(mail.got)-1].Body; !strings.Contains(late, "delayed by 1 d") || !strings.Contains(late, "451 come back later") {
			t.Errorf("the late copy says %q", late)
		}
	})
}

func TestOutbox_TriesOnlyThoseWhoMissedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mail := outboxMail("good@example.com", "gone@example.com", "later@example.com")
		mail.answer = func(_ Notice, targets []string, try int) Outcome {
			o := outboxTaken(targets)
			if try == 1 {
				o.Receipts[1].Err = &Failure{Kind: Permanent, Stage: StageReceiver, Code: 550, Text: "no such user"}
				o.Receipts[2].Err = &Failure{Kind: Temporary, Stage: StageReceiver, Code: 451, Text: "later"}
			}
			return o
		}
		dir := t.TempDir()
		o := NewOutbox(Options{Dir: dir}, mail)
		stop := outboxRun(t, o)
		outboxPut(t, o, outboxNotice("1", "down"))
		time.Sleep(time.Minute)
		stop()
		if len(mail.targets) != 2 || !slices.Equal(mail.targets[1], []string{"later@example.com"}) {
			t.Errorf("the tries went to %v", mail.targets)
		}
		_, dead, err := ReadQueue(dir)
		if err != nil || len(dead) != 1 {
			t.Fatalf("dead letters: %+v, %v", dead, err)
		}
		var states []string
		for _, target := range dead[0].Targets {
			states = append(states, target.Target+" "+target.State+" "+target.Error)
		}
		slices.Sort(states)
		if !strings.HasPrefix(states[1], "gone@example.com refused") && !strings.HasPrefix(states[0], "gone@example.com refused") || !strings.Contains(strings.Join(states, ";"), "550 no such user") {
			t.Errorf("the dead letter says %q", states)
		}
	})
}

func TestOutbox_DoesNotHammerAChannelThatIsDownAndThenSendsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := time.Now().Add(time.Hour)
		mail := outboxMail()
		refused := &Failure{Stage: StageConnect, Server: "mail.test:465", Kind: Temporary, Err: syscall.ECONNREFUSED}
		mail.answer = func(_ Notice, targets []string, _ int) Outcome {
			if time.Now().Before(up) {
				return failed(targets, refused)
			}
			return outboxTaken(targets)
		}
		var told []string
		o := NewOutbox(Options{
			Dir:     t.TempDir(),
			Failing: func(name string, _ time.Time, err error) { told = append(told, "failing "+name+": "+err.Error()) },
			Working: func(name string, after time.Duration) {
				told = append(told, fmt.Sprintf("working %s after %v", name, after.Round(time.Hour)))
			},
		}, mail)
		stop := outboxRun(t, o)
		for i := range 50 {
			outboxPut(t, o, outboxNotice(fmt.Sprint(i), fmt.Sprintf("down %d", i)))
		}
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		status := o.Status()
		if n := len(mail.notices()); n > 10 {
			t.Errorf("%d tries in half an hour", n)
		}
		if len(status) != 1 || status[0].Waiting != 50 || status[0].FailingSince.IsZero() || !strings.Contains(strings.Join(status[0].Advice, " "), "Nothing listens") {
			t.Errorf("status %+v", status)
		}
		time.Sleep(2 * time.Hour)
		stop()
		delivered := map[string]bool{}
		for i, n := range mail.got {
			if !mail.times[i].Before(up) {
				delivered[n.Subject] = true
			}
		}
		if len(delivered) != 50 || len(o.Queue()) != 0 {
			t.Errorf("%d delivered, %d queued", len(delivered), len(o.Queue()))
		}
		if want := []string{"failing mail: mail.test:465: connect: connection refused", "working mail after 1h0m0s"}; !slices.Equal(told, want) {
			t.Errorf("told %q", told)
		}
	})
}

func TestOutbox_FlushTriesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mail := outboxMail()
		mail.answer = func(_ Notice, targets []string, try int) Outcome {
			if try == 1 {
				return failed(targets, &Failure{Stage: StageLogin, Kind: Setup, Code: 535})
			}
			return outboxTaken(targets)
		}
		o := NewOutbox(Options{Dir: t.TempDir()}, mail)
		stop := outboxRun(t, o)
		outboxPut(t, o, outboxNotice("1", "down"))
		synctest.Wait()
		if queue := o.Queue(); len(queue) != 1 || queue[0].Targets[0].Tries != 1 || !queue[0].Targets[0].Next.After(time.Now()) {
			t.Errorf("queue %+v", queue)
		}
		if n := o.Flush(); n != 1 {
			t.Errorf("Flush says %d", n)
		}
		synctest.Wait()
		stop()
		if mail.tries != 2 || len(o.Queue()) != 0 {
			t.Errorf("%d tries, queue %+v", mail.tries, o.Queue())
		}
	})
}

func TestOutbox_DropRemovesOneNoticeForGood(t *testing.T) {
	dir := t.TempDir()
	o := NewOutbox(Options{Dir: dir}, outboxMail())
	outboxPut(t, o, outboxNotice("1", "one"))
	outboxPut(t, o, outboxNotice("1", "two"))
	queue := o.Queue()
	if err := o.Drop(queue[0].ID); err != nil {
		t.Fatal(err)
	}
	if left := o.Queue(); len(left) != 1 || left[0].Subject != "two" || len(outboxFiles(t, dir, queueFolder)) != 1 {
		t.Errorf("left: %+v", left)
	}
	for _, id := range []string{queue[0].ID, "../lock", "", "."} {
		if err := o.Drop(id); !errors.Is(err, ErrUnknownNotice) {
			t.Errorf("Drop(%q): %v", id, err)
		}
	}
}

func TestOutbox_ForgetsTheOldestOfTheSameIncidentWhenFullAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	mail := outboxMail()
	o := NewOutbox(Options{Dir: dir, MaxQueue: 3}, mail)
	for _, n := range []Notice{outboxNotice("other", "other"), outboxNotice("loop", "loop 1"), outboxNotice("loop", "loop 2"), outboxNotice("loop", "loop 3"), outboxNotice("loop", "loop 4")} {
		outboxPut(t, o, n)
	}
	if files := outboxFiles(t, dir, queueFolder); len(files) != 3 {
		t.Errorf("files: %v", files)
	}
	// A fresh process reads the digest from the disk.
	after := NewOutbox(Options{Dir: dir, MaxQueue: 3}, mail)
	outboxRun(t, after)
	for len(mail.notices()) < 3 {
		time.Sleep(time.Millisecond)
	}
	var subjects, bodies []string
	for _, n := range mail.notices() {
		subjects, bodies = append(subjects, n.Subject), append(bodies, n.Body)
	}
	if !slices.Equal(subjects, []string{"other", "loop 3", "loop 4"}) {
		t.Errorf("delivered %q", subjects)
	}
	all := strings.Join(bodies, "\n")
	if strings.Count(all, "1 earlier notice was dropped, because the queue was full") != 2 {
		t.Errorf("the digest is missing in:\n%s", all)
	}
	outboxEmpty(t, after)
}

func TestOutbox_CountsInADigestWhatEarlierDigestsCounted(t *testing.T) {
	o := NewOutbox(Options{Dir: t.TempDir(), MaxQueue: 1}, outboxMail())
	for i := range 5 {
		outboxPut(t, o, outboxNotice("loop", fmt.Sprint(i)))
	}
	if queue := o.Queue(); len(queue) != 1 || queue[0].Subject != "4" || queue[0].Dropped != 4 {
		t.Errorf("queue %+v", queue)
	}
}

func TestOutbox_UsesAFallbackOnlyWhenMailFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mail, chat := outboxMail(), &outboxChannel{name: "wecom", to: []string{""}, fallback: true}
		mail.answer = func(n Notice, targets []string, _ int) Outcome {
			switch n.Subject {
			case "bad password":
				return failed(targets, &Failure{Stage: StageLogin, Kind: Setup, Code: 535})
			case "down for long":
				return failed(targets, &Failure{Stage: StageConnect, Kind: Temporary, Err: syscall.ECONNREFUSED})
			}
			return outboxTaken(targets)
		}
		o := NewOutbox(Options{Dir: t.TempDir()}, mail, chat)
		stop := outboxRun(t, o)
		outboxPut(t, o, outboxNotice("1", "fine"))
		synctest.Wait()
		outboxPut(t, o, outboxNotice("2", "bad password"))
		synctest.Wait()
		if len(chat.got) != 1 || chat.got[0].Subject != "bad password" {
			t.Errorf("the chat got %+v", chat.got)
		}
		outboxPut(t, o, outboxNotice("3", "down for long"))
		time.Sleep(time.Hour)
		stop()
		if len(chat.got) != 2 {
			t.Errorf("the chat got %d notices", len(chat.got))
		}
	})
}

func TestOutbox_UsesAFallbackWhenThereIsNothingElse(t *testing.T) {
	chat := &outboxChannel{name: "wecom", to: []string{""}, fallback: true}
	o := NewOutbox(Options{Dir: t.TempDir()}, chat)
	outboxRun(t, o)
	outboxPut(t, o, outboxNotice("1", "down"))
	outboxEmpty(t, o)
	if len(chat.notices()) != 1 {
		t.Error("the notice went nowhere")
	}
}

func TestOutbox_LeavesAChannelAloneForAsLongAsItAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chat := &outboxChannel{name: "dingtalk", to: []string{""}}
		chat.answer = func(_ Notice, targets []string, try int) Outcome {
			if try == 2 {
				o := failed(targets, &Failure{Stage: StageWebhook, Err: errRateLimit})
				o.RetryAfter = 10 * time.Minute
				return o
			}
			return outboxTaken(targets)
		}
		failing := false
		o := NewOutbox(Options{Dir: t.TempDir(), Failing: func(string, time.Time, error) { failing = true }}, chat)
		stop := outboxRun(t, o)
		for i := range 3 {
			outboxPut(t, o, outboxNotice("1", fmt.Sprint(i)))
		}
		time.Sleep(time.Hour)
		stop()
		if len(chat.times) != 4 || chat.times[2].Sub(chat.times[1]) != 10*time.Minute || len(o.Queue()) != 0 {
			t.Errorf("tries at %v", chat.times)
		}
		if failing {
			t.Error("a channel that asks to slow down was told to be failing")
		}
	})
}

func TestOutbox_SecondProcessWaitsUntilTheFirstOneIsGone(t *testing.T) {
	dir := t.TempDir()
	first, second := outboxMail(), outboxMail()
	a, b := NewOutbox(Options{Dir: dir}, first), NewOutbox(Options{Dir: dir}, second)
	stopA := outboxRun(t, a)
	outboxPut(t, a, outboxNotice("1", "by a"))
	outboxEmpty(t, a)
	outboxRun(t, b)
	outboxPut(t, b, outboxNotice("1", "by b"))
	time.Sleep(2 * lockPause)
	if n := len(second.notices()); n != 0 {
		t.Errorf("both deliver: the second has sent %d", n)
	}
	stopA()
	outboxEmpty(t, b)
	if len(second.notices()) != 1 {
		t.Error("the second one did not take over")
	}
}

func TestOutbox_ReloadBuriesWhatWaitsForAChannelThatIsGone(t *testing.T) {
	mail := outboxMail()
	mail.answer = func(_ Notice, targets []string, _ int) Outcome {
		return failed(targets, &Failure{Stage: StageConnect, Err: syscall.ECONNREFUSED})
	}
	mail.delivers = make(chan struct{}, 10)
	o := NewOutbox(Options{Dir: t.TempDir()}, mail)
	outboxRun(t, o)
	outboxPut(t, o, outboxNotice("1", "down"))
	<-mail.delivers
	chat := &outboxChannel{name: "wecom", to: []string{""}}
	o.SetChannels(chat)
	outboxEmpty(t, o)
	if dead, err := o.Dead(); err != nil || len(dead) != 1 || !strings.Contains(dead[0].Targets[0].Error, "no longer configured") {
		t.Errorf("dead letters %+v, %v", dead, err)
	}
	outboxPut(t, o, outboxNotice("1", "up"))
	outboxEmpty(t, o)
	if len(chat.notices()) != 1 {
		t.Error("the new channel got nothing")
	}
}

func TestOutbox_StopsSoonAlthoughAServerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		hung := &outboxHung{outboxChannel: outboxMail()}
		o := NewOutbox(Options{Dir: dir}, hung)
		stop := outboxRun(t, o)
		outboxPut(t, o, outboxNotice("1", "down"))
		synctest.Wait()
		begin := time.Now()
		stop()
		if took := time.Since(begin); took > stopGrace {
			t.Errorf("stopping took %v", took)
		}
		if items, _, err := ReadQueue(dir); err != nil || len(items) != 1 || items[0].Targets[0].Tries != 0 {
			t.Errorf("queue %+v, %v", items, err)
		}
	})
}

// outboxHung is a channel that hangs until its context ends.
type outboxHung struct{ *outboxChannel }

func (c *outboxHung) Deliver(ctx context.Context, _ Notice, targets []string) Outcome {
	<-ctx.Done()
	return failed(targets, context.Cause(ctx))
}

func TestOutbox_PutWaitsForNoServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock stands still unless somebody waits
		o := NewOutbox(Options{Dir: t.TempDir()}, &outboxHung{outboxChannel: outboxMail()})
		stop := outboxRun(t, o)
		begin := time.Now()
		for i := range 50 {
			outboxPut(t, o, outboxNotice("1", fmt.Sprint(i)))
			synctest.Wait() // until the server hangs
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("50 notices took %v", took)
		}
		stop()
	})
}

func TestOutbox_MovesAFileThatIsNoNoticeToTheDeadLetters(t *testing.T) {
	dir := t.TempDir()
	o := NewOutbox(Options{Dir: dir}, outboxMail())
	outboxPut(t, o, outboxNotice("1", "fine"))
	for name, content := range map[string]string{"garbage": "\x00\x01", "empty": "", "half": "Notice: x\nRaised: yesterday\n\n"} {
		if err := os.WriteFile(filepath.Join(dir, queueFolder, name+letterSuffix), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mail := outboxMail()
	stop := outboxRun(t, NewOutbox(Options{Dir: dir}, mail))
	for len(mail.notices()) == 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
	if n := len(outboxFiles(t, dir, deadFolder)); n != 3 {
		t.Errorf("%d dead letters", n)
	}
}

func TestOutbox_WithoutAChannelSaysSo(t *testing.T) {
	o := NewOutbox(Options{Dir: t.TempDir()})
	if err := o.Put(outboxNotice("1", "down")); !errors.Is(err, ErrNoChannel) {
		t.Errorf("Put: %v", err)
	}
}

func TestOutbox_SendsToTheNamedChannelsOnly(t *testing.T) {
	mail, chat := outboxMail(), &outboxChannel{name: "wecom", to: []string{""}}
	o := NewOutbox(Options{Dir: t.TempDir()}, mail, chat)
	outboxRun(t, o)
	n := outboxNotice("1", "mail itself fails")
	n.Only = []string{"wecom"}
	outboxPut(t, o, n)
	outboxEmpty(t, o)
	if len(mail.notices()) != 0 || len(chat.notices()) != 1 {
		t.Errorf("mail got %d, the chat %d", len(mail.notices()), len(chat.notices()))
	}
}

func TestOutbox_TellsOverAnotherChannelThatMailFails(t *testing.T) {
	mail, chat := outboxMail(), &outboxChannel{name: "wecom", to: []string{""}, delivers: make(chan struct{}, 10)}
	mail.answer = func(_ Notice, targets []string, _ int) Outcome {
		return failed(targets, &Failure{Stage: StageLogin, Server: "smtp.qq.com:465", Kind: Setup, Code: 535, Text: "Login Fail"})
	}
	var o *Outbox
	o = NewOutbox(Options{Dir: t.TempDir(), Failing: func(channel string, _ time.Time, err error) {
		n := outboxNotice("mail", channel+" fails")
		n.Body, n.Only = err.Error(), []string{"wecom"}
		if err := o.Put(n); err != nil {
			t.Error(err)
		}
	}}, mail, chat)
	outboxRun(t, o)
	outboxPut(t, o, outboxNotice("1", "down"))
	<-chat.delivers
	<-chat.delivers
	var said []string
	for _, n := range chat.notices() {
		said = append(said, n.Subject+"|"+n.Body)
	}
	if !slices.Contains(said, "mail fails|smtp.qq.com:465: login: 535 Login Fail") {
		t.Errorf("the chat got %q", said)
	}
}

func TestRemarks_SpeakBothLanguages(t *testing.T) {
	at := time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC)
	gone := digest{12, at, at.Add(time.Hour)}
	for lang, want := range map[string][]string{
		"en": {"delayed by 1 h 41 min", "failed with: refused", "12 earlier notices were dropped"},
		"zh": {"延迟了 1 h 41 min", "失败的原因:refused", "有 12 条通知被丢弃"},
	} {
		got := remarks(lang, 101*time.Minute, "refused", gone)
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %q is missing in %q", lang, part, got)
			}
		}
	}
	if got := remarks("en", time.Second, "", digest{}); got != "" {
		t.Errorf("a notice in time has the remark %q", got)
	}
}
