package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	gomail "github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"

	"gateway/health"
	"gateway/health/mail"
)

// mailbox is a mail server that keeps what it gets.
type mailbox struct {
	addr string
	mu   sync.Mutex
	got  [][]byte
	more chan struct{}
}

func newMailbox(t testing.TB) *mailbox {
	t.Helper()
	m := &mailbox{more: make(chan struct{}, 1000)}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return mailboxSession{m}, nil }))
	server.Domain, server.ErrorLog = "mail.test", log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = l.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return m
}

type mailboxSession struct{ *mailbox }

func (mailboxSession) Reset()                               {}
func (mailboxSession) Logout() error                        { return nil }
func (mailboxSession) Mail(string, *smtp.MailOptions) error { return nil }
func (mailboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	return nil
}

func (m mailboxSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.got = append(m.got, raw)
	m.mu.Unlock()
	m.more <- struct{}{}
	return nil
}

// received is a mail as its reader's program sees it.
type received struct {
	subject, body, id, inReplyTo, auto string
	references                         []string
	date                               time.Time
	raw                                []byte
}

func (m *mailbox) mails(t testing.TB) []received {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []received
	for _, raw := range m.got {
		all = append(all, readMail(t, raw))
	}
	return all
}

func readMail(t testing.TB, raw []byte) received {
	t.Helper()
	reader, err := gomail.CreateReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("the mail cannot be read: %v\n%s", err, raw)
	}
	part, err := reader.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(part.Body)
	if err != nil {
		t.Fatal(err)
	}
	mail := received{body: strings.ReplaceAll(string(body), "\r\n", "\n"), raw: raw, auto: reader.Header.Get("Auto-Submitted")}
	mail.subject, _ = reader.Header.Subject()
	mail.id, _ = reader.Header.MessageID()
	mail.date, _ = reader.Header.Date()
	mail.references, _ = reader.Header.MsgIDList("References")
	if ids, _ := reader.Header.MsgIDList("In-Reply-To"); len(ids) == 1 {
		mail.inReplyTo = ids[0]
	}
	return mail
}

// wait returns once so many mails have come.
func (m *mailbox) wait(t testing.TB, n int) []received {
	t.Helper()
	timeout := time.After(patience)
	for {
		if got := m.mails(t); len(got) >= n {
			return got
		}
		select {
		case <-m.more:
		case <-timeout:
			t.Fatalf("%d mails came, want %d", len(m.mails(t)), n)
		}
	}
}

// mailTable is the table of the file for a server.
func mailTable(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf(`
[mail]
host = %q
port = %s
security = "none"
from = "gateway@example.com"
to = ["admin@example.com"]
hostname = "www1.example.com"
`, host, port)
}

// killOnce ends the backend as a crash would, and returns its process.
func (w *world) killOnce() int {
	w.t.Helper()
	pid := w.backendPID()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
	return pid
}

func TestMail_ADeathMakesOneThreadOfTwoMails(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	w := newWorldWith(t, "100ms", mailTable(box.addr))
	w.do("backend", "restart")
	w.killOnce()
	mails := box.wait(t, 2)

	opened, recovered := mails[0], mails[1]
	if want := "www1.example.com: api is DOWN: killed by signal 9 (KILL), not by gateway"; opened.subject != want {
		t.Errorf("got %q, want %q", opened.subject, want)
	}
	for _, want := range []string{
		"api is down since\n" + time.Now().Format("2006-01-02"), "Why: killed by signal 9 (KILL), not by gateway",
		"Now: gateway is starting it again", "gateway started, version", "backend api was restarted by hand",
		"gateway backend logs api", "journalctl -k",
	} {
		if !strings.Contains(opened.body, want) {
			t.Errorf("%q is missing in\n%s", want, opened.body)
		}
	}
	if !strings.HasPrefix(recovered.subject, "www1.example.com: api is UP again after ") || !strings.Contains(recovered.body, "Deaths: 1, restarts: 1") {
		t.Errorf("got %q\n%s", recovered.subject, recovered.body)
	}
	if opened.id == "" || opened.inReplyTo != "" || recovered.inReplyTo != opened.id || !slices.Equal(recovered.references, []string{opened.id}) || recovered.id == opened.id {
		t.Errorf("no thread: %q; then %q in reply to %q, references %q", opened.id, recovered.id, recovered.inReplyTo, recovered.references)
	}
	if opened.auto != "auto-generated" || time.Since(opened.date) > time.Hour {
		t.Errorf("Auto-Submitted %q, Date %v", opened.auto, opened.date)
	}
	t.Logf("%s\n\n%s\n\n%s\n\n%s", opened.subject, opened.body, recovered.subject, recovered.body)
	eventually(t, "status without waiting notices", func() bool { // the server has a mail before gateway has its answer
		status := w.do("status")
		return strings.Contains(status, "notices: 0 waiting") && strings.Contains(status, "last taken at")
	})
	w.gateway.signal(syscall.SIGTERM)
	w.gateway.exitCode()
	if n := len(box.mails(t)); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
}

// Shell scripts that print what could break a mail, and end.
const (
	hostileLines = `printf 'colour \033[31m red\n\377\376 not UTF-8\nSubject: forged\r\nBcc: all@example.com\r\n.\n'; exit 3`
	endlessLine  = `head -c 10000000 /dev/zero | tr '\000' x; exit 3`
)

func TestMail_SurvivesWhatABackendPrints(t *testing.T) {
	t.Parallel()
	for script, wants := range map[string][]string{
		hostileLines: {"\n| colour \u241b[31m red\n| \ufffd not UTF-8\n| Subject: forged\n| Bcc: all@example.com\n| .\n"},
		endlessLine:  {"\n| xxxx", " more in this line]"},
	} {
		box, ca := newMailbox(t), newAuthority(t)
		file := oneSite(t, ca.install(t, "api.example.com"), freePort(t), fmt.Sprintf("http://127.0.0.1:%d", freePort(t)), adminTable(t))
		file += fmt.Sprintf("command = [\"/bin/sh\", \"-c\", %q]\n%s", script, mailTable(box.addr))
		startGateway(t, builtGateway(t), file)
		opened := box.wait(t, 1)[0]
		if want := "www1.example.com: api is DOWN: exited with code 3"; opened.subject != want {
			t.Errorf("got %q, want %q", opened.subject, want)
		}
		head, _, _ := bytes.Cut(opened.raw, []byte("\r\n\r\n"))
		if bytes.Contains(head, []byte("Bcc")) || bytes.Count(head, []byte("Subject:")) != 1 {
			t.Errorf("the header was forged:\n%s", head)
		}
		for _, want := range wants {
			if !strings.Contains(opened.body, want) {
				t.Errorf("%q is missing in\n%.3000s", want, opened.body)
			}
		}
		if !utf8.ValidString(opened.body) || len(opened.raw) > 400<<10 {
			t.Errorf("%d bytes, valid: %v", len(opened.raw), utf8.ValidString(opened.body))
		}
	}
}

// adminTable keeps the control socket of a test to itself.
func adminTable(t testing.TB) string {
	return fmt.Sprintf("[admin]\nsocket = %q\n", filepath.Join(t.TempDir(), "s"))
}

// blackHole is a mail server that takes connections and says nothing.
func blackHole(t testing.TB) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String() // the kernel completes the handshakes
}

func TestMail_AServerThatHangsDelaysNothing(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, "0s", mailTable(blackHole(t)))
	delayed := mail.DefaultConfig().Timeout / 2 // what waits for the server waits for all of it
	for range 3 {
		before := w.killOnce()
		began := time.Now()
		eventually(t, "the next process", func() bool { s := w.status(); return s.PID != before && s.State == "up" })
		if took := time.Since(began); took > delayed {
			t.Errorf("up again after %v", took)
		}
	}
	if status := w.do("status"); !strings.Contains(status, "notices: ") || strings.Contains(status, "notices: 0 waiting") {
		t.Errorf("status tells\n%s", status)
	}
	began := time.Now()
	w.gateway.signal(syscall.SIGTERM)
	if code, took := w.gateway.exitCode(), time.Since(began); code != 0 || took > delayed {
		t.Errorf("stopped with code %d after %v", code, took)
	}
	// What was not delivered can still be seen, and be dropped.
	var items []mail.Item
	if err := json.Unmarshal([]byte(w.do("mail", "queue", "--json")), &items); err != nil || len(items) == 0 {
		t.Fatalf("queue: %v, %+v", err, items)
	}
	for _, item := range items {
		w.do("mail", "drop", item.ID)
	}
	if left := w.do("mail", "queue"); left != "no notices wait\n" {
		t.Errorf("left: %s", left)
	}
}

// herd is a gateway with several supervised backends.
type herd struct {
	*world
	backends int
	state    string
}

func newHerd(t *testing.T, backends int, more string) *herd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := &herd{world: &world{t: t}, backends: backends, state: t.TempDir()}
	text := fmt.Sprintf("state = %q\n%s\n%s\n[[site]]\nname = \"localhost\"\nlisten = [\"127.0.0.1:%d\"]\ncertificate = \"local\"\nbackend = \"b0\"\n",
		h.state, adminTable(t), more, freePort(t))
	for i := range backends {
		address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
		text += fmt.Sprintf("[[backend]]\nname = \"b%d\"\nurl = \"http://%s\"\ncommand = [%q]\nenv = [\"%s=%s 0s %s\"]\n",
			i, address, self, backendEnv, address, filepath.Join(t.TempDir(), "journal"))
	}
	h.config = writeFile(t, t.TempDir(), "config.toml", text)
	h.gateway = startProcess(t, builtGateway(t), "run", "-c", h.config)
	t.Cleanup(func() {
		_ = h.gateway.cmd.Process.Signal(syscall.SIGTERM) // takes its backends along
		h.gateway.exitCode()
	})
	return h
}

// up waits until a backend is, and returns its process.
func (h *herd) up(name string) (pid int) {
	h.t.Helper()
	eventually(h.t, name+" up", func() bool {
		out, _ := exec.Command(builtGateway(h.t), "backend", "status", name, "--json", "-c", h.config).Output()
		var all []health.Status
		if json.Unmarshal(out, &all) != nil || len(all) != 1 || all[0].State != "up" || all[0].PID == 0 {
			return false
		}
		pid = all[0].PID
		return true
	})
	return pid
}

// recorded tells whether the file of incidents has one of this backend.
func (h *herd) recorded(name string) bool {
	text, _ := os.ReadFile(filepath.Join(h.state, "incidents.json"))
	return bytes.Contains(text, []byte(fmt.Sprintf("%q: %q", "backend", name)))
}

func TestMail_KillingGatewayLosesNoIncident(t *testing.T) {
	t.Parallel()
	losesNoIncident(t, 10, 1)
}

// TestSoak_KillingGatewayLosesNoneOfManyIncidents is the same with 50 kills and
// 200 incidents: see `make soak`.
func TestSoak_KillingGatewayLosesNoneOfManyIncidents(t *testing.T) {
	if os.Getenv("GATEWAY_SOAK") == "" {
		t.Skip("takes minutes and 200 processes: make soak")
	}
	losesNoIncident(t, 50, 4)
}

// losesNoIncident kills gateway so many times, each time just after so many
// backends have died, and counts the mails that come.
func losesNoIncident(t *testing.T, kills, deaths int) {
	t.Helper()
	box := newMailbox(t)
	h := newHerd(t, kills*deaths, mailTable(box.addr))
	for kill := range kills {
		for i := range deaths {
			name := fmt.Sprintf("b%d", kill*deaths+i)
			if err := syscall.Kill(h.up(name), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the record of "+name, func() bool { return h.recorded(name) })
		}
		time.Sleep(rand.N(20 * time.Millisecond)) // any moment: queueing, noting, delivering
		h.gateway.signal(syscall.SIGKILL)
		h.gateway.exitCode()
		h.gateway = startProcess(t, builtGateway(t), "run", "-c", h.config)
		h.gateway.waitFor("serving")
	}
	eventually(t, "all mails", func() bool { return len(missingMails(box.mails(t), h.backends)) == 0 })
	subjects := map[string]string{}
	mails := box.mails(t)
	for _, m := range mails {
		word := regexp.MustCompile(`b\d+ is (DOWN|UP)`).FindString(m.subject)
		for id, other := range subjects {
			if id != m.id && other == word {
				t.Errorf("%q came under two Message-IDs, %s and %s", word, id, m.id)
			}
		}
		subjects[m.id] = word
	}
	t.Logf("%d kills of gateway, %d incidents: %d mails, %d of them copies, none missing", kills, h.backends, len(mails), len(mails)-len(subjects))
}

// missingMails are the subjects that have not come.
func missingMails(told []received, backends int) (list []string) {
	for i := range backends {
		for _, word := range []string{" is DOWN", " is UP again"} {
			subject := fmt.Sprintf("www1.example.com: b%d%s", i, word)
			if !slices.ContainsFunc(told, func(m received) bool { return strings.HasPrefix(m.subject, subject) }) {
				list = append(list, subject)
			}
		}
	}
	return list
}

func mailTest(t *testing.T, tables string, args ...string) (out string, code int) {
	t.Helper()
	ca := newAuthority(t)
	file := writeFile(t, t.TempDir(), "config.toml",
		oneSite(t, ca.install(t, "api.example.com"), freePort(t), "http://127.0.0.1:7878", adminTable(t))+tables)
	command := exec.Command(builtGateway(t), append([]string{"mail", "test", "-c", file}, args...)...)
	text, err := command.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(text), command.ProcessState.ExitCode()
}

func TestMailTest_ShowsTheConversationWithoutGatewayRunning(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	out, code := mailTest(t, mailTable(box.addr))
	if code != 0 || !strings.Contains(out, "  > RCPT TO:<admin@example.com>\n") || !strings.Contains(out, "admin@example.com: taken\n") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	sent, taken := strings.Index(out, "  > (the message, "), strings.LastIndex(out, "  < 250 ")
	if sent < 0 || taken < sent {
		t.Errorf("the message is not shown before the answer to it:\n%s", out)
	}
	if got := box.wait(t, 1)[0]; got.subject != "www1.example.com: this is a test" {
		t.Errorf("got %q", got.subject)
	}
}

func TestMailTest_TellsWhoWasNotReachedAndWhatToDo(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	out, code := mailTest(t, mailTable(box.addr), "--to", "nobody@example.com,admin@example.com")
	for _, want := range []string{"nobody@example.com: NOT taken: ", "550 5.1.1 no such user", "  -> The server refuses this receiver", "admin@example.com: taken\n", "A test is sent only once"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if code != 1 || len(box.wait(t, 1)) != 1 {
		t.Errorf("exit code %d", code)
	}
	out, code = mailTest(t, mailTable(fmt.Sprintf("127.0.0.1:%d", freePort(t))))
	if code != 1 || !strings.Contains(out, "connection refused") || !strings.Contains(out, "  -> ") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	out, code = mailTest(t, "")
	if code != 1 || !strings.Contains(out, "write [mail] with host") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

func TestMailTest_TriesEachWebhook(t *testing.T) {
	t.Parallel()
	nobody := writeFile(t, t.TempDir(), "url", fmt.Sprintf("http://127.0.0.1:%d/hook", freePort(t)))
	out, code := mailTest(t, fmt.Sprintf("[[webhook]]\nkind = \"generic\"\nname = \"ops\"\nurl_file = %q\n", nobody))
	if code != 1 || !strings.Contains(out, "ops: NOT taken: ") || strings.Contains(out, "/hook") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

func TestMail_IsTriedAtTheStart(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	w := newWorldWith(t, "0s", mailTable(box.addr)+"test_on_start = true\n")
	if got := box.wait(t, 1)[0]; got.subject != "www1.example.com: this is a test" {
		t.Errorf("got %q", got.subject)
	}
	if out := w.do("mail", "flush"); out != "0 notices are tried now\n" {
		t.Errorf("flush printed %q", out)
	}
}

func TestMail_TellsThatACertificateEndsOverARestartOnce(t *testing.T) {
	t.Parallel()
	box, ca := newMailbox(t), newAuthority(t)
	files := t.TempDir()
	ca.installUntil(t, files, time.Now().Add(10*24*time.Hour-time.Minute), "api.example.com")
	backend := httptest.NewServer(http.NotFoundHandler()) // which is never down
	t.Cleanup(backend.Close)
	file := writeFile(t, t.TempDir(), "config.toml",
		oneSite(t, files, freePort(t), backend.URL, adminTable(t))+mailTable(box.addr))
	for range 2 {
		gateway := startProcess(t, builtGateway(t), "run", "-c", file)
		gateway.waitFor("serving")
		got := box.wait(t, 1)
		if want := "www1.example.com: the certificate of api.example.com ends in 9 d 23 h"; len(got) != 1 || got[0].subject != want {
			t.Errorf("%d mails, got %q, want %q", len(got), got[0].subject, want)
		}
		eventually(t, "an empty queue", func() bool {
			out, _ := exec.Command(builtGateway(t), "mail", "queue", "-c", file).Output()
			return string(out) == "no notices wait\n"
		})
		gateway.signal(syscall.SIGTERM)
		gateway.exitCode()
	}
	if n := len(box.mails(t)); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

// chat is a program that takes notices as JSON.
type chat struct {
	url string
	got chan chatNotice
}

type chatNotice struct{ Kind, Subject, Body string }

func newChat(t testing.TB) *chat {
	t.Helper()
	c := &chat{got: make(chan chatNotice, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var n chatNotice
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			t.Error(err)
		}
		c.got <- n
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *chat) wait(t testing.TB, kind string) chatNotice {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case n := <-c.got:
			if n.Kind == kind {
				return n
			}
		case <-timeout:
			t.Fatalf("no notice %q came", kind)
		}
	}
}

func TestMail_ThatFailsIsToldInTheChatAndInTheStatus(t *testing.T) {
	t.Parallel()
	box, chat := newMailbox(t), newChat(t)
	table := strings.Replace(mailTable(box.addr), `"none"`, `"starttls"`, 1) // which the server does not offer
	table += fmt.Sprintf("[[webhook]]\nkind = \"generic\"\nname = \"ops\"\nurl_file = %q\n", writeFile(t, t.TempDir(), "url", chat.url+"/in"))
	w := newWorldWith(t, "0s", table)
	w.killOnce()
	if n := chat.wait(t, "opened"); !strings.Contains(n.Subject, "api is DOWN") {
		t.Errorf("got %+v", n)
	}
	n := chat.wait(t, "channel-failing")
	if n.Subject != "www1.example.com: notices by mail do NOT arrive" || !strings.Contains(n.Body, "STARTTLS") {
		t.Errorf("got %+v", n)
	}
	status := w.do("status")
	for _, want := range []string{"mail      fails since ", "STARTTLS", "ops       last taken at "} {
		if !strings.Contains(status, want) {
			t.Errorf("%q is missing in\n%s", want, status)
		}
	}
}

func TestMail_ARefusedReceiverIsToldToTheOtherOnce(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	w := newWorldWith(t, "0s", strings.Replace(mailTable(box.addr), `["admin@example.com"]`, `["nobody@example.com", "admin@example.com"]`, 1))
	w.killOnce()
	mails := box.wait(t, 3) // DOWN, the refusal, UP
	refusals := 0
	for _, m := range mails {
		if strings.Contains(m.subject, "nobody@example.com gets NO notices") {
			refusals++
			if !strings.Contains(m.body, "no such user") || bytes.Contains(m.raw, []byte("To: <nobody@example.com>")) {
				t.Errorf("got\n%s", m.raw)
			}
		}
	}
	if refusals != 1 {
		t.Errorf("%d mails tell of the refused receiver, want 1", refusals)
	}
	if queue := w.do("mail", "queue"); !strings.Contains(queue, "(given up)") || !strings.Contains(queue, "550") {
		t.Errorf("queue:\n%s", queue)
	}
}

func TestMailQueue_IsEmptyWhereNoMailIsConfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	if out := w.do("mail", "queue"); out != "no notices wait\n" {
		t.Errorf("got %q", out)
	}
	if status := w.do("status"); !strings.Contains(status, "nobody is told when something fails") {
		t.Errorf("status tells\n%s", status)
	}
	w.gateway.signal(syscall.SIGTERM)
	w.gateway.exitCode()
	if out := w.do("mail", "queue"); out != "no notices wait\n" {
		t.Errorf("got %q", out)
	}
}

func TestMail_SpeaksChinese(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	w := newWorldWith(t, "0s", mailTable(box.addr)+"lang = \"zh\"\n")
	w.killOnce()
	opened := box.wait(t, 1)[0]
	if want := "www1.example.com: api is DOWN 已宕机: 被信号 9 (KILL) 杀死，不是 gateway 所为"; opened.subject != want {
		t.Errorf("got %q, want %q", opened.subject, want)
	}
	if !strings.Contains(opened.body, "下一步可以做：") || bytes.ContainsFunc(opened.raw, func(r rune) bool { return r > 127 }) {
		t.Errorf("got\n%s", opened.raw)
	}
}

func TestStatus_TellsOfAChatThatAskedForAPause(t *testing.T) {
	text := channelText(mail.ChannelStatus{Name: "wecom", Waiting: 2, NextTry: time.Now().Add(time.Minute)})
	if !strings.HasPrefix(text, "asked for a pause until ") || !strings.HasSuffix(text, ", 2 waiting") {
		t.Errorf("got %q", text)
	}
}
