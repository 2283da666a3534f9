package mail

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	webhookKey    = "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa"
	webhookSecret = "SEC000000000000000000000"
)

// webhookRequest is what a server got.
type webhookRequest struct {
	query  map[string][]string
	header http.Header
	body   []byte
	json   map[string]any
}

// webhookServer is an HTTPS server with one answer; its configuration comes back.
func webhookServer(t *testing.T, kind string, answer http.HandlerFunc) (WebhookConfig, <-chan webhookRequest) {
	t.Helper()
	requests := make(chan webhookRequest, 10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got := webhookRequest{query: r.URL.Query(), header: r.Header, body: body}
		_ = json.Unmarshal(body, &got.json)
		requests <- got
		answer(w, r)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return WebhookConfig{Kind: kind, CAFile: caFile, URLFile: smtpdSecretFile(t, server.URL+"/cgi-bin/webhook/send?key="+webhookKey)}, requests
}

func webhookSays(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func webhookDeliver(t *testing.T, cfg WebhookConfig, n Notice) Outcome {
	t.Helper()
	o := NewWebhook(cfg).Deliver(t.Context(), n, []string{""})
	text := strings.Join(o.Transcript, "\n")
	if err := o.Failed(); err != nil {
		text += err.Error() + strings.Join(Explain(err), "\n")
	}
	if strings.Contains(text, webhookKey) || strings.Contains(text, webhookSecret) {
		t.Errorf("a secret is shown in:\n%s", text)
	}
	return o
}

var webhookNotice = Notice{Incident: "api-1", Kind: "opened", Message: Message{Subject: "www api is DOWN", Body: "第一行 <b>&\n", MessageID: "1@www", Date: time.Date(2026, 11, 22, 17, 15, 6, 0, time.UTC)}}

func webhookMAC(key, message string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(message))
	return h.Sum(nil)
}

func TestWebhook_WeComGetsATextOfAtMost2048Bytes(t *testing.T) {
	cfg, requests := webhookServer(t, kindWeCom, webhookSays(200, `{"errcode":0,"errmsg":"ok"}`))
	n := webhookNotice
	n.Body = strings.Repeat("日志日志日志\n", 500)
	if err := webhookDeliver(t, cfg, n).Failed(); err != nil {
		t.Fatal(err)
	}
	got := <-requests
	content := got.json["text"].(map[string]any)["content"].(string)
	if got.json["msgtype"] != "text" || len(content) > 2048 || len(content) < 2000 || !strings.HasPrefix(content, "www api is DOWN\n\n日志") || strings.Contains(content, "\ufffd") {
		t.Errorf("%d bytes: %.100q", len(content), content)
	}
	if got.query["key"][0] != webhookKey {
		t.Errorf("query %v", got.query)
	}
}

func TestWebhook_DingTalkIsSigned(t *testing.T) {
	cfg, requests := webhookServer(t, kindDingTalk, webhookSays(200, `{"errcode":0,"errmsg":"ok"}`))
	cfg.SecretFile = smtpdSecretFile(t, webhookSecret)
	if err := webhookDeliver(t, cfg, webhookNotice).Failed(); err != nil {
		t.Fatal(err)
	}
	got := <-requests
	stamp := got.query["timestamp"][0]
	if want := base64.StdEncoding.EncodeToString(webhookMAC(webhookSecret, stamp+"\n"+webhookSecret)); len(stamp) != 13 || got.query["sign"][0] != want {
		t.Errorf("timestamp %s, sign %s, want %s", stamp, got.query["sign"], want)
	}
}

func TestWebhook_FeishuIsSigned(t *testing.T) {
	cfg, requests := webhookServer(t, kindFeishu, webhookSays(200, `{"code":0,"msg":"success","data":{}}`))
	cfg.SecretFile = smtpdSecretFile(t, webhookSecret)
	if err := webhookDeliver(t, cfg, webhookNotice).Failed(); err != nil {
		t.Fatal(err)
	}
	got := <-requests
	stamp, _ := got.json["timestamp"].(string)
	if want := base64.StdEncoding.EncodeToString(webhookMAC(stamp+"\n"+webhookSecret, "")); len(stamp) != 10 || got.json["sign"] != want {
		t.Errorf("timestamp %s, sign %s, want %s", stamp, got.json["sign"], want)
	}
	if got.json["msg_type"] != "text" || got.json["content"].(map[string]any)["text"] != "www api is DOWN\n\n第一行 <b>&" {
		t.Errorf("%s", got.body)
	}
}

func TestWebhook_SlackGetsItsThreeCharactersEscaped(t *testing.T) {
	cfg, requests := webhookServer(t, kindSlack, webhookSays(200, "ok"))
	if err := webhookDeliver(t, cfg, webhookNotice).Failed(); err != nil {
		t.Fatal(err)
	}
	if got := <-requests; got.json["text"] != "www api is DOWN\n\n第一行 &lt;b&gt;&amp;" {
		t.Errorf("%s", got.body)
	}
}

func TestWebhook_GenericGetsEverythingAndASignature(t *testing.T) {
	cfg, requests := webhookServer(t, kindGeneric, webhookSays(204, ""))
	cfg.SecretFile = smtpdSecretFile(t, webhookSecret)
	if err := webhookDeliver(t, cfg, webhookNotice).Failed(); err != nil {
		t.Fatal(err)
	}
	got := <-requests
	for key, want := range map[string]string{"kind": "opened", "incident": "api-1", "subject": "www api is DOWN", "body": "第一行 <b>&\n", "date": "2026-11-22T17:15:06Z", "message_id": "1@www"} {
		if got.json[key] != want {
			t.Errorf("%s is %v", key, got.json[key])
		}
	}
	want := "sha256=" + hex.EncodeToString(webhookMAC(webhookSecret, got.header.Get("X-Gateway-Timestamp")+"."+string(got.body)))
	if got.header.Get("X-Gateway-Signature") != want {
		t.Errorf("signature %q, want %q", got.header.Get("X-Gateway-Signature"), want)
	}
}

func TestWebhook_TellsEachRefusalAndWhatToDo(t *testing.T) {
	later := func(status int, after string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(status)
		}
	}
	for _, test := range []struct {
		name, kind string
		answer     http.HandlerFunc
		want       Kind
		whole      bool // the channel fails, not this notice
		after      time.Duration
		advice     string
	}{
		{"wecom too fast", kindWeCom, webhookSays(200, `{"errcode":45009,"errmsg":"api freq out of limit"}`), Temporary, true, time.Minute, "waits"},
		{"wecom wrong key", kindWeCom, webhookSays(200, `{"errcode":93000,"errmsg":"invalid webhook url, key `+webhookKey+`"}`), Setup, true, 0, "url_file"},
		{"wecom busy", kindWeCom, webhookSays(200, `{"errcode":-1,"errmsg":"system busy"}`), Temporary, true, 0, "tries again"},
		{"dingtalk too fast", kindDingTalk, webhookSays(200, `{"errcode":130101,"errmsg":"send too fast"}`), Temporary, true, 10 * time.Minute, "waits"},
		{"dingtalk signature", kindDingTalk, webhookSays(200, `{"errcode":310000,"errmsg":"sign not match"}`), Setup, true, 0, "clock"},
		{"feishu too fast", kindFeishu, webhookSays(200, `{"code":11232,"msg":"frequency limited"}`), Temporary, true, time.Minute, "waits"},
		{"feishu signature", kindFeishu, webhookSays(200, `{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}`), Setup, true, 0, "secret_file"},
		{"feishu old answer", kindFeishu, webhookSays(400, `{"StatusCode":9499,"StatusMessage":"too many request"}`), Temporary, true, time.Minute, "waits"},
		{"slack limited", kindSlack, later(429, "30"), Temporary, true, 30 * time.Second, "waits"},
		{"slack gone", kindSlack, webhookSays(404, "no_service"), Setup, true, 0, "url_file"},
		{"slack payload", kindSlack, webhookSays(400, "invalid_payload"), Permanent, false, 0, "dead letters"},
		{"generic busy", kindGeneric, later(503, "7200"), Temporary, true, 2 * time.Hour, "tries again"},
		{"generic for ever", kindGeneric, later(429, "999999999999"), Temporary, true, 24 * time.Hour, "waits"},
		{"generic unfit", kindGeneric, webhookSays(422, "no"), Permanent, false, 0, "dead letters"},
		{"generic redirect", kindGeneric, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, Setup, true, 0, "url_file"},
		{"page instead of JSON", kindWeCom, webhookSays(502, "<html>bad gateway"), Temporary, true, 0, "tries again"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, _ := webhookServer(t, test.kind, test.answer)
			outcome := webhookDeliver(t, cfg, webhookNotice)
			err := outcome.Receipts[0].Err
			if err == nil || KindOf(err) != test.want || (outcome.Err != nil) != test.whole || outcome.RetryAfter != test.after {
				t.Errorf("%v: kind %v, whole %v, retry after %v", err, KindOf(err), outcome.Err != nil, outcome.RetryAfter)
			}
			if advice := strings.Join(Explain(err), "\n"); !strings.Contains(advice, test.advice) {
				t.Errorf("for %v the advice is %q", err, advice)
			}
		})
	}
}

func TestWebhook_NeverShowsItsURL(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *WebhookConfig){
		"unknown authority": func(_ *testing.T, c *WebhookConfig) { c.CAFile = "" },
		"refused": func(t *testing.T, c *WebhookConfig) {
			c.URLFile = smtpdSecretFile(t, "https://"+senderClosedPort(t)+"/hook/"+webhookKey)
		},
		"no URL": func(t *testing.T, c *WebhookConfig) { c.URLFile = smtpdSecretFile(t, "%zz:"+webhookKey) },
		"in clear": func(t *testing.T, c *WebhookConfig) {
			c.URLFile = smtpdSecretFile(t, "http://hooks.example.com/"+webhookKey)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := webhookServer(t, kindGeneric, webhookSays(200, ""))
			change(t, &cfg)
			outcome := webhookDeliver(t, cfg, webhookNotice)
			if outcome.Failed() == nil {
				t.Error("delivered")
			}
			t.Log(outcome.Failed())
		})
	}
}

func TestWebhook_DoesNotWaitForASilentServer(t *testing.T) {
	cfg, requests := webhookServer(t, kindGeneric, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	cfg.Timeout = 200 * time.Millisecond
	begin := time.Now()
	err := webhookDeliver(t, cfg, webhookNotice).Failed()
	if err == nil || KindOf(err) != Temporary || !strings.Contains(err.Error(), "longer than 200ms") || time.Since(begin) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
	<-requests
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gateway is stopping")
	cancel(gone)
	if err := NewWebhook(cfg).Deliver(ctx, webhookNotice, []string{""}).Failed(); !errors.Is(err, gone) {
		t.Errorf("after a cancellation: %v", err)
	}
}

func TestRetryAfter_ReadsSecondsAndDates(t *testing.T) {
	now := time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"30": 30 * time.Second, "Sun, 22 Nov 2026 17:05:00 GMT": 5 * time.Minute, "Sun, 22 Nov 2026 16:00:00 GMT": 0,
		"": 0, "soon": 0, "-5": 0, "9223372036854775807": 24 * time.Hour,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func FuzzWebhookAnswer(f *testing.F) {
	f.Add(200, []byte(`{"errcode":45009}`))
	f.Add(429, []byte(`{"code":1,"StatusCode":null}`))
	f.Add(0, []byte(`[`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for _, kind := range []string{kindWeCom, kindDingTalk, kindFeishu, kindSlack, kindGeneric} {
			v := chatOf(kind).judge(status, body)
			if v.err == nil && v.code != 0 && v.code/100 != 2 {
				t.Errorf("%s takes %d %q for a success", kind, status, body)
			}
		}
	})
}
