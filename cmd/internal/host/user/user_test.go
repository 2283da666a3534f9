package user

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// userKey makes the line of a public key.
func userKey(t testing.TB, seed rune, comment string) string {
	t.Helper()
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(seed), ed25519.SeedSize)))
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))) + " " + comment
}

// userHost is a machine in a folder with boss, who is an admin, and bob, who is
// not; programs that only look are answered, and all others end the test.
type userHost struct {
	host.Machine
	sudo     map[string]string // what sudo -l prints of its rules
	settings string            // of sshd
	foreign  map[string]bool   // accounts of a directory service
	found    string            // by find
}

func newUserHost(t *testing.T, files map[string]string) *userHost {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the owners of files are a part of what is planned")
	}
	h := &userHost{sudo: map[string]string{"boss": "(ALL : ALL) NOPASSWD: ALL"}, settings: "strictmodes yes\n"}
	h.Machine = host.Machine{Root: t.TempDir(), OS: "linux", Run: func(_ context.Context, c host.Command) (host.Result, error) {
		return h.answer(t, c)
	}}
	userWrite(t, h.Machine, "/etc/passwd", "root:x:0:0::/root:/bin/bash\nboss:x:1000:1000::/home/boss:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n", 0o644)
	userWrite(t, h.Machine, "/etc/group", "root:x:0:\nadm:x:4:\nsudo:x:27:boss\ndocker:x:998:\nboss:x:1000:\nbob:x:1001:\n", 0o644)
	userWrite(t, h.Machine, "/etc/shadow", "boss:$y$h:19000::::::\nbob:!:19000::::::\n", 0o640)
	userWrite(t, h.Machine, "/etc/sudoers", "%sudo\tALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n", 0o440)
	userWrite(t, h.Machine, "/etc/shells", "# shells\n/bin/bash\n/bin/zsh\n", 0o644)
	userWrite(t, h.Machine, "/etc/skel/.profile", "umask 027\n", 0o644)
	for _, program := range []string{"/bin/bash", "/bin/zsh", "/usr/sbin/nologin", "/usr/sbin/useradd", "/usr/bin/sudo", "/usr/sbin/sshd", "/bin/gzip"} {
		userWrite(t, h.Machine, program, "", 0o755)
	}
	userHome(t, h.Machine, "boss", 1000, userKey(t, 'b', "boss")+"\n")
	userHome(t, h.Machine, "bob", 1001, "")
	userWrite(t, h.Machine, "/run/sshd/.keep", "", 0o644)
	userWrite(t, h.Machine, "/proc/uptime", "", 0o644)
	for path, text := range files {
		userWrite(t, h.Machine, path, text, 0o644)
	}
	return h
}

func (h *userHost) answer(t *testing.T, c host.Command) (host.Result, error) {
	line := strings.Join(c.Argv, " ")
	name := c.Argv[len(c.Argv)-1]
	switch {
	case strings.HasPrefix(line, "getent passwd") && h.foreign[name]:
		return host.Result{Stdout: []byte(name + ":*:70000:70000::/home/x:/bin/bash\n")}, nil
	case strings.HasPrefix(line, "getent passwd"):
		return host.Result{}, &host.ExitError{Program: "getent", Code: 2}
	case strings.HasPrefix(line, "sudo -n -l -U"):
		return host.Result{Stdout: []byte("User x may run the following commands on lab:\n    " + h.sudo[name] + "\n")}, nil
	case strings.Contains(line, "sshd -T"):
		return host.Result{Stdout: []byte(h.settings)}, nil
	case strings.HasPrefix(line, "timeout 20 find"):
		return host.Result{Stdout: []byte(h.found)}, nil
	}
	t.Errorf("planning ran %q", line)
	return host.Result{}, nil
}

func userWrite(t *testing.T, m host.Machine, path, text string, perm os.FileMode) {
	t.Helper()
	at := m.Path(path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), perm); err != nil {
		t.Fatal(err)
	}
}

// userHome makes a home, with keys if there are any.
func userHome(t *testing.T, m host.Machine, name string, uid int, keys string) {
	t.Helper()
	home := "/home/" + name
	if err := os.MkdirAll(m.Path(home), 0o750); err != nil {
		t.Fatal(err)
	}
	paths := []string{home}
	if keys != "" {
		if err := os.Mkdir(m.Path(home+"/.ssh"), 0o700); err != nil {
			t.Fatal(err)
		}
		userWrite(t, m, home+"/.ssh/authorized_keys", keys, 0o600)
		paths = append(paths, home+"/.ssh", home+"/.ssh/authorized_keys")
	}
	for _, path := range paths {
		if err := os.Lchown(m.Path(path), uid, uid); err != nil {
			t.Fatal(err)
		}
	}
}

// userPlan plans, and writes the plan as lines.
func userPlan(t *testing.T, h *userHost, s *Step) string {
	t.Helper()
	p, err := s.Plan(t.Context(), h.Machine)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range p.Changes {
		lines = append(lines, c.What)
		for _, act := range c.Acts {
			if _, is := act.(host.Touched); !is { // of the account database, in front of every first tool
				lines = append(lines, "  "+userAct(act))
			}
		}
	}
	for _, r := range p.Refusals {
		lines = append(lines, "REFUSED "+r.What+": "+r.Instead)
	}
	for _, n := range p.Notes {
		lines = append(lines, "NOTE "+n)
	}
	return strings.Join(lines, "\n")
}

func userAct(a host.Act) string {
	switch a := a.(type) {
	case host.Program:
		return strings.Join(a.Do.Argv, " ")
	case host.File:
		return fmt.Sprintf("file %s %04o %v in %q", a.Path, a.Perm, a.Owner, a.Within)
	case host.Folder:
		return fmt.Sprintf("folder %s %04o %v in %q", a.Path, a.Perm, a.Owner, a.Within)
	case host.Attributes:
		return fmt.Sprintf("attributes %s %04o %v in %q", a.Path, a.Perm, a.Owner, a.Within)
	case host.Gone:
		return "gone " + a.Path
	}
	return fmt.Sprintf("%T", a)
}

func TestPlan_MakesAnAccountWithHomeKeysAndSudo(t *testing.T) {
	h := newUserHost(t, nil)
	got := userPlan(t, h, New([]Config{{Name: "alice", AuthorizedKeys: []string{userKey(t, 'a', "alice")}, Sudo: SudoFree, Groups: []string{"docker"}}}))
	want := `add the account alice (number 1002, home /home/alice, shell /bin/bash)
  groupadd --gid 1002 alice
  useradd --uid 1002 --gid 1002 --home-dir /home/alice --no-create-home --shell /bin/bash alice
  folder /home/alice 0750 {1002 1002} in ""
  file /home/alice/.profile 0644 {1002 1002} in "/home/alice"
add alice to the group docker
  usermod --append --groups docker alice
add 1 key to /home/alice/.ssh/authorized_keys
  folder /home/alice/.ssh 0700 {1002 1002} in "/home/alice"
  file /home/alice/.ssh/authorized_keys 0600 {1002 1002} in "/home/alice"
let alice do everything by sudo, without a password
  file /etc/sudoers.d/gateway-alice 0440 {0 0} in ""
  visudo --check --file=/etc/sudoers.d/gateway-alice`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPlan_HasNothingToDoForAnAccountThatIsAsWanted(t *testing.T) {
	h := newUserHost(t, nil)
	got := userPlan(t, h, New([]Config{{Name: "boss", AuthorizedKeys: []string{userKey(t, 'b', "another comment")}, Shell: "/bin/bash", Sudo: SudoFree, Groups: []string{"sudo"}}, {Name: "bob"}}))
	if got != "" {
		t.Errorf("got\n%s", got)
	}
}

func TestPlan_GivesTwoNewAccountsTwoNumbers(t *testing.T) {
	h := newUserHost(t, map[string]string{"/home/left/x": ""})
	if err := os.Chown(h.Path("/home/left"), 1005, 1005); err != nil {
		t.Fatal(err)
	}
	got := userPlan(t, h, New([]Config{{Name: "a"}, {Name: "b"}}))
	if !strings.Contains(got, "account a (number 1006,") || !strings.Contains(got, "account b (number 1007,") {
		t.Errorf("got\n%s", got)
	}
}

func TestPlan_MeetsWhatIsThereAlready(t *testing.T) {
	key := userKey(t, 'a', "new")
	for name, c := range map[string]struct {
		config  Config
		prepare func(t *testing.T, h *userHost)
		want    []string // each is in the plan; "!..." is not
	}{
		"a home that nobody owns any more": {Config{Name: "alice"}, func(t *testing.T, h *userHost) { userHome(t, h.Machine, "alice", 1234, "") },
			[]string{"useradd --uid 1234 --gid 1234", "!folder", "gets its number 1234"}},
		"a home of root": {Config{Name: "alice"}, func(t *testing.T, h *userHost) { userHome(t, h.Machine, "alice", 0, "") },
			[]string{"useradd --uid 1002", "attributes /home/alice 0750 {1002 1002}", "!.profile"}},
		"a home of somebody else": {Config{Name: "alice", Home: "/home/bob"}, nil, []string{"REFUSED /home/bob belongs to bob", "!useradd"}},
		"a home without a parent": {Config{Name: "alice", Home: "/data/home/alice"}, nil, []string{"REFUSED there is no folder /data/home: make it with `mkdir -p /data/home`"}},
		"a home behind a link of root": {Config{Name: "alice"}, func(t *testing.T, h *userHost) {
			userWrite(t, h.Machine, "/data/x", "", 0o644)
			userLink(t, h, "/data/alice", "/home/alice", 0)
		}, []string{"--home-dir /home/alice", "folder /data/alice 0750"}},
		"a home that is a file": {Config{Name: "alice"}, func(t *testing.T, h *userHost) { userWrite(t, h.Machine, "/home/alice", "", 0o644) },
			[]string{"REFUSED /home/alice is there and is no folder"}},
		"a group of the system": {Config{Name: "adm"}, nil, []string{"REFUSED there is a group adm of the system (number 4): choose another name"}},
		"a group that was left": {Config{Name: "alice"}, func(t *testing.T, h *userHost) {
			userAppend(t, h, "/etc/group", "alice:x:1500:bob\n")
		}, []string{"useradd --uid 1501 --gid 1500", "!groupadd", "NOTE the group alice is there already"}},
		"a gid that is taken": {Config{Name: "alice"}, func(t *testing.T, h *userHost) {
			userHome(t, h.Machine, "alice", 1300, "")
			userAppend(t, h, "/etc/group", "staff:x:1300:\n")
		}, []string{"groupadd --gid 1301 alice", "useradd --uid 1300 --gid 1301"}},
		"an account of a directory": {Config{Name: "alice"}, func(_ *testing.T, h *userHost) { h.foreign = map[string]bool{"alice": true} },
			[]string{"REFUSED alice is an account of a directory service", "!useradd"}},
		"a shell that is not there": {Config{Name: "alice", Shell: "/usr/bin/fish"}, nil, []string{"REFUSED the shell /usr/bin/fish is not on this host: install it (apt-get install fish)", "!useradd"}},
		"another shell":             {Config{Name: "bob", Shell: "/bin/zsh"}, nil, []string{"usermod --shell /bin/zsh bob"}},
		"a group that is not there": {Config{Name: "bob", Groups: []string{"video"}}, nil, []string{"REFUSED there is no group video: make it with `groupadd video`"}},
		"another name of root":      {Config{Name: "toor"}, func(t *testing.T, h *userHost) { userAppend(t, h, "/etc/passwd", "toor:x:0:0::/root:/bin/bash\n") }, []string{"REFUSED toor is another name of root"}},
		"sudo without a password":   {Config{Name: "bob", Sudo: SudoPassword}, nil, []string{"REFUSED sudo would ask bob for a password, and the account has none", "!usermod"}},
		"sudo with a password there": {Config{Name: "bob", Sudo: SudoPassword}, func(t *testing.T, h *userHost) {
			userWrite(t, h.Machine, "/etc/shadow", "bob:$y$h:19000::::::\n", 0o600)
		}, []string{"usermod --append --groups sudo bob"}},
		"sudo with a password to come": {Config{Name: "bob", Sudo: SudoPassword, PasswordFile: "/etc/pw"}, func(t *testing.T, h *userHost) { userWrite(t, h.Machine, "/etc/pw", "s3cret\n", 0o600) }, []string{"set the password of bob", "chpasswd", "usermod --append --groups sudo bob", "!s3cret"}},
		"sudo by wheel": {Config{Name: "boss", Sudo: SudoPassword}, func(t *testing.T, h *userHost) {
			h.sudo = nil
			userWrite(t, h.Machine, "/etc/sudoers", "%wheel ALL=(ALL) ALL\n", 0o440)
			userAppend(t, h, "/etc/group", "wheel:x:10:\n")
		}, []string{"usermod --append --groups wheel boss"}},
		"sudo by no group":           {Config{Name: "boss", Sudo: SudoPassword}, func(t *testing.T, h *userHost) { h.sudo = nil; userWrite(t, h.Machine, "/etc/sudoers", "", 0o440) }, []string{"REFUSED no group of this host may do everything by sudo"}},
		"sudoers without folder":     {Config{Name: "bob", Sudo: SudoFree}, func(t *testing.T, h *userHost) { userWrite(t, h.Machine, "/etc/sudoers", "", 0o440) }, []string{"REFUSED /etc/sudoers does not include"}},
		"no sudo":                    {Config{Name: "bob", Sudo: SudoFree}, func(_ *testing.T, h *userHost) { os.Remove(h.Path("/usr/bin/sudo")) }, []string{"REFUSED there is no sudo on this host: install it with `apt-get install sudo`"}},
		"a password file, not there": {Config{Name: "bob", PasswordFile: "/etc/pw"}, nil, []string{"REFUSED the password of bob can't be read"}},
		"a password file for all":    {Config{Name: "bob", PasswordFile: "/etc/pw"}, func(t *testing.T, h *userHost) { userWrite(t, h.Machine, "/etc/pw", "s3cret\n", 0o644) }, []string{"REFUSED /etc/pw can be read by everybody on this host (mode 0644)", "!chpasswd"}},
		"no home for a key":          {Config{Name: "bob", AuthorizedKeys: []string{key}}, func(_ *testing.T, h *userHost) { os.RemoveAll(h.Path("/home/bob")) }, []string{"REFUSED bob has no home (\"/home/bob\")", "!  file"}},
		"no home and no key":         {Config{Name: "bob"}, func(_ *testing.T, h *userHost) { os.RemoveAll(h.Path("/home/bob")) }, []string{"!bob"}},
		"an empty password file":     {Config{Name: "bob", PasswordFile: "/etc/pw"}, func(t *testing.T, h *userHost) { userWrite(t, h.Machine, "/etc/pw", "\n", 0o600) }, []string{"REFUSED /etc/pw of bob: the password is empty"}},
		"a password that is there":   {Config{Name: "boss", PasswordFile: "/etc/pw"}, func(t *testing.T, h *userHost) { userWrite(t, h.Machine, "/etc/pw", "other", 0o600) }, []string{"!chpasswd"}},
		"no newline at the end": {Config{Name: "boss", AuthorizedKeys: []string{key}}, func(t *testing.T, h *userHost) {
			userWrite(t, h.Machine, "/home/boss/.ssh/authorized_keys", userKey(t, 'b', "boss"), 0o600)
		}, []string{"add 1 key to /home/boss/.ssh/authorized_keys"}},
		".ssh 777":                 {Config{Name: "boss"}, func(t *testing.T, h *userHost) { userChmod(t, h, "/home/boss/.ssh", 0o777) }, []string{"set owner and mode of /home/boss/.ssh", "attributes /home/boss/.ssh 0700 {1000 1000} in \"/home/boss\"", "!authorized_keys"}},
		"keys of root":             {Config{Name: "boss"}, func(t *testing.T, h *userHost) { userChown(t, h, "/home/boss/.ssh/authorized_keys", 0) }, []string{"attributes /home/boss/.ssh/authorized_keys 0600 {1000 1000}"}},
		".ssh a link of the user":  {Config{Name: "bob", AuthorizedKeys: []string{key}}, func(t *testing.T, h *userHost) { userLink(t, h, "/etc", "/home/bob/.ssh", 1001) }, []string{"REFUSED the keys of bob are not touched: /home/bob/.ssh is a symbolic link that belongs to user 1001", "!  file"}},
		"keys in a folder of root": {Config{Name: "bob", AuthorizedKeys: []string{key}}, func(_ *testing.T, h *userHost) { h.settings = "authorizedkeysfile /etc/ssh/keys/%u\n" }, []string{"folder /etc/ssh/keys 0755 {0 0} in \"\"", "file /etc/ssh/keys/bob 0644 {0 0} in \"\""}},
		"keys deep in the home": {Config{Name: "bob", AuthorizedKeys: []string{key}}, func(_ *testing.T, h *userHost) { h.settings = "authorizedkeysfile .config/ssh/keys\n" },
			[]string{"folder /home/bob/.config 0700 {1001 1001} in \"/home/bob\"", "folder /home/bob/.config/ssh 0700", "file /home/bob/.config/ssh/keys 0600"}},
		"a key behind a shell that lets nobody in": {Config{Name: "daemon", AuthorizedKeys: []string{key}}, func(t *testing.T, h *userHost) {
			userWrite(t, h.Machine, "/etc/passwd", "daemon:x:1:1::/home/bob:/usr/sbin/nologin\n", 0o644)
		}, []string{"NOTE the keys of daemon let nobody in by ssh as it is: the shell /usr/sbin/nologin"}},
		"a key, and a shell for it": {Config{Name: "daemon", AuthorizedKeys: []string{key}, Shell: "/bin/zsh"}, func(t *testing.T, h *userHost) {
			userWrite(t, h.Machine, "/etc/passwd", "daemon:x:1:1::/home/bob:/usr/sbin/nologin\n", 0o644)
		}, []string{"usermod --shell /bin/zsh daemon", "!let nobody in"}},
		"a group that sshd wants": {Config{Name: "bob", AuthorizedKeys: []string{key}}, func(_ *testing.T, h *userHost) { h.settings = "allowgroups sudo\n" },
			[]string{"add 1 key", "NOTE the keys of bob let nobody in by ssh as it is: no group of the user is in sshd's AllowGroups"}},
		"a group that sshd wants, and that comes with it": {Config{Name: "bob", AuthorizedKeys: []string{key}, Groups: []string{"sudo"}}, func(_ *testing.T, h *userHost) { h.settings = "allowgroups sudo\nallowusers bob@10.*\n" },
			[]string{"add 1 key", "!let nobody in"}},
		"a key that is there with options": {Config{Name: "boss", AuthorizedKeys: []string{key}}, func(t *testing.T, h *userHost) {
			userWrite(t, h.Machine, "/home/boss/.ssh/authorized_keys", `from="10.0.0.1",no-pty `+key+"\n", 0o600)
		}, []string{"NOTE /home/boss/.ssh/authorized_keys has the key ssh-ed25519", `(from="10.0.0.1",no-pty)`, "!add"}},
		"a key file": {Config{Name: "bob", KeyFile: "/etc/bob.pub"}, func(t *testing.T, h *userHost) { userWrite(t, h.Machine, "/etc/bob.pub", key+"\r\n", 0o644) }, []string{"add 1 key to /home/bob/.ssh/authorized_keys"}},
		"a private key": {Config{Name: "bob", KeyFile: "/etc/bob"}, func(t *testing.T, h *userHost) {
			userWrite(t, h.Machine, "/etc/bob", "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n", 0o600)
		}, []string{"REFUSED a key of bob can't be used: /etc/bob: this is a private key", "!secret"}},
		"no key in the file": {Config{Name: "bob", KeyFile: "/etc/bob"}, func(t *testing.T, h *userHost) { userWrite(t, h.Machine, "/etc/bob", "# none\n", 0o600) }, []string{"/etc/bob holds no key"}},
		"macOS":              {Config{Name: "bob"}, func(_ *testing.T, h *userHost) { h.OS = "darwin" }, []string{"REFUSED gateway makes no accounts on macOS: use `sudo sysadminctl"}},
		"no useradd":         {Config{Name: "bob"}, func(_ *testing.T, h *userHost) { os.Remove(h.Path("/usr/sbin/useradd")) }, []string{"REFUSED there is no useradd"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newUserHost(t, nil)
			if c.prepare != nil {
				c.prepare(t, h)
			}
			got := userPlan(t, h, New([]Config{c.config}))
			for _, want := range c.want {
				absent, not := strings.CutPrefix(want, "!")
				if strings.Contains(got, absent) == not {
					t.Errorf("%q in\n%s", want, got)
				}
			}
		})
	}
}

func userAppend(t *testing.T, h *userHost, path, text string) {
	t.Helper()
	old, err := h.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	userWrite(t, h.Machine, path, string(old)+text, 0o644)
}

func userChmod(t *testing.T, h *userHost, path string, perm os.FileMode) {
	t.Helper()
	if err := os.Chmod(h.Path(path), perm); err != nil {
		t.Fatal(err)
	}
}

func userChown(t *testing.T, h *userHost, path string, uid int) {
	t.Helper()
	if err := os.Lchown(h.Path(path), uid, uid); err != nil {
		t.Fatal(err)
	}
}

func userLink(t *testing.T, h *userHost, target, path string, uid int) {
	t.Helper()
	if err := os.Symlink(target, h.Path(path)); err != nil {
		t.Fatal(err)
	}
	userChown(t, h, path, uid)
}

func TestPlan_KeepsThePasswordOutOfEverythingButStdin(t *testing.T) {
	h := newUserHost(t, nil)
	p, err := Add(Config{Name: "alice", Sudo: SudoPassword}, []byte("tr0ub:4dor")).Plan(t.Context(), h.Machine)
	if err != nil {
		t.Fatal(err)
	}
	given := false
	for _, c := range p.Changes {
		for _, act := range c.Acts {
			program, ok := act.(host.Program)
			if ok && string(program.Do.Stdin) == "alice:tr0ub:4dor\n" {
				given = slices.Equal(program.Do.Argv, []string{"chpasswd"})
				program.Do.Stdin, act = nil, program
			}
			if strings.Contains(fmt.Sprintf("%+v", act), "tr0ub") {
				t.Errorf("%+v", act)
			}
		}
		if strings.Contains(c.What+c.Why+c.Diff, "tr0ub") {
			t.Errorf("%+v", c)
		}
	}
	if !given {
		t.Error("chpasswd does not get the password")
	}
}

func TestCheckPassword_RefusesWhatNobodyCanType(t *testing.T) {
	for password, ok := range map[string]bool{"": false, "a b:ü": true, "a\nb": false, "a\x00": false, strings.Repeat("x", 512): false, strings.Repeat("x", 511): true} {
		err := CheckPassword([]byte(password))
		if (err == nil) != ok || err != nil && password != "" && strings.Contains(err.Error(), password) {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestRemove_RefusesAndTells(t *testing.T) {
	for name, c := range map[string]struct {
		removal Removal
		prepare func(t *testing.T, h *userHost)
		want    []string
	}{
		"nobody of that name": {Removal{Name: "carl"}, nil, []string{"REFUSED there is no account carl"}},
		"the system":          {Removal{Name: "daemon"}, nil, []string{"REFUSED daemon (number 1) is an account of the system"}},
		"oneself":             {Removal{Name: "bob", Present: account.Present{Users: []string{"bob"}}}, nil, []string{"REFUSED bob is you"}},
		"the last admin":      {Removal{Name: "boss"}, nil, []string{"REFUSED boss is the last admin who can come in by key", "!userdel"}},
		"an admin beside one who works": {Removal{Name: "boss"}, func(t *testing.T, h *userHost) {
			h.sudo["bob"] = "(ALL) NOPASSWD: ALL"
			os.RemoveAll(h.Path("/home/bob"))
			userHome(t, h.Machine, "bob", 1001, userKey(t, 'x', "bob")+"\n")
		}, []string{"userdel boss"}},
		"an admin beside one without a key": {Removal{Name: "boss"}, func(_ *testing.T, h *userHost) { h.sudo["bob"] = "(ALL) NOPASSWD: ALL" }, []string{"REFUSED boss is the last admin"}},
		"somebody":                          {Removal{Name: "bob"}, nil, []string{"remove the account bob (number 1001, groups bob)", "  userdel bob", "NOTE /home/bob stays", "!rm -rf"}},
		"with the home":                     {Removal{Name: "bob", RemoveHome: true}, nil, []string{"rm -rf --one-file-system -- /home/bob"}},
		"with an archive":                   {Removal{Name: "bob", RemoveHome: true, Archive: "/root/bob.tar.gz"}, nil, []string{"pack /home/bob into /root/bob.tar.gz", "sh /root/bob.tar.gz gzip /home bob"}},
		"with an archive of another kind":   {Removal{Name: "bob", Archive: "/root/bob.zip"}, nil, []string{"REFUSED the archive \"/root/bob.zip\" has a name"}},
		"with an archive in the home":       {Removal{Name: "bob", Archive: "/home/bob/b.tar.gz"}, nil, []string{"REFUSED the archive /home/bob/b.tar.gz would lie in the home"}},
		"without zstd":                      {Removal{Name: "bob", Archive: "/root/bob.tar.zst"}, nil, []string{"REFUSED there is no zstd on this host"}},
		"with an archive that is there":     {Removal{Name: "bob", Archive: "/root/b.tgz"}, func(t *testing.T, h *userHost) { userWrite(t, h.Machine, "/root/b.tgz", "", 0o600) }, []string{"REFUSED /root/b.tgz is there already"}},
		"with the home of others": {Removal{Name: "bob", RemoveHome: true}, func(t *testing.T, h *userHost) {
			userAppend(t, h, "/etc/passwd", "carl:x:1003:1003::/home/bob/carl:/bin/bash\n")
		}, []string{"REFUSED the home /home/bob is also the home of carl", "!rm -rf"}},
		"with a home of the system": {Removal{Name: "carl", RemoveHome: true}, func(t *testing.T, h *userHost) {
			userAppend(t, h, "/etc/passwd", "carl:x:1003:1003::/srv:/bin/bash\n")
			userWrite(t, h.Machine, "/srv/x", "", 0o644)
			userChown(t, h, "/srv", 1003)
		}, []string{"REFUSED the home /srv is a folder of the system", "!rm -rf"}},
		"with a home of root": {Removal{Name: "bob", RemoveHome: true}, func(t *testing.T, h *userHost) { userChown(t, h, "/home/bob", 0) }, []string{"REFUSED the home /home/bob belongs to user 0", "!rm -rf"}},
		"running processes": {Removal{Name: "bob"}, func(t *testing.T, h *userHost) {
			userWrite(t, h.Machine, "/proc/77/status", "Name:\tbash\nState:\tS (sleeping)\nPPid:\t1\nUid:\t1001\t1001\t1001\t1001\n", 0o444)
			userWrite(t, h.Machine, "/proc/78/status", "Name:\tgone\nState:\tZ (zombie)\nPPid:\t1\nUid:\t1001\t1001\t1001\t1001\n", 0o444)
		}, []string{`REFUSED bob has running processes: "bash" (pid 77): ask bob to log out, or end them with --end-all`}},
		"running processes to be ended": {Removal{Name: "bob", EndAll: true}, func(t *testing.T, h *userHost) {
			userWrite(t, h.Machine, "/proc/77/status", "Name:\tbash\nUid:\t1001\t1001\t1001\t1001\n", 0o444)
		}, []string{"end all sessions and processes of bob", "userdel bob"}},
		"traces": {Removal{Name: "bob"}, func(t *testing.T, h *userHost) {
			userWrite(t, h.Machine, "/var/spool/cron/crontabs/bob", "* * * * * x\n", 0o600)
			userWrite(t, h.Machine, "/var/lib/systemd/linger/bob", "", 0o600)
			userWrite(t, h.Machine, ruleFile("bob"), "", 0o440)
			h.found = "/srv/a\n/srv/b\n"
		}, []string{"gone /var/spool/cron/crontabs/bob", "gone /var/lib/systemd/linger/bob", "gone /etc/sudoers.d/gateway-bob", "2 files of bob stay elsewhere (\"/srv/a\", \"/srv/b\")"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newUserHost(t, nil)
			if c.prepare != nil {
				c.prepare(t, h)
			}
			got := userPlan(t, h, Remove(c.removal))
			for _, want := range c.want {
				absent, not := strings.CutPrefix(want, "!")
				if strings.Contains(got, absent) == not {
					t.Errorf("%q in\n%s", want, got)
				}
			}
		})
	}
}

func TestRemove_IsTakenBackWithNumbersAndGroups(t *testing.T) {
	h := newUserHost(t, map[string]string{"/etc/group": "sudo:x:27:boss,bob\nbob:x:1001:\nboss:x:1000:\n"})
	p, err := Remove(Removal{Name: "bob"}).Plan(t.Context(), h.Machine)
	if err != nil || len(p.Changes) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	var undo []string
	for _, c := range p.Changes[0].Acts[len(p.Changes[0].Acts)-1].(host.Program).Undo {
		line := c.Argv
		if i := slices.Index(line, "sh"); i >= 0 && len(line) > 4 && line[0] == "sh" {
			line = line[4:]
		}
		undo = append(undo, strings.Join(line, " "))
	}
	want := []string{
		"group bob groupadd --gid 1001 bob",
		"passwd bob useradd --uid 1001 --gid 1001 --home-dir /home/bob --no-create-home --shell /bin/bash bob",
		"usermod --append --groups sudo bob",
	}
	if !reflect.DeepEqual(undo, want) {
		t.Errorf("got %q", undo)
	}
}

func TestChange_DoesOneThing(t *testing.T) {
	h := newUserHost(t, nil)
	add, _ := account.ParseKeys([]byte(userKey(t, 'n', "new")))
	for name, c := range map[string]struct {
		step *Step
		want string
	}{
		"shell":           {Shell("bob", "/bin/zsh"), "change the shell of bob from /bin/bash to /bin/zsh\n  usermod --shell /bin/zsh bob"},
		"the same shell":  {Shell("bob", "/bin/bash"), ""},
		"the last shell":  {Shell("boss", "/usr/sbin/nologin"), "REFUSED boss is the last admin who can come in by key and become root: make another admin first: `gateway setup user add NAME --key FILE --sudo=nopasswd`\nNOTE /usr/sbin/nologin is not in /etc/shells: some programs treat accounts with it as closed"},
		"a closed shell":  {Shell("bob", "/usr/sbin/nologin"), "change the shell of bob from /bin/bash to /usr/sbin/nologin\n  usermod --shell /usr/sbin/nologin bob\nNOTE /usr/sbin/nologin is not in /etc/shells: some programs treat accounts with it as closed"},
		"a table's shell": {New([]Config{{Name: "boss", Shell: "/usr/sbin/nologin"}}), "REFUSED boss is the last admin who can come in by key and become root: make another admin first: `gateway setup user add NAME --key FILE --sudo=nopasswd`\nNOTE /usr/sbin/nologin is not in /etc/shells: some programs treat accounts with it as closed"},
		"nobody's shell":  {Shell("carl", "/bin/zsh"), "REFUSED there is no account carl: see them with `gateway setup user list`"},
		"password":        {SetPassword("bob", []byte("x")), "set the password of bob\n  chpasswd"},
		"a bad password":  {SetPassword("bob", nil), "REFUSED the password of bob: the password is empty: everybody could log in: choose another"},
		"lock":            {LockPassword("boss"), "lock the password of boss\n  usermod --lock boss"},
		"lock again":      {LockPassword("bob"), ""},
		"key":             {AddKeys("boss", add), "add 1 key to /home/boss/.ssh/authorized_keys\n  file /home/boss/.ssh/authorized_keys 0600 {1000 1000} in \"/home/boss\""},
		"the last key":    {RemoveKey("boss", "boss"), "REFUSED boss is the last admin who can come in by key and become root: make another admin first: `gateway setup user add NAME --key FILE --sudo=nopasswd`"},
		"a key of no one": {RemoveKey("boss", "SHA256:x"), "REFUSED boss has no key \"SHA256:x\" in /home/boss/.ssh/authorized_keys: see the keys with `gateway setup user key boss`"},
	} {
		if got := userPlan(t, h, c.step); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestLockPassword_RefusesWhatSudoAsksFor(t *testing.T) {
	h := newUserHost(t, nil)
	h.sudo["boss"] = "(ALL : ALL) ALL"
	if got := userPlan(t, h, LockPassword("boss")); !strings.HasPrefix(got, "REFUSED sudo asks boss for the password that shall be locked") {
		t.Errorf("got %s", got)
	}
}

func TestLockPassword_RefusesTheOnlyWayInOfTheLastAdmin(t *testing.T) {
	h := newUserHost(t, nil)
	if err := os.Remove(h.Path("/home/boss/.ssh/authorized_keys")); err != nil {
		t.Fatal(err)
	}
	const want = "REFUSED no key lets boss in, who is the last admin: add one first: `gateway setup user key boss --add FILE`"
	if got := userPlan(t, h, LockPassword("boss")); got != want {
		t.Errorf("got %s", got)
	}
	h.sudo["bob"] = "(ALL) NOPASSWD: ALL"
	if got := userPlan(t, h, LockPassword("boss")); !strings.HasPrefix(got, "lock the password of boss") {
		t.Errorf("beside another admin: got %s", got)
	}
}

func TestUndoing_KeepsTheLastAdmin(t *testing.T) {
	for name, c := range map[string]struct {
		concerned string
		sudo      string // of bob, who has a key
		refused   bool
	}{
		"the last admin":        {"boss", "", true},
		"somebody else":         {"bob", "", false},
		"one of two admins":     {"boss", "(ALL) NOPASSWD: ALL", false},
		"both admins":           {"boss bob", "(ALL) NOPASSWD: ALL", true},
		"nobody who is here":    {"carl", "", false},
		"nothing of an account": {"", "", false},
	} {
		h := newUserHost(t, nil)
		h.sudo["bob"] = c.sudo
		userHome(t, h.Machine, "bob2", 1001, userKey(t, 'c', "bob"))
		if err := os.Rename(h.Path("/home/bob2/.ssh"), h.Path("/home/bob/.ssh")); err != nil {
			t.Fatal(err)
		}
		refusals, err := Undoing(t.Context(), h.Machine, func(name, home string) bool {
			return home == "/home/"+name && slices.Contains(strings.Fields(c.concerned), name)
		})
		if err != nil || (len(refusals) > 0) != c.refused {
			t.Errorf("%s: got %+v, error %v", name, refusals, err)
		}
	}
}

func TestList_TellsEverythingToRoot(t *testing.T) {
	h := newUserHost(t, nil)
	list, err := List(t.Context(), h.Machine, false)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range list {
		names = append(names, l.Name)
	}
	boss := list[1]
	if !reflect.DeepEqual(names, []string{"root", "boss", "bob"}) || boss.Sudo != "nopasswd" || boss.Password != account.PasswordSet || len(boss.Keys) != 1 || !boss.LastLogin.IsZero() {
		t.Errorf("got %v, %+v", names, boss)
	}
	h.UID = 1000
	list, err = List(t.Context(), h.Machine, true)
	if err != nil || len(list) != 4 || list[1].Sudo != "unknown" {
		t.Errorf("to others: %+v, %v", list, err)
	}
}

func TestNumbers_TakeTheNextAndThenTheFirstFree(t *testing.T) {
	n := numbers{defs: loginDefs{uidMin: 10, uidMax: 13}, taken: map[int]bool{1: true, 12: true, 99: true}}
	for _, want := range []int{13, 10, 11} {
		if got, ok := n.next(); got != want || !ok {
			t.Errorf("got %d, %v, want %d", got, ok, want)
		}
	}
	if got, ok := n.next(); ok {
		t.Errorf("got %d of none", got)
	}
}

func TestParseLoginDefs_TakesWhatIsThere(t *testing.T) {
	got := parseLoginDefs("# UID_MIN 5\nUID_MIN\t\t 2000\nUID_MAX x\nHOME_MODE 0700\n")
	if want := (loginDefs{uidMin: 2000, uidMax: 60000, homeMode: 0o700}); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestGrants_LooksForTheWholeRight(t *testing.T) {
	for rules, want := range map[string]bool{
		"%sudo\tALL=(ALL:ALL) ALL\n":        true,
		"%sudo ALL=(ALL:ALL) NOPASSWD: ALL": true,
		"%sudo ALL = ALL":                   true,
		"# %sudo ALL=(ALL:ALL) ALL\n":       false,
		"%sudoers ALL=(ALL:ALL) ALL\n":      false,
		"%sudo ALL=(ALL) /bin/ls\n":         false,
		"%sudo web1=(ALL) ALL\n":            false,
	} {
		if got := grants(rules, "sudo"); got != want {
			t.Errorf("%q: got %v", rules, got)
		}
	}
}

func FuzzParse_NeverPanics(f *testing.F) {
	f.Add("UID_MIN 1000\nHOME_MODE 0700\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n")
	f.Fuzz(func(t *testing.T, text string) {
		if defs := parseLoginDefs(text); defs.homeMode > 0o777 || defs.uidMin < 0 || defs.uidMax < 0 {
			t.Errorf("%+v", defs)
		}
		grants(text, "sudo")
		includes.MatchString(text)
	})
}
