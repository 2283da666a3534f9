package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host/firewall"
	"gateway/proxy"
)

// verbRun runs the command line and returns what it said on standard error.
func verbRun(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(args, &stdout, &stderr)
	return code, stderr.String()
}

// What is wrong with these is told before anything of the machine is looked at.
func TestSetupVerbs_RefuseWhatCannotBeMeant(t *testing.T) {
	private := filepath.Join(t.TempDir(), "id_ed25519")
	if err := os.WriteFile(private, []byte("-----BEGIN OPENSSH PRIVATE KEY-----\nverysecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"setup user add", exitUsage, "takes the name of one account"},
		{"setup user add alice bob", exitUsage, "takes the name of one account"},
		{"setup user add alice --password --password-file x", exitUsage, "can't go together"},
		{"setup user key alice --add x --remove y", exitUsage, "can't go together"},
		{"setup user password alice --lock --password-file x", exitUsage, "can't go together"},
		{"setup user shell alice bash", exitUsage, "no whole path"},
		{"setup user list alice", exitUsage, "takes no arguments"},
		{"setup firewall allow", exitUsage, "nothing is named"},
		{"setup firewall allow 80/icmp", exitUsage, "no protocol that has ports"},
		{"setup firewall deny -- -f", exitUsage, "neither a port nor"},
		{"setup firewall enable now", exitUsage, "takes no arguments"},
	} {
		if code, said := verbRun(t, strings.Fields(c.line)...); code != c.code || !strings.Contains(said, c.want) {
			t.Errorf("%s: %d, %s", c.line, code, said)
		}
	}
	if os.Geteuid() != 0 {
		if code, said := verbRun(t, "setup", "user", "add", "alice"); code != exitFailed || !strings.Contains(said, "sudo gateway setup user add alice") {
			t.Errorf("not as root: %d, %s", code, said)
		}
		return
	}
	if code, said := verbRun(t, "setup", "user", "add", "Bob.Smith"); code != exitUsage || !strings.Contains(said, "is no name for an account") {
		t.Errorf("a bad name: %d, %s", code, said)
	}
	if code, said := verbRun(t, "setup", "user", "add", "alice", "--key", private); code != exitFailed || !strings.Contains(said, "private key") || strings.Contains(said, "verysecret") {
		t.Errorf("a private key: %d, %s", code, said)
	}
}

func TestCommandLine_IsWholeSoThatSudoDoesTheSame(t *testing.T) {
	for typed, want := range map[string]string{
		"setup user add alice -y --sudo --key a.pub --key=o'neil.pub": `gateway setup user add alice --key=a.pub --key='o'\''neil.pub' --sudo=password --yes`,
		"setup firewall allow 80,443/tcp 5432~from~10.0.0.0/8":        "gateway setup firewall allow 80,443/tcp '5432 from 10.0.0.0/8'",
		"setup undo": "gateway setup undo",
		"setup apply sshd --confirm-within 10m -c /etc/x.toml": "gateway setup apply sshd --config=/etc/x.toml --confirm-within=10m0s",
	} {
		root := newRoot()
		words := strings.Split(typed, " ") // "~" is a space within one
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "~", " ")
		}
		command, rest, err := root.Find(words)
		if err == nil {
			err = command.ParseFlags(rest)
		}
		if got := commandLine(command); err != nil || got != want {
			t.Errorf("%s: error %v, got\n%s\nwant\n%s", typed, err, got, want)
		}
	}
}

func TestDoorsOf_AreThePortsThatTheNetworkReaches(t *testing.T) {
	site := func(name string, listen ...string) config.Site {
		return config.Site{Site: proxy.Site{Name: name, Listen: listen}}
	}
	c := &config.Config{Sites: []config.Site{
		site("a.example.com", ":443", "http://:80", "127.0.0.1:9000", "[::1]:9001"),
		site("b.example.com", ":443", "192.0.2.1:7879", "0.0.0.0:0"),
	}}
	want := []firewall.Door{{Port: 443, For: "a.example.com"}, {Port: 80, For: "a.example.com"}, {Port: 7879, For: "b.example.com"}}
	if got := doorsOf(c); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}
