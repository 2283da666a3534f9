package proxy

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRedact_HidesSecretsAndNothingElse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"/login?js_code=abc&x=1", "/login?js_code=[hidden]&x=1"},
		{"?appid=wx1&secret=s&js_code=c&grant_type=authorization_code", "?appid=wx1&secret=[hidden]&js_code=[hidden]&grant_type=authorization_code"},
		{"/x?code=1", "/x?code=[hidden]"},
		{"/x?zipcode=1&encode=2&qrcode_id=3", "/x?zipcode=1&encode=2&qrcode_id=3"},
		{"/x?PassWord=1", "/x?PassWord=[hidden]"},
		{"/x?p%61ssw%6Frd=1&y=2", "/x?p%61ssw%6Frd=[hidden]&y=2"},
		{"/x?%2570assword=1", "/x?%2570assword=[hidden]"},
		{"/x?a=1;session_key=2;b=3&c=4", "/x?a=1;session_key=[hidden]&c=4"},
		{"/x?user[password]=1", "/x?user[password]=[hidden]"},
		{"/x?password=", "/x?password=[hidden]"},
		{"/x?password", "/x?password"},
		{"/x;jsessionid=1/y", "/x;jsessionid=[hidden]"},
		{"/x?next=%2Flogin%3Fcode%3D1&y", "/x?next=[hidden]&y"},
		{"/x?next=%252Flogin%253Faccess_token%253D1", "/x?next=[hidden]"},
		{"/x?next=%2Fhome%3Fa%3D1", "/x?next=%2Fhome%3Fa%3D1"},
		{"/x?token=a=b&token=c", "/x?token=[hidden]&token=[hidden]"},
		{"http://user:pass@host/x", "http://[hidden]@host/x"},
		{"http://user:p@ss@host/x?a@b", "http://[hidden]@host/x?a@b"},
		{"/x?u=http%3A%2F%2Fu%3Ap%40h%2F", "/x?u=[hidden]"},
		{"/a=b", "/a=b"},
		{"", ""},
	} {
		if got := redact(c.text); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestRedactRequestLine_HidesValuesWithBlanks(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"GET /?password=a b HTTP/1.1", "GET /?password=[hidden] HTTP/1.1"},
		{"GET /?password=a b", "GET /?password=[hidden]"},
		{"GET /?x=a HTTP/1.1", "GET /?x=a HTTP/1.1"},
		{"-", "-"},
	} {
		if got := redactRequestLine(c.line); got != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

func TestRedactHeader_KnowsTheFieldsThatCarrySecrets(t *testing.T) {
	for _, name := range []string{"Cookie", "Set-Cookie", "Authorization", "Proxy-Authorization", "X-Api-Key",
		"X-Auth-Token", "X-WX-Code", "X-WX-Encrypted-Data", "X-WX-IV", "X-WX-Skey", "X-Session-Id", "X_Access_Token"} {
		if !isSecretHeader(name) {
			t.Errorf("%s may be read", name)
		}
	}
	for _, name := range []string{"Referer", "User-Agent", "Content-Type", "X-Request-Id", "Origin", "X-Forwarded-For"} {
		if isSecretHeader(name) {
			t.Errorf("%s is hidden", name)
		}
	}
	for value, want := range map[string]string{
		"Bearer abc": hidden, "basic abc": hidden, "text": "text", "": "",
		"https://a/?token=b": "https://a/?token=[hidden]",
		"0; url=/x?code=1":   "0; url=/x?code=[hidden]",
	} {
		if got := redactHeader(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestErrorLog_WritesOneRedactedLineAnEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "error.log")
	log, err := NewErrorLog(LogConfig{Error: path, Level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Open(); err != nil {
		t.Fatal(err)
	}
	logger := log.Logger().With("url", "http://u:s3cret@h/")
	logger.Debug("not at this level")
	logger.Info("first\nsecond level=ERROR", "password", "s3cret", "code", 550,
		"error", errors.New(`Get "http://h/?session_key=s3cret": refused`), slog.Group("g", "token", "s3cret", "x", "line\nbreak"))
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(text, []byte("\n")) != 1 || bytes.Contains(text, []byte("s3cret")) {
		t.Errorf("log: %s", text)
	}
	for _, part := range []string{`msg="first\nsecond level=ERROR"`, "url=http://[hidden]@h/", "password=[hidden]", "code=550", "g.token=[hidden]", `session_key=[hidden] refused`} {
		if !bytes.Contains(text, []byte(part)) {
			t.Errorf("%s is missing in %s", part, text)
		}
	}
}

const fuzzSecret = "s3cr3tv4lue"

// FuzzAccessLog_NeverPrintsASecret plants a secret wherever clients send them.
func FuzzAccessLog_NeverPrintsASecret(f *testing.F) {
	f.Add("/", "", "password", "&")
	f.Add("/a%", "x=%zz;", "js%5fcode", ";")
	f.Add("/://@", "next=%2F%3F", "SESSION_KEY", "&a=b?")
	formats := []appendField{appendJSONLine}
	for _, format := range append(logTestFormats, `%r %U %q %{Referer}i %{Cookie}i %{Authorization}i %{Set-Cookie}o %{Location}o %{s}C %{reason}n`) {
		compiled, err := ParseLogFormat(format)
		if err != nil {
			f.Fatal(err)
		}
		formats = append(formats, compiled.appendLine)
	}
	f.Fuzz(func(t *testing.T, path, query, name, after string) {
		if !isSecretName(name) || strings.ContainsAny(name, "&=?;#/\"'(,={ \t\r\n") {
			return
		}
		target := path + "?" + query + "&" + name + "=" + fuzzSecret + after
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI, r.URL = target, &url.URL{Path: path}
		r.Header = http.Header{"Referer": {"https://u:" + fuzzSecret + "@h" + target}, "Cookie": {"s=" + fuzzSecret},
			"Authorization": {"Basic " + fuzzSecret}, "User-Agent": {"x"}}
		w := httptest.NewRecorder()
		w.Header().Set("Set-Cookie", "s="+fuzzSecret)
		w.Header().Set("Location", target)
		tr := newTransaction(w, r)
		tr.exchange.failure = "Get " + strings.ReplaceAll(target, " ", "%20")
		tr.finish()
		tr.close()
		for _, format := range formats {
			if line := format(nil, tr); bytes.Contains(line, []byte(fuzzSecret)) || bytes.ContainsAny(line, "\r") {
				t.Fatalf("%q leaks: %s", target, line)
			}
		}
	})
}
