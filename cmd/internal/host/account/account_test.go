package account

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gateway/cmd/internal/host"
)

const (
	accountPasswd = "root:x:0:0:root:/root:/bin/bash\nsync:x:4:65534:sync:/bin:/bin/sync\n+nis\n" +
		"alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\nbob:x:1001:1001::/home/bob:/usr/sbin/nologin\ncarl:x:1002:1002::/home/carl:\n"
	accountGroup  = "root:x:0:\nsudo:x:27:alice,carl\nalice:x:1000:\nbob:x:1001:\ncarl:x:1002:\n"
	accountShadow = "root:*:19000:0:99999:7:::\nalice:$y$hash:19000:0:99999:7:::\nbob:!:19000:0:99999:7:::\ncarl::0:0:99999:7:::\nbad line\n"
)

// accountKey makes a public key line from a number.
func accountKey(t testing.TB, seed byte, comment string) string {
	t.Helper()
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+seed)), ed25519.SeedSize)))
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))) + " " + comment
}

// accountRSAKey makes the line of a public key that has so many bits, and is else no
// good: nobody signs with it here.
func accountRSAKey(t testing.TB, bits uint) string {
	t.Helper()
	modulus := new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1)
	public, err := ssh.NewPublicKey(&rsa.PublicKey{N: modulus, E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

// accountMachine is a machine in a folder: a file for each path.
func accountMachine(t *testing.T, files map[string]string) host.Machine {
	t.Helper()
	m := host.Machine{Root: t.TempDir(), OS: "linux", Run: func(_ context.Context, c host.Command) (host.Result, error) {
		t.Errorf("%q was run", c.Argv)
		return host.Result{}, nil
	}}
	for path, text := range files {
		accountWrite(t, m, path, text, 0o644)
	}
	return m
}

func accountWrite(t *testing.T, m host.Machine, path, text string, perm os.FileMode) {
	t.Helper()
	at := m.Path(path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), perm); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(at, perm); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func TestRead_KnowsAccountsGroupsAndPasswordStates(t *testing.T) {
	m := accountMachine(t, map[string]string{"/etc/passwd": accountPasswd, "/etc/group": accountGroup, "/etc/shadow": accountShadow})
	d, err := Read(m)
	if err != nil {
		t.Fatal(err)
	}
	alice, found := d.Account("alice")
	if want := (Account{Name: "alice", UID: 1000, GID: 1000, Home: "/home/alice", Shell: "/bin/bash"}); !found || alice != want {
		t.Errorf("alice: %+v", alice)
	}
	if got := d.GroupsOf(alice); !reflect.DeepEqual(got, []string{"alice", "sudo"}) {
		t.Errorf("groups of alice: %q", got)
	}
	var people []string
	for _, a := range d.People() {
		people = append(people, a.Name)
	}
	if !reflect.DeepEqual(people, []string{"alice", "carl"}) {
		t.Errorf("people: %q", people)
	}
	for name, want := range map[string]Password{"alice": PasswordSet, "bob": PasswordLocked, "carl": PasswordStale, "nobody": PasswordUnknown} {
		if got := d.Password(name); got != want {
			t.Errorf("password of %s: %v, want %v", name, got, want)
		}
	}
}

func TestRead_LeavesPasswordsUnknownWhereShadowIsNotThere(t *testing.T) {
	d, err := Read(accountMachine(t, map[string]string{"/etc/passwd": accountPasswd, "/etc/group": accountGroup}))
	if err != nil || d.Password("alice") != PasswordUnknown {
		t.Errorf("got %v, %v", d.Password("alice"), err)
	}
}

func TestPasswordState_FollowsShadow(t *testing.T) {
	for _, c := range []struct {
		hash, changed, expires string
		want                   Password
	}{
		{"$6$x", "19000", "", PasswordSet},
		{"!$6$x", "19000", "", PasswordLocked},
		{"!", "19000", "", PasswordLocked},
		{"*", "", "", PasswordLocked},
		{"", "19000", "", PasswordEmpty},
		{"$6$x", "0", "", PasswordStale},
		{"$6$x", "19000", "99", AccountExpired},
		{"$6$x", "19000", "101", PasswordSet},
		{"$6$x", "19000", "0", AccountExpired}, // chage -E 0 shuts the account
		{"$6$x", "19000", "-1", PasswordSet},
	} {
		if got := passwordState(c.hash, c.changed, c.expires, 100); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

func TestMerge_AddsByKeyAndKeepsEveryByteThatIsThere(t *testing.T) {
	a, b := accountKey(t, 1, "a@laptop"), accountKey(t, 2, "b@laptop")
	limited := `command="echo hi there",no-pty ` + a
	for name, c := range map[string]struct{ text, add, want string }{
		"a new file":               {"", a + "\n" + b, a + "\n" + b + "\n"},
		"no final newline":         {a, b, a + "\n" + b + "\n"},
		"the same key, other text": {accountKey(t, 1, "other") + "\n", a, accountKey(t, 1, "other") + "\n"},
		"options are kept":         {limited + "\n", a, limited + "\n"},
		"a byte order mark":        {byteOrderMark + a + "\n", b, a + "\n" + b + "\n"},
		"comments and CRLF stay":   {"# mine\r\n\n" + a + "\r\n", b, "# mine\r\n\n" + a + "\r\n" + b + "\n"},
		"given twice":              {"", a + "\n" + a, a + "\n"},
		"a CRLF in what is given":  {"", a + "\r\n", a + "\n"},
		"a truncated key stays":    {a[:40] + "\n", a, a[:40] + "\n" + a + "\n"},
	} {
		add, wrong := ParseKeys([]byte(c.add))
		if len(wrong) > 0 {
			t.Errorf("%s: %v", name, wrong)
		}
		if got := string(Merge([]byte(c.text), add)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestWithout_TakesEveryLineOfTheKeyAndNoOther(t *testing.T) {
	a, b := accountKey(t, 1, "a"), accountKey(t, 2, "b")
	keys, _ := ParseKeys([]byte(a))
	text := byteOrderMark + a + "\n# c\n" + b + "\nno-pty " + accountKey(t, 1, "again")
	if got := string(Without([]byte(text), keys[0])); got != "# c\n"+b+"\n" {
		t.Errorf("got %q", got)
	}
}

func TestParseKeys_KnowsWhatIsTakenForAPublicKey(t *testing.T) {
	for text, want := range map[string]string{
		"-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n":                               "private key",
		"PuTTY-User-Key-File-3: ssh-ed25519\n":                                     "private key",
		"---- BEGIN SSH2 PUBLIC KEY ----\nabc\n":                                   "ssh-keygen -i",
		"\xff\xfes\x00s\x00h\x00-\x00":                                             "UTF-16",
		accountKey(t, 1, "x")[:30] + "\n":                                          "line 1 is no whole public key",
		"# mine\n" + strings.Replace(accountKey(t, 1, "x"), "AAAAI", "AAAAI\n", 1): "line 2 is no whole public key",
	} {
		if _, wrong := ParseKeys([]byte(text)); len(wrong) == 0 || !strings.Contains(wrong[0].Error(), want) {
			t.Errorf("%q: %v", text, wrong)
		}
	}
}

func TestSettings_ListWhatSSHDPrints(t *testing.T) {
	s := ParseSettings("port 22\nport 2222\nstrictmodes yes\nallowusers alice\nallowusers bob@10.*\nauthorizedkeysfile %h/k /etc/keys/%u/%U .ssh/%%\n")
	if got := s.Ports(); !reflect.DeepEqual(got, []int{22, 2222}) {
		t.Errorf("ports %v", got)
	}
	for text, want := range map[string][]int{
		"port 22\nlistenaddress [::]:2222\nlistenaddress 0.0.0.0:2222 rdomain red\nlistenaddress 127.0.0.1:22\n": {2222},
		"port 22\nlistenaddress 127.0.0.1:22\n": {22}, // better one too many
	} {
		if got := ParseSettings(text).Ports(); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: ports %v", text, got)
		}
	}
	alice := Account{Name: "alice", UID: 7, Home: "/home/alice"}
	if got := s.KeyFiles(alice); !reflect.DeepEqual(got, []string{"/home/alice/k", "/etc/keys/alice/7", "/home/alice/.ssh/%"}) {
		t.Errorf("key files %q", got)
	}
}

func TestSettings_AdmitAsTheirListsSay(t *testing.T) {
	near, far := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("192.0.2.1")
	for _, c := range []struct {
		settings string
		from     netip.Addr
		why      string
	}{
		{"", near, ""},
		{"pubkeyauthentication no", near, "PubkeyAuthentication"},
		{"allowusers bob al*", near, ""},
		{"allowusers bob", near, "AllowUsers"},
		{"allowusers alice@10.*", near, ""},
		{"allowusers alice@10.0.0.0/8", near, ""},
		{"allowusers alice@10.*", far, "AllowUsers"},
		{"allowusers alice@10.*", netip.Addr{}, "AllowUsers"},
		{"denyusers alice", near, "DenyUsers"},
		{"denygroups s?do", near, "DenyGroups"},
		{"allowgroups wheel", near, "AllowGroups"},
		{"allowgroups wheel sudo", near, ""},
		{"forcecommand internal-sftp", near, "ForceCommand"},
		{"forcecommand none", near, ""},
	} {
		got := ParseSettings(c.settings).admits("alice", []string{"alice", "sudo"}, c.from)
		if (got == "") != (c.why == "") || !strings.Contains(got, c.why) {
			t.Errorf("%q from %v: got %q", c.settings, c.from, got)
		}
	}
}

func TestKeyLogin_JudgesAsSSHDDoes(t *testing.T) {
	near := netip.MustParseAddr("10.1.2.3")
	key, rsaKey := accountKey(t, 1, "a"), accountRSAKey(t, 2048)
	for name, c := range map[string]struct {
		line     string
		settings string
		prepare  func(m host.Machine)
		why      string // "": usable
	}{
		"a plain key":                   {line: key},
		"CRLF":                          {line: key + "\r\n"},
		"no file":                       {why: "none"},
		"a forced command":              {line: `command="rsync --server" ` + key, why: "only one command"},
		"restricted":                    {line: "restrict " + key, why: "no terminal"},
		"restricted, but pty":           {line: "restrict,pty " + key},
		"an expired key":                {line: `expiry-time="20200101" ` + key, why: "expired"},
		"a key to expire":               {line: `expiry-time="29990101Z" ` + key},
		"an odd expiry":                 {line: `expiry-time="soon" ` + key, why: "expired"},
		"from elsewhere":                {line: `from="192.0.2.0/24" ` + key, why: "only from"},
		"from here":                     {line: `from="192.0.2.0/24,10.*,!10.9.*" ` + key},
		"a byte order mark":             {line: byteOrderMark + key, why: "byte order mark"},
		"a wrapped key":                 {line: key[:50] + "\n" + key[50:], why: "no whole public key"},
		"a CA":                          {line: "cert-authority " + key, why: "signs"},
		"a type that sshd takes":        {line: key, settings: "pubkeyacceptedalgorithms rsa-sha2-512,ssh-ed*"},
		"a type that sshd refuses":      {line: key, settings: "pubkeyacceptedalgorithms rsa-sha2-512,sk-ssh-ed25519@openssh.com", why: "PubkeyAcceptedAlgorithms"},
		"the same by the older name":    {line: key, settings: "pubkeyacceptedkeytypes ssh-rsa", why: "PubkeyAcceptedAlgorithms"},
		"RSA by a signature that holds": {line: rsaKey, settings: "pubkeyacceptedalgorithms rsa-sha2-256\nrequiredrsasize 2048"},
		"RSA that is too short":         {line: rsaKey, settings: "requiredrsasize 3072", why: "has 2048 bits, and sshd wants 3072"},
		"other key file":                {line: key, settings: "authorizedkeysfile /etc/keys/%u", why: "none"},
		".ssh 777":                      {line: key, prepare: func(m host.Machine) { accountChmod(t, m, "/home/alice/.ssh", 0o777) }, why: "everybody can write"},
		".ssh 777, not strict":          {line: key, settings: "strictmodes no", prepare: func(m host.Machine) { accountChmod(t, m, "/home/alice/.ssh", 0o777) }},
		"home 775, others in the group": {line: key, prepare: func(m host.Machine) {
			accountWrite(t, m, "/etc/debian_version", "12", 0o644)
			accountWrite(t, m, "/etc/group", "shared:x:"+fmt.Sprint(os.Getgid())+":bob\n"+accountGroup, 0o644)
			accountChmod(t, m, "/home/alice", 0o775)
		}, why: "group can write"},
		"no shell":      {line: key, prepare: func(m host.Machine) { os.Remove(m.Path("/bin/bash")) }, why: "is not there"},
		"/etc/nologin":  {line: key, prepare: func(m host.Machine) { accountWrite(t, m, "/etc/nologin", "", 0o644) }, why: "/etc/nologin"},
		"expired":       {line: key, prepare: func(m host.Machine) { accountWrite(t, m, "/etc/shadow", "alice:x:19000:::::1:\n", 0o600) }, why: "expired"},
		"passwd -e":     {line: key, prepare: func(m host.Machine) { accountWrite(t, m, "/etc/shadow", "alice:x:0::::::\n", 0o600) }, why: "to be changed"},
		"locked, PAM":   {line: key, settings: "usepam yes", prepare: func(m host.Machine) { accountWrite(t, m, "/etc/shadow", "alice:!:19000::::::\n", 0o600) }},
		"locked, alone": {line: key, settings: "usepam no", prepare: func(m host.Machine) { accountWrite(t, m, "/etc/shadow", "alice:!:19000::::::\n", 0o600) }, why: "without PAM"},
	} {
		t.Run(name, func(t *testing.T) {
			m := accountMachine(t, map[string]string{"/etc/group": accountGroup, "/etc/shadow": accountShadow,
				"/etc/passwd": fmt.Sprintf("alice:x:%d:%d::/home/alice:/bin/bash\n", os.Getuid(), os.Getgid())})
			accountWrite(t, m, "/bin/bash", "", 0o755)
			if c.line != "" {
				accountWrite(t, m, "/home/alice/.ssh/authorized_keys", c.line+"\n", 0o600)
				accountChmod(t, m, "/home/alice/.ssh", 0o700)
			}
			if c.prepare != nil {
				c.prepare(m)
			}
			d, err := Read(m)
			if err != nil {
				t.Fatal(err)
			}
			login := d.KeyLogin(m, d.Accounts[0], ParseSettings(c.settings), near)
			if (len(login.Usable) > 0) != (c.why == "") {
				t.Fatalf("got %+v, want %q", login, c.why)
			}
			if c.why != "none" && !strings.Contains(strings.Join(login.Problems, "\n"), c.why) {
				t.Errorf("got %q, want %q", login.Problems, c.why)
			}
		})
	}
}

func accountChmod(t *testing.T, m host.Machine, path string, perm os.FileMode) {
	t.Helper()
	if err := os.Chmod(m.Path(path), perm); err != nil {
		t.Fatal(err)
	}
}

func TestParseSudo_ReadsWhatItPrints(t *testing.T) {
	const head = "Matching Defaults entries for x on lab:\n    env_reset, use_pty\n\nUser x may run the following commands on lab:\n"
	for rules, want := range map[string]Sudo{
		"    (ALL : ALL) ALL\n":                          SudoPassword,
		"    (ALL : ALL) NOPASSWD: ALL\n":                SudoFree,
		"    (ALL) NOPASSWD: ALL\n    (ALL : ALL) ALL\n": SudoPassword, // the last one wins
		"    (ALL : ALL) ALL\n    (ALL) NOPASSWD: ALL\n": SudoFree,
		"    (root) /bin/ls, NOPASSWD: /bin/cat\n":       SudoNone,
		"    (root) /bin/ls, NOPASSWD: ALL\n":            SudoFree,
		"    (root) NOPASSWD: /bin/ls, PASSWD: ALL\n":    SudoPassword,
		"    (bob, root) SETENV: NOPASSWD: ALL\n":        SudoFree,
		"    (bob) ALL\n":                                SudoNone,
		"    (ALL : ALL) ALL, !/bin/su\n":                SudoPassword,
	} {
		if got := parseSudo(head + rules); got != want {
			t.Errorf("%q: got %v, want %v", rules, got, want)
		}
	}
	if got := parseSudo("User x is not allowed to run sudo on lab.\n"); got != SudoNone {
		t.Errorf("not allowed: got %v", got)
	}
}

func TestAdmin_WorksWithAKeyAndAWayToRootOnly(t *testing.T) {
	key := KeyLogin{Usable: []Key{{}}}
	for _, c := range []struct {
		admin Admin
		works bool
	}{
		{Admin{Sudo: SudoFree, Password: PasswordLocked, Keys: key}, true},
		{Admin{Sudo: SudoPassword, Password: PasswordSet, Keys: key}, true},
		{Admin{Sudo: SudoPassword, Password: PasswordLocked, Keys: key}, false},
		{Admin{Sudo: SudoFree, Password: PasswordSet}, false},
		{Admin{Password: PasswordSet, Keys: key}, false},
	} {
		if c.admin.Works() != c.works || c.works != (len(c.admin.Why()) == 0) {
			t.Errorf("%+v: %v, %q", c.admin, c.admin.Works(), c.admin.Why())
		}
	}
}

func TestFindPresent_LooksThroughSudoAndTmux(t *testing.T) {
	m := accountMachine(t, map[string]string{
		"/etc/passwd": accountPasswd, "/etc/group": accountGroup,
		"/proc/40/status": "Name:\tgateway\nPPid:\t30\nUid:\t0\t0\t0\t0\n", "/proc/40/environ": "SUDO_USER=alice\x00PATH=/bin\x00",
		"/proc/30/status": "Name:\tbash\nPPid:\t20\nUid:\t1002\t1002\t1002\t1002\n", "/proc/30/environ": "SSH_CONNECTION=192.0.2.7 50000 192.0.2.1 2222\x00", "/proc/30/loginuid": "1002\n",
		"/proc/20/status": "Name:\tsshd\nPPid:\t1\nUid:\t0\t0\t0\t0\n", "/proc/20/loginuid": "4294967295",
	})
	d, err := Read(m)
	if err != nil {
		t.Fatal(err)
	}
	p := FindPresent(m, d, 40)
	if !reflect.DeepEqual(p.Users, []string{"alice", "carl"}) || p.Client != netip.MustParseAddrPort("192.0.2.7:50000") || p.Server.Port() != 2222 {
		t.Errorf("got %+v", p)
	}
	if p := FindPresent(m, d, 999); len(p.Users) > 0 || p.Server.IsValid() {
		t.Errorf("a process that has gone: %+v", p)
	}
}

func FuzzMerge_NeverLosesALine(f *testing.F) {
	f.Add([]byte("# mine\n"+accountKey(f, 1, "a")), []byte(accountKey(f, 2, "b")))
	f.Add([]byte(byteOrderMark+byteOrderMark), []byte("restrict "+accountKey(f, 2, "b")))
	f.Fuzz(func(t *testing.T, text, add []byte) {
		keys, _ := ParseKeys(add)
		merged := Merge(text, keys)
		if !strings.HasPrefix(string(merged), strings.TrimLeft(string(text), byteOrderMark)) {
			t.Errorf("%q is not kept in %q", text, merged)
		}
		if again := Merge(merged, keys); string(again) != string(merged) {
			t.Errorf("a second merge changes %q to %q", merged, again)
		}
	})
}

func FuzzParse_NeverPanics(f *testing.F) {
	f.Add(accountPasswd, "10.0.0.0/8,!10.*")
	f.Add(accountShadow, "*@[")
	f.Add("User x may run the following commands on lab:\n    (ALL : ALL) NOPASSWD: ALL", "20200101")
	f.Add("Name:\tx\nPPid:\t1\nUid:\t0", "192.0.2.7 50000 192.0.2.1 22")
	f.Fuzz(func(t *testing.T, text, word string) {
		for _, a := range parsePasswd(text) {
			if a.Name == "" || a.UID < 0 {
				t.Errorf("%+v", a)
			}
		}
		parseGroup(text)
		parseShadow(text)
		parseSudo(text)
		parseStatus(text)
		parseConnection(word)
		ParseSettings(text).admits(word, []string{word}, netip.MustParseAddr("10.0.0.1"))
		fromMatches(word, netip.MustParseAddr("10.0.0.1"))
	})
}

func TestLastLogin_ReadsTheRecordOfTheAccount(t *testing.T) {
	m := accountMachine(t, nil)
	if at := LastLogin(m, 1000); !at.IsZero() {
		t.Errorf("without the file: %v", at)
	}
	records := make([]byte, 1001*lastlogRecord)
	binary.NativeEndian.PutUint32(records[1000*lastlogRecord:], 1_700_000_000)
	accountWrite(t, m, "/var/log/lastlog", string(records), 0o644)
	for uid, want := range map[int]int64{1000: 1_700_000_000, 999: time.Time{}.Unix(), 2000: time.Time{}.Unix()} {
		if at := LastLogin(m, uid); at.Unix() != want {
			t.Errorf("%d: %v", uid, at)
		}
	}
}
