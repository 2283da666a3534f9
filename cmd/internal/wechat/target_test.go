package wechat

import (
	"strings"
	"testing"

	"gateway/certs"
)

func TestParseTarget_TakesWhatAdminsPaste(t *testing.T) {
	for written, want := range map[string]Target{
		"api.example.com":               {"api.example.com", 443},
		"api.example.com:7879":          {"api.example.com", 7879},
		"https://api.example.com/":      {"api.example.com", 443},
		"https://api.example.com:7879":  {"api.example.com", 7879},
		"wss://API.Example.COM.":        {"api.example.com", 443},
		" api.example.com. ":            {"api.example.com", 443},
		"例子.测试":                         {"xn--fsqu00a.xn--0zwm56d", 443},
		"192.0.2.1":                     {"192.0.2.1", 443},
		"192.0.2.1:7879":                {"192.0.2.1", 7879},
		"[2001:db8::1]:7879":            {"2001:db8::1", 7879},
		"2001:db8::1":                   {"2001:db8::1", 443},
		"xn--fsqu00a.xn--0zwm56d:65535": {"xn--fsqu00a.xn--0zwm56d", 65535},
	} {
		if got, err := ParseTarget(written); err != nil || got != want {
			t.Errorf("%q: %+v, %v", written, got, err)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"api.example.com:7879", "https://a.b/", "[::1]:1", "例子.测试", "a..b", "x:y:z", "://", "[", "%zz", "a b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		target, err := ParseTarget(written)
		if err != nil {
			return
		}
		if target.Port < 1 || target.Port > 65535 || strings.ContainsAny(target.Host, "/ @?#\x00\r\n") {
			t.Fatalf("%q: %+v", written, target)
		}
		again, err := ParseTarget(target.authority())
		if err != nil || again != target {
			t.Fatalf("%q: %+v, then %+v, %v", written, target, again, err)
		}
	})
}

func TestTarget_IsRefusedWhereWeChatsConsoleRefusesIt(t *testing.T) {
	for host, want := range map[string]certs.Verdict{
		"api.example.com": certs.Passed, "192.0.2.1": certs.Failed, "2001:db8::1": certs.Failed, "localhost": certs.Failed,
		"api.localhost": certs.Failed, "intranet": certs.Failed, "api.weixin.qq.com": certs.Failed,
	} {
		if f := (Target{host, 443}).judge(); f.Verdict != want || (want == certs.Failed) != (len(f.Remedies) > 0) {
			t.Errorf("%s: %+v", host, f)
		}
	}
}

func TestConsole_HasAnEntryOfItsOwnForAnotherPort(t *testing.T) {
	usual, other := Target{"api.example.com", 443}.Console(), Target{"api.example.com", 7879}.Console()
	if usual.Request != "https://api.example.com" || !strings.Contains(usual.Notes[0], "never with :443") {
		t.Errorf("%+v", usual)
	}
	if other.Request != "https://api.example.com:7879" || other.UploadFile != other.Request || other.DownloadFile != other.Request || other.Socket != "wss://api.example.com" {
		t.Errorf("%+v", other)
	}
}

func TestParsePath_TakesOnlyPaths(t *testing.T) {
	for written, good := range map[string]bool{"/": true, "/api/x?a=b": true, "/例子": true, "api": false, "": false, "https://a/b": false, "/a b": true, "/a%zz": false, "/a\nb": false} {
		if path, err := ParsePath(written); (err == nil) != good || err == nil && path != written {
			t.Errorf("%q: %q, %v", written, path, err)
		}
	}
}
