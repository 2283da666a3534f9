package mail

import (
	"bytes"
	"fmt"
	netmail "net/mail"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func messageCompose(t *testing.T, m Message) []byte {
	t.Helper()
	raw, err := Compose("Gateway 网关 <gateway@example.com>", m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestCompose_WritesAMailThatEveryProgramReads(t *testing.T) {
	date := time.Date(2026, 11, 22, 17, 15, 6, 0, time.FixedZone("CST", 8*3600))
	subject := "www api is DOWN: 后端进程退出,状态码 1,已经重启三次,请尽快登录服务器检查日志和磁盘空间"
	raw := messageCompose(t, Message{
		To: []string{"Ops <admin@example.com>", "second@example.com"}, Subject: subject, Body: "第一行\nsecond line\n.\n",
		MessageID: "3@www", InReplyTo: "1@www", References: []string{"1@www", "2@www"}, Date: date,
	})
	header, body := smtpdRead(t, raw)
	if got, err := header.Subject(); got != subject || err != nil {
		t.Errorf("subject %q, %v", got, err)
	}
	if body != "第一行\nsecond line\n.\n" {
		t.Errorf("body %q", body)
	}
	if got, err := header.Date(); !got.Equal(date) || err != nil {
		t.Errorf("date %v, %v", got, err)
	}
	for key, want := range map[string]string{
		"Auto-Submitted": "auto-generated", "MIME-Version": "1.0", "Content-Type": "text/plain; charset=utf-8",
		"Message-Id": "<3@www>", "In-Reply-To": "<1@www>", "References": "<1@www> <2@www>",
	} {
		if got := header.Get(key); got != want {
			t.Errorf("%s is %q", key, got)
		}
	}
	from, err := header.AddressList("From")
	if err != nil || from[0].Name != "Gateway 网关" || from[0].Address != "gateway@example.com" {
		t.Errorf("from %v, %v", from, err)
	}
	messageFitsTheWire(t, raw)
}

// messageFitsTheWire checks what RFC 5322, 2.1.1 and RFC 5321 demand of each line.
func messageFitsTheWire(t *testing.T, raw []byte) {
	t.Helper()
	for i, line := range bytes.Split(raw, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") {
			t.Fatalf("line %d cannot be sent: %q", i+1, cutBytes(string(line), 100))
		}
		for _, c := range line {
			if c >= 0x80 {
				t.Fatalf("line %d is not 7-bit: %q", i+1, line)
			}
		}
	}
}

func TestCompose_LetsNothingIntoTheHeader(t *testing.T) {
	for _, evil := range []string{
		"x\r\nBcc: thief@example.com", "x\nBcc: thief@example.com", "x\rBcc: thief@example.com", "x\r\n\r\nbody",
		"x\u2028Bcc: thief@example.com", "x\x00y", "x\r\n Bcc: thief@example.com", "=?utf-8?q?x=0D=0ABcc:_thief@example.com?=",
	} {
		raw := messageCompose(t, Message{
			To: []string{"admin@example.com"}, Subject: evil, Body: evil, MessageID: NewMessageID(evil), InReplyTo: evil, References: []string{evil, evil},
		})
		parsed, err := netmail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%q: %v", evil, err)
		}
		if parsed.Header.Get("Bcc") != "" {
			t.Errorf("%q got into the header:\n%s", evil, raw)
		}
		messageFitsTheWire(t, raw)
	}
	for _, evil := range []string{"a@example.com\r\nBcc: thief@example.com", "a@example.com, thief@example.com", "a@example.com>\r\nRCPT TO:<thief@example.com"} {
		if _, err := Compose("gateway@example.com", Message{To: []string{evil}}); err == nil {
			t.Errorf("the receiver %q is taken", evil)
		}
	}
}

func TestCompose_BoundsALogLineOfTenMegabytes(t *testing.T) {
	begin := time.Now()
	raw := messageCompose(t, Message{To: []string{"admin@example.com"}, Subject: strings.Repeat("long ", 1000), Body: "before\n" + strings.Repeat("日志x", 1<<20) + "\nafter\n"})
	if len(raw) > 400<<10 {
		t.Errorf("the mail has %d bytes", len(raw))
	}
	_, body := smtpdRead(t, raw)
	for _, want := range []string{"before\n日志x", "more in this line]\nafter\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestCompose_BoundsAMillionLines(t *testing.T) {
	raw := messageCompose(t, Message{To: []string{"admin@example.com"}, Body: strings.Repeat("line\n", 1<<20)})
	if _, body := smtpdRead(t, raw); len(body) > maxBody || !strings.Contains(body, "MB more left out]") {
		t.Errorf("the body has %d bytes and ends with %q", len(body), body[len(body)-60:])
	}
}

func TestCompose_CleansWhatIsNoText(t *testing.T) {
	raw := messageCompose(t, Message{To: []string{"admin@example.com"}, Subject: "bad \xff\xfe \u202eevil", Body: "gb2312: \xc4\xe3\xba\xc3\n\x1b[31mred\x1b[0m\x00\x07\nlone\rreturn\n"})
	header, body := smtpdRead(t, raw)
	if want := "gb2312: \ufffd\n␛[31mred␛[0m␀␇\nlone␍return\n"; body != want {
		t.Errorf("body %q, want %q", body, want)
	}
	if subject, _ := header.Subject(); subject != "bad \ufffd evil" {
		t.Errorf("subject %q", subject)
	}
}

func TestNewMessageID_IsUniqueAndWellFormed(t *testing.T) {
	a, b := NewMessageID("www.example.com"), NewMessageID("www.example.com")
	if a == b || !strings.HasSuffix(a, "@www.example.com") {
		t.Errorf("%q and %q", a, b)
	}
	for _, host := range []string{"", "[127.0.0.1]", "my host\r\n", "主机"} {
		if id := NewMessageID(host); cleanIDs([]string{id})[0] != id || strings.HasSuffix(id, "@") {
			t.Errorf("for %q: %q", host, id)
		}
	}
}

func FuzzCompose(f *testing.F) {
	f.Add("www api is DOWN", "line\n", "1@www")
	f.Add("后端\r\nBcc: x", "\xff\x00\x1b", "<>")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, subject, body, id string) {
		m := Message{To: []string{"admin@example.com"}, Subject: subject, Body: body, MessageID: id, References: []string{id}, InReplyTo: id}
		raw := messageCompose(t, m)
		messageFitsTheWire(t, raw)
		header, got := smtpdRead(t, raw)
		if decoded, err := header.Subject(); decoded != cleanSubject(subject) && !strings.Contains(subject, "=?") {
			t.Errorf("subject %q became %q, %v", subject, decoded, err)
		}
		want := cleanBody(body)
		if !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		if got != want {
			t.Errorf("body %q became %q", want, got)
		}
	})
}

func FuzzCleanBody(f *testing.F) {
	f.Add("line\r\n\x00\xff" + strings.Repeat("é", 1100))
	f.Add(strings.Repeat("\x01", 3000) + "\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		clean := cleanBody(s)
		if again := cleanBody(clean); again != clean {
			t.Errorf("cleaning twice changes %q to %q", clean, again)
		}
		if !utf8.ValidString(clean) || len(clean) > maxBody {
			t.Errorf("%d bytes, valid %v", len(clean), utf8.ValidString(clean))
		}
	})
}

func ExampleNewMessageID() {
	id := NewMessageID("www.example.com")
	fmt.Println(strings.HasSuffix(id, "@www.example.com"))
	// Output: true
}
