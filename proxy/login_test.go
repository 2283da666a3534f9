package proxy

import (
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What htpasswd -B, htpasswd -s and openssl passwd -apr1 have made.
const loginUsers = `# staff
alice:$2y$05$yqbsKjhiHj.rnp6lSQcMfuWwuBow0kKcUuSVDLFtnYSec3dWP0Y/q

bob:{SHA}9SMYoF5RilWWASry7TjeaKwmpGg=
carol:$apr1$Ab3./xyz$RiEjI6D3KB3cLwjP3fx0M/:Carol of Accounts
bob:{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA=
`

func loginFile(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func loginAs(t *testing.T, client *http.Client, url, user, password string) *http.Response {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	res, _ := frontDo(t, client, r)
	return res
}

func TestLogin_LetsInWhoKnowsAPasswordOfTheFile(t *testing.T) {
	backend, seen := routeRecorder(t)
	path, none := loginFile(t, loginUsers), ""
	f := newServedFront(t, frontConfig(backend.URL, func(c *Config) {
		c.Sites[0].AuthFile, c.Sites[0].RequestSet = &path, []string{"X-Remote-User: {user}"}
		c.Sites[0].Routes = []Route{{Path: "/open/", Rules: Rules{AuthFile: &none}}, {Path: "/other/", Rules: Rules{AuthFile: &path, AuthRealm: `The "other" one`}}}
	}))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		for user, password := range map[string]string{"alice": "wonder", "bob": "builder", "carol": "secret"} {
			for range 2 { // the second one is known already
				if res := loginAs(t, client, "https://api.example.com/", user, password); res.StatusCode != 200 {
					t.Fatalf("%s: %d", user, res.StatusCode)
				}
				if r := frontWait(t, seen, user); r.Header.Get("X-Remote-User") != user {
					t.Errorf("%v", r.Header)
				}
				if x := frontWait(t, f.exchanges, user); x.user != user {
					t.Errorf("logged as %q", x.user)
				}
			}
		}
		if res := loginAs(t, client, "https://api.example.com/open/", "", ""); res.StatusCode != 200 {
			t.Errorf("a route without a login: %d", res.StatusCode)
		}
		if r := frontWait(t, seen, "the open route"); r.Header["X-Remote-User"] != nil {
			t.Errorf("%v", r.Header)
		}
		frontWait(t, f.exchanges, "the open route")
		for path, want := range map[string]string{"/": `Basic realm="api.example.com", charset="UTF-8"`, "/other/": `Basic realm="The \"other\" one", charset="UTF-8"`} {
			res := loginAs(t, client, "https://api.example.com"+path, "", "")
			if res.StatusCode != 401 || res.Header.Get("Www-Authenticate") != want {
				t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
			}
			frontWait(t, f.exchanges, path)
		}
		for _, wrong := range [][2]string{{"alice", "Wonder"}, {"mallory", "wonder"}, {"alice", strings.Repeat("x", 300)}} {
			if res := loginAs(t, client, "https://api.example.com/", wrong[0], wrong[1]); res.StatusCode != 401 {
				t.Errorf("%q: %d", wrong, res.StatusCode)
			}
			if x := frontWait(t, f.exchanges, "the exchange"); x.user != "" {
				t.Errorf("logged as %q", x.user)
			}
		}
	})
	if log := f.log.String(); strings.Contains(log, "Wonder") || strings.Contains(log, "$2y$") {
		t.Error("a password or its hash is in the log")
	}
}

func TestLogin_StopsWhoGuessesAndNobodyElse(t *testing.T) {
	backend := frontBackend(t, frontEcho)
	path := loginFile(t, loginUsers)
	f := newFront(t, frontConfig(backend.URL, func(c *Config) {
		c.TrustedProxies, c.Sites[0].AuthFile = []string{"127.0.0.1"}, &path
	}))
	client := f.client(t, true)
	ask := func(from, password string) int {
		r, _ := http.NewRequest("GET", "https://api.example.com/", nil)
		r.SetBasicAuth("bob", password)
		res, _ := frontDo(t, client, r, "X-Forwarded-For", from)
		if res.StatusCode == 429 && res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		return res.StatusCode
	}
	if got := ask("192.0.2.1", "builder"); got != 200 {
		t.Fatal(got)
	}
	for i := range faultsMost {
		if got := ask("192.0.2.1", "guess"); got != 401 {
			t.Fatalf("guess %d: %d", i, got)
		}
	}
	if got := ask("192.0.2.1", "guess"); got != 429 {
		t.Errorf("one more guess: %d", got)
	}
	if got := ask("192.0.2.1", "builder"); got != 200 {
		t.Errorf("whoever had logged in from there before: %d", got)
	}
	if got := ask("192.0.2.2", "guess"); got != 401 {
		t.Errorf("another address: %d", got)
	}
}

func TestLogin_FollowsTheFileAndKeepsTheLastGoodOne(t *testing.T) {
	backend := frontBackend(t, frontEcho)
	path := loginFile(t, loginUsers)
	f := newFront(t, frontConfig(backend.URL, func(c *Config) { c.Sites[0].AuthFile = &path }))
	client := f.client(t, true)
	write := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(user, password string) int {
		return loginAs(t, client, "https://api.example.com/", user, password).StatusCode
	}
	if got := ask("bob", "builder"); got != 200 {
		t.Fatal(got)
	}
	write("bob:plain text\n")
	if got := ask("bob", "builder"); got != 200 || !strings.Contains(f.log.String(), "line 1") || strings.Contains(f.log.String(), "plain text") {
		t.Errorf("a broken file: %d\n%s", got, f.log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := ask("alice", "wonder"); got != 200 {
		t.Errorf("a missing file: %d", got)
	}
	write("alice:{SHA}9SMYoF5RilWWASry7TjeaKwmpGg=\n")
	if got := ask("bob", "builder"); got != 401 {
		t.Errorf("who was taken out: %d", got)
	}
	if got := ask("alice", "builder"); got != 200 {
		t.Errorf("a changed password: %d", got)
	}
	if got := ask("alice", "wonder"); got != 401 {
		t.Errorf("the old password: %d", got)
	}
	if n := strings.Count(f.log.String(), "last good one"); n != 2 {
		t.Errorf("%d lines about the file:\n%s", n, f.log)
	}
}

func TestFaults_AreForgottenInTime(t *testing.T) {
	f, now, from := faults{}, time.Unix(1000, 0), netip.MustParsePrefix("192.0.2.1/32")
	for range faultsMost {
		if !f.mayTry(from, now) {
			t.Fatal("too early")
		}
		f.add(from, now)
	}
	if f.mayTry(from, now) || f.mayTry(from, now.Add(faultForgotten-1)) || !f.mayTry(from, now.Add(faultForgotten)) {
		t.Error("one fault is forgotten after its time, not before")
	}
	f.add(from, now.Add(faultForgotten))
	if f.mayTry(from, now.Add(faultForgotten)) || !f.mayTry(from, now.Add(time.Hour)) {
		t.Error("after one more")
	}
}

func TestFaults_TakeBoundedMemory(t *testing.T) {
	f, now := faults{}, time.Unix(1000, 0)
	for i := range 3 * faultsKept {
		f.add(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32), now.Add(time.Duration(i)*time.Microsecond))
	}
	if len(f) > faultsKept {
		t.Errorf("%d", len(f))
	}
}

func TestAPR1_ChecksWhatOpenSSLHasMade(t *testing.T) {
	for password, hash := range map[string]string{
		"secret": "$apr1$Ab3./xyz$RiEjI6D3KB3cLwjP3fx0M/", "a": "$apr1$Ab3./xyz$sKxn3na/i1jB92Mk5vn/j1", "x": "$apr1$ab$eIePjsejfBGR8ITtu2z0U1",
		"a longer password of more than sixteen bytes": "$apr1$Ab3./xyz$Ak3UucZvprnQz/J41fl.n.", "密码": "$apr1$Ab3./xyz$hZquZ8z0KyIQvKY6k.MAi0",
	} {
		if !apr1Matches(hash, password) || apr1Matches(hash, password+"x") || apr1Matches(hash, "") || apr1Matches(hash+"x", password) {
			t.Errorf("%q", password)
		}
	}
}

func FuzzParsePasswords_NeverShowsAHashNorPanics(f *testing.F) {
	for _, seed := range []string{loginUsers, "a:b", ":", "a:$2y$99$x", "a:$apr1$", "a:{SHA}", "\x00:\x00", "a:$2y$05$yqbsKjhiHj"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		all, err := parsePasswords([]byte(content))
		if (err == nil) != (len(all) > 0) {
			t.Fatalf("%d users, %v", len(all), err)
		}
		for user, hash := range all {
			if !isBcrypt(hash) {
				hashMatches(hash, "x")
			}
			_ = user
		}
	})
}
