package mail

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// What a chat's refusal can mean, for Explain.
var (
	errRateLimit    = errors.New("too many messages")
	errBadSignature = errors.New("signature, keyword or address refused")
	errRefused      = errors.New("refused")
)

// verdict is what an answer means. A nil err means that the message was taken.
type verdict struct {
	err  error
	kind Kind
	code int
	text string
}

// codes are a chat's own error codes, which it sends with HTTP status 200.
type codes struct {
	tooFast   []int // rate limits
	signature []int // signature, keyword or address list
	unknown   []int // no such bot
}

// Codes as the vendors' pages and their users' reports have them. A code that is
// not listed is taken for temporary: trying again for some days does no harm.
func wecomCodes() codes {
	return codes{tooFast: []int{45009, 45033}, unknown: []int{93000, 93004, 93008, 40001, 40014}}
}

func dingTalkCodes() codes {
	return codes{tooFast: []int{130101, 130102, 302033, 410100, 660026, 90018, 90030}, signature: []int{310000}, unknown: []int{300001, 300005, 400101, 400102, 40035, 40014}}
}

func feishuCodes() codes {
	return codes{tooFast: []int{9499, 11232, 11233, 99991400}, signature: []int{19021, 19022, 19024}, unknown: []int{19001, 19002, 19005}}
}

// judgeErrcode reads {"errcode", "errmsg"} (WeCom, DingTalk) and {"code", "msg"}
// (Feishu).
func judgeErrcode(known codes) func(int, []byte) verdict {
	return func(status int, body []byte) verdict {
		var answer struct {
			Errcode, Code, StatusCode *int
			Errmsg, Msg               string
		}
		if json.Unmarshal(body, &answer) != nil {
			return judgeStatus(status, body)
		}
		text := answer.Errmsg + answer.Msg
		for _, code := range []*int{answer.Errcode, answer.Code, answer.StatusCode} {
			if code != nil {
				return known.verdict(*code, text)
			}
		}
		return judgeStatus(status, body)
	}
}

func (c codes) verdict(code int, text string) verdict {
	v := verdict{code: code, text: text}
	switch {
	case code == 0:
		return v
	case slices.Contains(c.tooFast, code):
		v.err, v.kind = errRateLimit, Temporary
	case slices.Contains(c.signature, code):
		v.err, v.kind = errBadSignature, Setup
	case slices.Contains(c.unknown, code):
		v.err, v.kind = errRefused, Setup
	default:
		v.err, v.kind = errRefused, Temporary
	}
	return v
}

// judgeSlack: 200 "ok", else a word that says why.
func judgeSlack(status int, body []byte) verdict {
	v := judgeStatus(status, body)
	switch strings.TrimSpace(string(body)) {
	case "invalid_payload", "no_text", "message_limit_exceeded":
		v.kind = Permanent
	}
	return v
}

// judgeStatus goes by the HTTP status alone (RFC 9110, 15; 429 is RFC 6585).
func judgeStatus(status int, body []byte) verdict {
	v := verdict{code: status, text: oneLine(string(body)), err: errRefused}
	if v.text == "" {
		v.text = http.StatusText(status)
	}
	switch {
	case status/100 == 2:
		v.err = nil
	case status == http.StatusTooManyRequests:
		v.err, v.kind = errRateLimit, Temporary
	case status/100 == 5, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		v.kind = Temporary
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity:
		v.kind = Permanent
	default: // 3xx: we follow none; 401, 403, 404, 410: URL or login
		v.kind = Setup
	}
	return v
}
