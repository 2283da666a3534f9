package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

func TestSettings_AreWhatTheTableSays(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Default(), "PasswordAuthentication no, KbdInteractiveAuthentication no, PermitRootLogin no"},
		{Config{Password: true, Root: true, Forwarding: true}, "PasswordAuthentication yes, PermitRootLogin prohibit-password"},
		{Config{AllowUsers: []string{"b", "a@10.*"}, MaxAuthTries: 3, Keepalive: time.Minute},
			"PasswordAuthentication no, KbdInteractiveAuthentication no, PermitRootLogin no, AllowUsers b a@10.*, MaxAuthTries 3, ClientAliveInterval 60, ClientAliveCountMax 3, DisableForwarding yes"},
	} {
		var got []string
		for _, s := range c.config.settings() {
			got = append(got, s.keyword+" "+s.value)
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", c.config, text, c.want)
		}
	}
}

func TestRender_RepeatsForEveryoneOnlyWhatIsForbidden(t *testing.T) {
	text := render(Config{Root: true, MaxAuthTries: 3, Forwarding: true}.settings(), true)
	_, block, found := strings.Cut(text, "\nMatch all\n")
	if !found || block != "\tPasswordAuthentication no\n\tKbdInteractiveAuthentication no\n" {
		t.Errorf("got %q", text)
	}
	if text := render(Config{Password: true, Root: true, Forwarding: true}.settings(), true); strings.Contains(text, "Match") {
		t.Errorf("nothing is forbidden: %q", text)
	}
}

func TestSetting_HoldsWhateverItsSpelling(t *testing.T) {
	all := Config{Root: true, AllowUsers: []string{"b", "a"}}.settings()
	effective := account.ParseSettings("passwordauthentication no\nkbdinteractiveauthentication no\npermitrootlogin without-password\nallowusers a\nallowusers b\ndisableforwarding yes\n")
	for _, s := range all {
		if !s.holds(effective) {
			t.Errorf("%s %s does not hold", s.keyword, s.value)
		}
	}
	more := account.ParseSettings("allowusers a\nallowusers b\nallowusers carl\npasswordauthentication yes\n")
	for _, s := range all {
		if s.holds(more) {
			t.Errorf("%s %s holds", s.keyword, s.value)
		}
	}
}

func TestDaemonOf_KnowsServiceAndSocketUnderEitherName(t *testing.T) {
	for _, c := range []struct {
		text, service string
		running       bool
		socket        string
		sockets       []string
	}{
		{"Id=ssh.service\nLoadState=loaded\nActiveState=active\n\nId=ssh.service\nLoadState=loaded\nActiveState=active\n\nId=ssh.socket\nLoadState=loaded\nActiveState=inactive\nListen=[::]:22 (Stream)\n", "ssh.service", true, "ssh.socket", nil},
		{"Id=ssh.service\nLoadState=not-found\nActiveState=inactive\n\nId=sshd.service\nLoadState=loaded\nActiveState=active\n", "sshd.service", true, "", nil},
		{"Id=ssh.service\nLoadState=loaded\nActiveState=inactive\n\nId=ssh.socket\nLoadState=loaded\nActiveState=active\nListen=0.0.0.0:2222 (Stream)\nListen=[::]:2222 (Stream)\n", "ssh.service", false, "ssh.socket", []string{"0.0.0.0:2222", "[::]:2222"}},
		{"", "", false, "", nil},
	} {
		d := daemonOf(parseUnits(c.text))
		if want := (daemon{c.service, c.running, c.socket, c.sockets}); !reflect.DeepEqual(d, want) {
			t.Errorf("got %+v, want %+v", d, want)
		}
	}
}

func TestAddresses_AreThoseThatThisHostReaches(t *testing.T) {
	s := account.ParseSettings("listenaddress [::]:2222\nlistenaddress 0.0.0.0:2222\nlistenaddress 192.0.2.1:22\n")
	if got := (daemon{}).addresses(s, nil); !slices.Equal(got, []string{"[::1]:2222", "127.0.0.1:2222", "192.0.2.1:22"}) {
		t.Errorf("got %q", got)
	}
	if got := (daemon{sockets: []string{"22"}}).addresses(s, nil); !slices.Equal(got, []string{"127.0.0.1:22"}) {
		t.Errorf("got %q", got)
	}
	held := []host.Listener{
		{Address: "0.0.0.0:2200", Command: `"sshd: /usr/sbin/sshd -D -p 2200 [listener] 0 of 10-100 startups"`},
		{Address: "[::]:2200", Command: `"sshd: /usr/sbin/sshd -D -p 2200 [listener] 0 of 10-100 startups"`},
		{Address: "127.0.0.1:6010", Command: `"sshd: alice@pts/0"`},
		{Address: "0.0.0.0:80", Command: "nginx"},
	}
	if got := (daemon{}).addresses(s, held); !slices.Equal(got, []string{"127.0.0.1:2200", "[::1]:2200"}) {
		t.Errorf("by an option on its command line: got %q", got)
	}
}

func TestEnough_ReadsAuthenticationMethods(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "authenticationmethods any": true, "authenticationmethods publickey": true,
		"authenticationmethods publickey,password":           false,
		"authenticationmethods publickey,password publickey": true,
		"authenticationmethods password":                     false,
	} {
		if got := enough(account.ParseSettings(text), "publickey"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestAllowed_MatchesTheNamesOfAllowUsers(t *testing.T) {
	for name, want := range map[string]bool{"alice": true, "bob": true, "bobby": false, "web-1": true, "root": false} {
		j := judge{config: Config{AllowUsers: []string{"alice", "bob@192.0.2.*", "web-?"}}}
		if got := j.allowed(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
		if !(judge{}).allowed(name) {
			t.Errorf("%s is not let in without allow_users", name)
		}
	}
}

func TestRefusals_CountWhoIsStillToBeMade(t *testing.T) {
	files := map[string]string{"/etc/passwd": "root:x:0:0::/root:/bin/bash\n", "/etc/group": "", "/etc/shadow": ""}
	for _, c := range []struct {
		config   Config
		expected []string
		refused  bool
	}{
		{Config{}, nil, true},
		{Config{}, []string{"alice"}, false},
		{Config{AllowUsers: []string{"alice"}}, []string{"alice"}, false},
		{Config{AllowUsers: []string{"bob"}}, []string{"alice"}, true},
	} {
		s := &Step{config: c.config, expected: c.expected, pid: 1}
		j, err := s.newJudge(sshdMachine(t, files, nil), nil, c.expected)
		if err != nil {
			t.Fatal(err)
		}
		refusals, err := j.refusals(t.Context())
		if err != nil || (len(refusals) > 0) != c.refused {
			t.Errorf("%+v, expected %q: got %+v, %v", c.config, c.expected, refusals, err)
		}
	}
}

func TestMends_OnlyWhatKeepsSSHDFromReading(t *testing.T) {
	me := os.Getuid()
	for _, c := range []struct {
		home, folder, file os.FileMode
		want               string
	}{
		{0o755, 0o700, 0o600, ""},
		{0o775, 0o755, 0o644, ""}, // a group of one's own is nobody else
		{0o755, 0o777, 0o600, "/home/a/.ssh 0700"},
		{0o755, 0o770, 0o666, "/home/a/.ssh 0700, /home/a/.ssh/authorized_keys 0600"},
		{0o777, 0o700, 0o600, "/home/a 0755"},
	} {
		m := sshdMachine(t, nil, nil)
		sshdWrite(t, m, "/home/a/.ssh/authorized_keys", "key\n", c.file)
		for path, perm := range map[string]os.FileMode{"/home/a/.ssh": c.folder, "/home/a": c.home} {
			if err := os.Chmod(m.Path(path), perm); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, a := range mends(m, account.Account{Name: "a", UID: me, GID: os.Getgid(), Home: "/home/a"}) {
			got = append(got, fmt.Sprintf("%s %04o", a.Path, a.Perm))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%v: got %q, want %q", c, text, c.want)
		}
	}
}

func TestMends_FollowNoLinkOfAUser(t *testing.T) {
	m := sshdMachine(t, nil, nil)
	sshdWrite(t, m, "/elsewhere/authorized_keys", "key\n", 0o666)
	if err := os.MkdirAll(m.Path("/home/a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/elsewhere", m.Path("/home/a/.ssh")); err != nil {
		t.Fatal(err)
	}
	if got := mends(m, account.Account{Name: "a", UID: os.Getuid(), Home: "/home/a"}); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestPlan_OfAMacSaysWhatToDoThere(t *testing.T) {
	p, err := New(Default(), nil).Plan(t.Context(), host.Machine{OS: "darwin"})
	if err != nil || len(p.Refusals) != 1 || !strings.Contains(p.Refusals[0].Instead, `PermitRootLogin no\n`) {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestPlan_WithoutSSHDSaysSo(t *testing.T) {
	p, err := New(Default(), nil).Plan(t.Context(), sshdMachine(t, nil, nil))
	if err != nil || len(p.Refusals) != 1 || !strings.Contains(p.Refusals[0].What, "no sshd") {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestPlan_OfSomebodyElseThanRootComparesTheFiles(t *testing.T) {
	m := sshdMachine(t, map[string]string{mainFile: debianMain}, nil)
	sshdWrite(t, m, "/usr/sbin/sshd", "", 0o755)
	sshdWrite(t, m, "/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication yes\n", 0o600)
	m.UID = 1000
	p, err := New(Default(), nil).Plan(t.Context(), m)
	if err != nil || len(p.Changes) != 1 || len(p.Notes) != 1 || len(p.Refusals) != 0 {
		t.Errorf("got %+v, %v", p, err)
	}
}

func sshdAt(addresses ...string) func(context.Context) []string {
	return func(context.Context) []string { return addresses }
}

func TestAwaitNoOffer_WaitsForTheReloadAndNamesWhatStillAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := &Step{offers: func(_ context.Context, address, _ string) (bool, error) {
			if address == "[::1]:22" {
				return false, &net.OpError{Op: "dial", Err: errors.New("refused")}
			}
			return time.Since(begin) < time.Second, nil
		}}
		if err := s.awaitNoOffer(t.Context(), sshdAt("[::1]:22", "127.0.0.1:22")); err != nil || time.Since(begin) > 2*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		if err := s.awaitNoOffer(t.Context(), sshdAt("[::1]:22")); err == nil || !strings.Contains(err.Error(), "does not answer at [::1]:22") {
			t.Errorf("nobody there: %v", err)
		}
		asked := 0
		s.offers = func(context.Context, string, string) (bool, error) { asked++; return true, nil }
		if err := s.awaitNoOffer(t.Context(), sshdAt("127.0.0.1:22")); err == nil || !strings.Contains(err.Error(), "still asks") || asked < 8 || asked >= 15 {
			t.Errorf("still asking %d times: %v", asked, err)
		}
	})
}

func FuzzParseUnits_NeverPanics(f *testing.F) {
	f.Add("Id=ssh.socket\nLoadState=loaded\nActiveState=active\nListen=[::]:22 (Stream)\n\nId=x\n")
	f.Fuzz(func(t *testing.T, text string) {
		d := daemonOf(parseUnits(text))
		for _, address := range d.addresses(account.Settings{}, nil) {
			if address == "" {
				t.Errorf("an empty address from %q", text)
			}
		}
	})
}
