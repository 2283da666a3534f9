package mail

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// chat is how one kind of webhook is spoken to.
type chat struct {
	limit  int                                                                  // most bytes of a text
	fill   func(n Notice, text string) map[string]any                           // the request's JSON
	sign   func(r *http.Request, payload map[string]any, s Secret, t time.Time) // adds the signature; nil: there is none
	judge  func(status int, body []byte) verdict                                // what the answer means
	pauses time.Duration                                                        // how long a bot is cut off once it was too fast
}

// chatOf returns how a kind is spoken to; unknown kinds are refused by Validate.
func chatOf(kind string) chat {
	switch kind {
	case kindWeCom:
		// 20 messages a minute and bot; 2048 bytes of text (developer.work.weixin.qq.com, path/91770).
		return chat{limit: 2048, fill: wecomText, judge: judgeErrcode(wecomCodes()), pauses: time.Minute}
	case kindDingTalk:
		// 20 messages a minute, then cut off for 10 minutes; 20,000 bytes (open.dingtalk.com, custom robots).
		return chat{limit: 18000, fill: wecomText, sign: signDingTalk, judge: judgeErrcode(dingTalkCodes()), pauses: 10 * time.Minute}
	case kindFeishu:
		// 100 messages a minute, 5 a second; 20 KB of request (open.feishu.cn, custom bots).
		return chat{limit: 16000, fill: feishuText, sign: signFeishu, judge: judgeErrcode(feishuCodes()), pauses: time.Minute}
	case kindSlack:
		// 40,000 characters (api.slack.com, chat.postMessage); shorter ones are not cut into pieces.
		return chat{limit: 12000, fill: slackText, judge: judgeSlack, pauses: time.Minute}
	}
	return chat{limit: maxBody, fill: genericNotice, sign: signGeneric, judge: judgeStatus, pauses: time.Minute}
}

// chatText makes one text of a notice, shortened to limit bytes.
func chatText(n Notice, limit int) string {
	const more = "\n…"
	text := cleanSubject(n.Subject) + "\n\n" + strings.TrimRight(cleanBody(n.Body), "\n")
	if len(text) > limit {
		text = cutBytes(text, limit-len(more)) + more
	}
	return text
}

func wecomText(_ Notice, text string) map[string]any {
	return map[string]any{"msgtype": "text", "text": map[string]string{"content": text}}
}

func feishuText(_ Notice, text string) map[string]any {
	return map[string]any{"msg_type": "text", "content": map[string]string{"text": text}}
}

// slackText escapes the three characters that Slack gives a meaning, so that a
// backend's output can neither link nor mention anybody.
func slackText(_ Notice, text string) map[string]any {
	return map[string]any{"text": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)}
}

func genericNotice(n Notice, _ string) map[string]any {
	return map[string]any{
		"kind": n.Kind, "incident": n.Incident, "subject": cleanSubject(n.Subject), "body": cleanBody(n.Body),
		"date": n.Date.UTC().Format(time.RFC3339), "message_id": n.MessageID, "in_reply_to": n.InReplyTo,
	}
}

func mac(key, message string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(message))
	return h.Sum(nil)
}

// signDingTalk puts milliseconds and their signature into the query.
func signDingTalk(r *http.Request, _ map[string]any, s Secret, t time.Time) {
	stamp := strconv.FormatInt(t.UnixMilli(), 10)
	signed := url.Values{
		"timestamp": {stamp},
		"sign":      {base64.StdEncoding.EncodeToString(mac(s.Reveal(), stamp+"\n"+s.Reveal()))},
	}
	if r.URL.RawQuery != "" {
		r.URL.RawQuery += "&"
	}
	r.URL.RawQuery += signed.Encode()
}

// signFeishu puts seconds and their signature into the JSON. Feishu's signature
// has the text as its key and signs nothing.
func signFeishu(_ *http.Request, payload map[string]any, s Secret, t time.Time) {
	stamp := strconv.FormatInt(t.Unix(), 10)
	payload["timestamp"] = stamp
	payload["sign"] = base64.StdEncoding.EncodeToString(mac(stamp+"\n"+s.Reveal(), ""))
}

// The header fields of a signed generic request: the signature is the hexadecimal
// HMAC-SHA256 of the timestamp (Unix seconds), a full stop and the request's body.
const (
	headerTimestamp = "X-Gateway-Timestamp"
	headerSignature = "X-Gateway-Signature"
)

// signGeneric prepares the timestamp; the body is signed once it is encoded.
func signGeneric(r *http.Request, _ map[string]any, _ Secret, t time.Time) {
	r.Header.Set(headerTimestamp, strconv.FormatInt(t.Unix(), 10))
}

func signBody(r *http.Request, body []byte, s Secret) {
	if stamp := r.Header.Get(headerTimestamp); stamp != "" {
		r.Header.Set(headerSignature, "sha256="+hex.EncodeToString(mac(s.Reveal(), stamp+"."+string(body))))
	}
}
