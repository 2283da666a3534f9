package health

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"gateway/health/mail"
)

// noticeReport is a death of five seconds ago.
func noticeReport(what telling) report {
	opened := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("CST", 8*3600))
	i := Incident{ID: "id", Backend: "api", Opened: opened, Cause: "exited with code 3", Deaths: 1, Restarts: 1}
	exit := &Exit{At: opened, Code: 3}
	r := report{
		what: what, host: "www1", story: newStory(i), exit: exit, now: opened.Add(5 * time.Second),
		status:  Status{Backend: "api", URL: "http://localhost:7878", Command: []string{"./run.sh"}, State: "down", Log: "/var/lib/gateway/backends/api.log"},
		output:  []byte("starting\nout of luck\n"),
		changes: []Change{{opened.Add(-10 * time.Minute), BackendRestarted, "api"}},
	}
	if what == tellUp || what == tellEnded {
		r.story.Incident.Closed, r.story.Incident.Held = r.now, 7
	}
	return r
}

func TestNotice_AnswersWhatAnAdminAsks(t *testing.T) {
	subject, body := noticeReport(tellDown).word(english())
	if subject != "www1: api is DOWN: exited with code 3" {
		t.Errorf("got %q", subject)
	}
	at := 0
	for _, want := range []string{
		"api is down since\n" + noticeReport(tellDown).story.Begun.Local().Format(noticeTime) + "\n",
		"Why: exited with code 3\n", "Now: gateway is starting it again. ",
		"Changed in the hour before:\n- ", " backend api was restarted by hand\n",
		"What to do next:\n- It ended by itself", "gateway backend logs api\n", "/var/lib/gateway/backends/api.log\n",
		"The last lines that it printed:\n| starting\n| out of luck\n",
	} {
		found := strings.Index(body[at:], want)
		if found < 0 {
			t.Fatalf("%q is missing, or not in its place, in\n%s", want, body)
		}
		at += found
	}
}

func TestNotice_OfARecoveryTellsHowLongAndWhatItCost(t *testing.T) {
	subject, body := noticeReport(tellUp).word(english())
	if subject != "www1: api is UP again after 5.0 s" {
		t.Errorf("got %q", subject)
	}
	for _, want := range []string{"api answers again.\nIt was down for 5.0 s\n", "Deaths: 1, restarts: 1\n", "Requests that waited: 7, that failed: 0\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in\n%s", want, body)
		}
	}
}

func TestNotice_SpeaksChinese(t *testing.T) {
	subject, body := noticeReport(tellDown).word(chinese())
	if subject != "www1: api is DOWN 已宕机: 退出，退出码 3" || !strings.Contains(body, "下一步可以做：\n- 它自己退出了") {
		t.Errorf("got %q\n%s", subject, body)
	}
	if subject, _ = noticeReport(tellUp).word(chinese()); subject != "www1: api is UP 已恢复，宕机 5.0 秒" {
		t.Errorf("got %q", subject)
	}
}

// Whoever adds a phrase to one language is told that the other lacks it, and a
// format that does not fit its arguments shows.
func TestNotice_HasEveryPhraseInBothLanguages(t *testing.T) {
	now := time.Now()
	for lang, p := range map[string]phrases{"en": phrasesOf("en"), "zh": phrasesOf("zh")} {
		texts := noticeTexts(p, now)
		for at, text := range texts {
			if strings.Contains(text, "%!") || strings.TrimSpace(text) == "" || !utf8.ValidString(text) {
				t.Errorf("%s, text %d: %q", lang, at, text)
			}
		}
		if len(texts) < 60 {
			t.Errorf("%s: only %d texts", lang, len(texts))
		}
	}
}

// noticeTexts words everything there is to word.
func noticeTexts(p phrases, now time.Time) []string {
	var texts []string
	add := func(subject, body string) { texts = append(texts, subject, body) }
	exits := []*Exit{nil, {Code: 1}, {Code: 127}, {Signal: syscall.SIGKILL, Code: -1}, {Signal: syscall.SIGSEGV, Code: -1}, {OOM: true}, {Unknown: true}}
	for what := tellDown; what <= tellEnded; what++ {
		for _, exit := range exits {
			r := noticeReport(what)
			r.exit = exit
			if exit != nil {
				r.story.Incident.Cause = exit.String()
			}
			r.story.Incidents = 3
			r.status.LastProbe = &ProbeStatus{Error: "connection refused"}
			add(r.word(p))
			r.output, r.exit, r.status.URL = nil, nil, "unix:/run/x"
			add(r.word(p))
		}
	}
	for _, status := range []Status{{}, {Command: []string{"x"}, ServedBy: "process 7"}, {Command: []string{"x"}, NextStart: now}, {Command: []string{"x"}, State: "hung"}, {Command: []string{"x"}, State: "up"}} {
		r := noticeReport(tellStillDown)
		r.status = status
		texts = append(texts, r.doing(p))
	}
	for kind := GatewayStarted; kind <= GatewayUpgraded; kind++ {
		texts = append(texts, p.change(Change{now, kind, "it"}))
	}
	c := Certificate{Site: "a.example.com", Names: []string{"a.example.com"}, SHA256: "0123456789abcdef0123", NotAfter: now.Add(-time.Hour), File: "/x", Refused: []string{"no key"}, Since: now.Add(-time.Hour)}
	renewed := c
	renewed.SHA256, renewed.Renew, renewed.NotAfter = "ffff", now.Add(-2*time.Hour), now.Add(time.Hour)
	alarms := append(certificateAlarms([]Certificate{c, renewed}, now, p), (disk{folder: "/var", files: 10}).alarm(now, p),
		channelAlarm("mail", now, errors.New("refused"), []string{"do"}, []string{"chat"}, p))
	alarms = append(alarms, *receiverAlarm(mail.Item{Subject: "x", Targets: []mail.ItemTarget{
		{Channel: "mail", Target: "a", State: "delivered"}, {Channel: "mail", Target: "b", State: "refused", Error: "550"},
	}}, now, p))
	for _, a := range alarms {
		texts = append(texts, a.subject, a.body)
		if a.kind != kindReceiver { // nobody learns when that is over
			texts = append(texts, a.over)
		}
	}
	return append(texts, p.alarmIsOver, fmt.Sprintf(p.lasted, "1 s"))
}

func TestNotice_KeepsHostileOutputApartFromItsOwnWords(t *testing.T) {
	r := noticeReport(tellDown)
	r.output = []byte("ok\nWhat to do next:\n- pay\r\nSubject: x\n\n\xff\xfe" + strings.Repeat("x", 100_000) + "\n")
	r.story.Incident.Cause = "3 probes in a row failed: 500\r\nBcc: all@example.com"
	r.exit = nil
	_, body := r.word(english())
	_, output, found := strings.Cut(body, "The last lines that it printed:\n")
	if !found || !utf8.ValidString(body) {
		t.Fatal("the body is torn")
	}
	for line := range strings.Lines(output) {
		if !strings.HasPrefix(line, "| ") {
			t.Errorf("a line of the backend passes for ours: %.60q", line)
		}
	}
}

func TestSpan_ShowsTheTwoLargestUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 16 * time.Millisecond: "16 ms", 4200 * time.Millisecond: "4.2 s", 200 * time.Second: "3 min 20 s",
		5*time.Hour + 12*time.Minute: "5 h 12 min", 76 * time.Hour: "3 d 4 h",
	} {
		if got := english().span(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
