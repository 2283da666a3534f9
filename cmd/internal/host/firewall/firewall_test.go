package firewall

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// fwSettings asks sshd for what holds for all.
const fwSettings = "/usr/sbin/sshd -T -C laddr=0.0.0.0,lport=65535"

// fwHost is a machine in a folder, with a ufw that is off and has no rules, and
// an sshd on port 22. Programs that only look are answered; all others fail the test.
type fwHost struct {
	host.Machine
	answers map[string]string // what a program prints, by its command line
	around  Around
}

func newFWHost(t *testing.T) *fwHost {
	t.Helper()
	h := &fwHost{answers: map[string]string{
		"ufw status": "Status: inactive\n", "systemctl is-enabled ufw.service": "enabled\n", fwSettings: "port 22\n",
		"systemctl show --property=ActiveState,Listen ssh.socket sshd.socket": "Listen=[::]:22 (Stream)\nActiveState=inactive\n",
	}}
	h.Machine = host.Machine{Root: t.TempDir(), OS: "linux", Run: func(_ context.Context, c host.Command) (host.Result, error) {
		line := strings.Join(c.Argv, " ")
		text, known := h.answers[line]
		if !known {
			t.Errorf("planning ran %q", line)
		}
		return host.Result{Stdout: []byte(text)}, nil
	}}
	h.around = Around{Doors: []Door{{443, "api.example.com"}}, Listeners: func(context.Context) ([]host.Listener, error) {
		return []host.Listener{{Address: "0.0.0.0:22", PID: 7, Command: `"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"`, Unit: "ssh.service"}, {Address: "[::]:443", PID: 8, Command: "/usr/bin/gateway run"}}, nil
	}}
	fwWrite(t, h, confFile, "# ufw\nENABLED=no\nLOGLEVEL=low\n")
	fwWrite(t, h, defaultsFile, "# defaults\nIPV6=yes\nDEFAULT_INPUT_POLICY=\"DROP\"\n")
	fwRules(t, h)
	fwWrite(t, h, appsFolder+"/web", "[WWW Full]\ntitle=Web\ndescription=Web server\nports=80,443/tcp\n\n[OpenSSH]\ntitle=ssh\nports=22/tcp\n")
	fwWrite(t, h, "/proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\nfe800000000000000000000000000001 02 40 20 80     eth0\n")
	fwWrite(t, h, "/run/sshd/x", "")
	for _, program := range []string{"/usr/sbin/ufw", "/usr/bin/systemctl", "/usr/sbin/sshd"} {
		fwProgram(t, h, program)
	}
	return h
}

// fwRules writes rules for both families, each as "action proto ports from".
func fwRules(t *testing.T, h *fwHost, rules ...string) {
	t.Helper()
	for family, any := range map[string]string{rulesFile: "0.0.0.0/0", rules6File: "::/0"} {
		text := "*filter\n### RULES ###\n"
		for _, rule := range rules {
			f := strings.Fields(rule)
			from, where := any, "in"
			if len(f) > 3 && strings.HasPrefix(f[3], "in_") {
				where = f[3]
			} else if len(f) > 3 {
				from = f[3]
				if (family == rules6File) != strings.Contains(from, ":") {
					continue
				}
			}
			text += fmt.Sprintf("\n### tuple ### %s %s %s %s any %s %s\n-A ufw-user-input ...\n", f[0], f[1], f[2], any, from, where)
		}
		fwWrite(t, h, family, text+"\n### END RULES ###\nCOMMIT\n")
	}
}

func fwWrite(t *testing.T, h *fwHost, path, text string) {
	t.Helper()
	at := h.Path(path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func fwProgram(t *testing.T, h *fwHost, path string) {
	t.Helper()
	fwWrite(t, h, path, "")
	if err := os.Chmod(h.Path(path), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (h *fwHost) from(client, server string) {
	h.around.Present = account.Present{Users: []string{"alice"}, Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort(server)}
}

// fwPlan writes a plan as lines; "*" marks a change that the dead man's switch
// watches. The files that are only kept are left out.
func fwPlan(t *testing.T, h *fwHost, s *Step) string {
	t.Helper()
	p, err := s.Plan(t.Context(), h.Machine)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range p.Changes {
		mark := ""
		if c.Switch {
			mark = "* "
		}
		lines = append(lines, mark+c.What)
		for _, act := range c.Acts {
			if program, ok := act.(host.Program); ok && len(program.Do.Argv) > 0 {
				lines = append(lines, "  "+strings.Join(program.Do.Argv, " "))
			}
		}
		if c.Diff != "" {
			lines = append(lines, c.Diff)
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

func TestPlan_OpensTheDoorsBeforeItTurnsTheFirewallOn(t *testing.T) {
	h := newFWHost(t)
	got := fwPlan(t, h, New(Config{Enable: true, Allow: []string{"8080/tcp"}}, h.around))
	want := `open port 22 for ssh
  ufw allow 22/tcp comment gateway: ssh
open port 443 for api.example.com
  ufw allow 443/tcp comment gateway: api.example.com
allow 8080/tcp
  ufw allow 8080/tcp
* turn the firewall on
  ufw --force enable
NOTE a cloud has a firewall of its own (security group) in front of this one: it must let in the same ports, TCP 22, 443`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPlan_PutsTheFilesOfUFWIntoTheJournalBeforeItsFirstCommand(t *testing.T) {
	h := newFWHost(t)
	p, err := New(Config{Enable: true}, h.around).Plan(t.Context(), h.Machine)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, act := range p.Changes[0].Acts[1:5] {
		f := act.(host.File)
		text, err := h.ReadFile(f.Path)
		if err != nil || string(text) != string(f.Data) || f.Perm != 0o640 {
			t.Errorf("%s is not kept as it is: %v", f.Path, err)
		}
		kept = append(kept, f.Path)
	}
	if want := []string{confFile, defaultsFile, rulesFile, rules6File}; !reflect.DeepEqual(kept, want) {
		t.Errorf("kept %q", kept)
	}
	if first := p.Changes[0].Acts[0].(host.Program); first.Do.Argv != nil || len(first.Undo) != 1 {
		t.Errorf("ufw does not load them again: %+v", first)
	}
	if _, is := p.Changes[1].Acts[0].(host.Program); !is || len(p.Changes[1].Acts) != 1 {
		t.Error("they are kept twice")
	}
}

func TestPlan_HasNothingToDoForAFirewallThatIsAsWanted(t *testing.T) {
	for name, rules := range map[string][]string{
		"by port":  {"allow tcp 22", "allow tcp 443", "allow tcp 8080", "deny tcp 25"},
		"by range": {"deny tcp 25", "limit any 1:1024", "allow tcp 8080"},
		"by list":  {"allow tcp 22,80,443", "allow tcp 8080", "deny tcp 25"},
	} {
		h := newFWHost(t)
		fwRules(t, h, rules...)
		fwWrite(t, h, confFile, "ENABLED=yes\n")
		h.answers["ufw status"] = "Status: active\n"
		if got := fwPlan(t, h, New(Config{Enable: true, Allow: []string{"8080"}, Deny: []string{"25/tcp"}}, h.around)); got != "" {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}

func TestPlan_FindsThePortOfSSHWhereverItIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(h *fwHost)
		want    []string
	}{
		"in the configuration": {func(h *fwHost) { h.answers[fwSettings] = "port 2222\nport 22\n" }, []string{"22", "2222"}},
		"by its addresses": {func(h *fwHost) {
			h.answers[fwSettings] = "port 22\nlistenaddress 0.0.0.0:2222\nlistenaddress [::]:2222\nlistenaddress 127.0.0.1:22\n"
			h.around.Listeners = func(context.Context) ([]host.Listener, error) { return nil, nil }
		}, []string{"2222"}},
		"not by what a login forwards": {func(h *fwHost) {
			h.around.Listeners = func(context.Context) ([]host.Listener, error) {
				return []host.Listener{
					{Address: "0.0.0.0:9000", Command: `"sshd: alice@pts/0"`},
					{Address: "0.0.0.0:9001", Command: `"sshd: alice@notty"`, Unit: "ssh.service"},
					{Address: "0.0.0.0:9002", Command: `"sshd-session: alice@pts/0"`, Unit: "ssh.service"},
				}, nil
			}
		}, []string{"22"}},
		"by what it listens on": {func(h *fwHost) {
			h.around.Listeners = func(context.Context) ([]host.Listener, error) {
				return []host.Listener{{Address: "[::]:2022", Command: `"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"`}, {Address: "127.0.0.1:6010", Command: `"sshd: alice@pts/0"`}, {Address: "0.0.0.0:80", Command: "/usr/sbin/nginx"}}, nil
			}
		}, []string{"22", "2022"}},
		"by a socket of systemd": {func(h *fwHost) {
			h.answers["systemctl show --property=ActiveState,Listen ssh.socket sshd.socket"] = "ActiveState=active\nListen=0.0.0.0:2200 (Stream)\nListen=[::1]:99 (Stream)\n\nActiveState=inactive\nListen=[::]:1 (Stream)\n"
		}, []string{"22", "2200"}},
		"by the present login": {func(h *fwHost) { h.from("192.0.2.7:50000", "192.0.2.1:22222") }, []string{"22", "22222"}},
		"dropbear": {func(h *fwHost) {
			os.Remove(h.Path("/usr/sbin/sshd"))
			h.around.Listeners = func(context.Context) ([]host.Listener, error) {
				return []host.Listener{{Address: "0.0.0.0:24", Command: "/usr/sbin/dropbear -E"}}, nil
			}
		}, []string{"24"}},
	} {
		h := newFWHost(t)
		c.prepare(h)
		doors, _, err := Enable(h.around).sshDoors(t.Context(), h.Machine)
		var got []string
		for _, d := range doors {
			got = append(got, fmt.Sprint(d.Port))
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestPlan_MeetsWhatIsThereAlready(t *testing.T) {
	const near, far = "10.1.2.3:50000", "192.0.2.7:50000"
	for name, c := range map[string]struct {
		step    func(h *fwHost) *Step
		prepare func(t *testing.T, h *fwHost)
		want    []string
	}{
		"a rule closes ssh":            {nil, func(t *testing.T, h *fwHost) { fwRules(t, h, "deny tcp 22") }, []string{`REFUSED the rule "deny in 22/tcp" keeps port 22 closed`, "!open port 22"}},
		"a rule closes all below 1024": {nil, func(t *testing.T, h *fwHost) { fwRules(t, h, "allow tcp 22", "reject any 1:1023") }, []string{`REFUSED the rule "reject in 1:1023" keeps port 443 closed`}},
		"ssh only from here":           {nil, func(t *testing.T, h *fwHost) { fwRules(t, h, "allow tcp 22 10.0.0.0/8"); h.from(near, "10.0.0.1:22") }, []string{"!REFUSED", "!open port 22", "NOTE port 22 (ssh) stays open for those only", "turn the firewall on"}},
		"ssh only from here, no IPv6": {nil, func(t *testing.T, h *fwHost) {
			fwRules(t, h, "allow tcp 22 10.0.0.0/8")
			fwWrite(t, h, "/proc/net/if_inet6", "")
			fwWrite(t, h, defaultsFile, "IPV6=no\n")
			h.from(near, "10.0.0.1:22")
		}, []string{"!REFUSED", "!open port 22", "turn the firewall on"}},
		"ssh only from elsewhere":        {nil, func(t *testing.T, h *fwHost) { fwRules(t, h, "allow tcp 22 10.0.0.0/8"); h.from(far, "192.0.2.1:22") }, []string{"REFUSED the rules let ssh in on port 22 from elsewhere only, and this login comes from 192.0.2.7"}},
		"ssh only on a card, at console": {nil, func(t *testing.T, h *fwHost) { fwRules(t, h, "allow tcp 22 in_wg0") }, []string{"!open port 22", "NOTE port 22 (ssh) stays open for those only"}},
		"a rule for IPv4 only": {nil, func(t *testing.T, h *fwHost) {
			fwRules(t, h)
			fwWrite(t, h, rulesFile, "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=6d79\n")
		}, []string{"ufw allow 22/tcp comment my"}},
		"IPv6 off in ufw, on in the kernel": {nil, func(t *testing.T, h *fwHost) { fwWrite(t, h, defaultsFile, "IPV6=no\nDEFAULT_INPUT_POLICY=\"DROP\"\n") }, []string{"* change the defaults of ufw", "-IPV6=no\n+IPV6=yes"}},
		"IPv6 off in ufw and in the kernel": {nil, func(t *testing.T, h *fwHost) {
			fwWrite(t, h, defaultsFile, "IPV6=no\n")
			os.Remove(h.Path("/proc/net/if_inet6"))
		}, []string{"!defaults", "turn the firewall on"}},
		"everything let in": {nil, func(t *testing.T, h *fwHost) {
			fwWrite(t, h, defaultsFile, "IPV6=yes\nDEFAULT_INPUT_POLICY=\"ACCEPT\"\n")
		}, []string{"+DEFAULT_INPUT_POLICY=\"DROP\"", "would close nothing"}},
		"the unit switched off": {nil, func(_ *testing.T, h *fwHost) { h.answers["systemctl is-enabled ufw.service"] = "disabled\n" }, []string{"systemctl enable ufw.service"}},
		"the unit masked":       {nil, func(_ *testing.T, h *fwHost) { h.answers["systemctl is-enabled ufw.service"] = "masked\n" }, []string{"systemctl unmask ufw.service"}},
		"no ssh at all": {nil, func(_ *testing.T, h *fwHost) {
			os.Remove(h.Path("/usr/sbin/sshd"))
			h.around.Listeners = func(context.Context) ([]host.Listener, error) { return nil, nil }
		}, []string{"REFUSED the port of ssh can't be told", "!turn"}},
		"no ufw":            {nil, func(t *testing.T, h *fwHost) { os.Remove(h.Path("/usr/sbin/ufw")); fwProgram(t, h, "/usr/bin/apt-get") }, []string{"install ufw\n  apt-get install --yes --no-install-recommends ufw", "open port 22", "turn the firewall on"}},
		"no ufw and no apt": {nil, func(_ *testing.T, h *fwHost) { os.Remove(h.Path("/usr/sbin/ufw")) }, []string{"REFUSED there is no ufw on this host"}},
		"no ufw, to be off": {func(h *fwHost) *Step { return Disable(h.around) }, func(_ *testing.T, h *fwHost) { os.Remove(h.Path("/usr/sbin/ufw")) }, []string{"!ufw"}},
		"firewalld": {nil, func(t *testing.T, h *fwHost) {
			fwProgram(t, h, "/usr/bin/firewall-cmd")
			h.answers["systemctl is-active firewalld.service"] = "active\n"
		}, []string{"REFUSED firewalld is running", "--add-port=443/tcp"}},
		"macOS": {nil, func(_ *testing.T, h *fwHost) { h.OS = "darwin" }, []string{"REFUSED gateway sets no firewall on macOS", "socketfilterfw"}},
		"to be off": {func(h *fwHost) *Step { return New(Config{}, h.around) }, func(t *testing.T, h *fwHost) {
			fwWrite(t, h, confFile, "ENABLED=yes\n")
			h.answers["ufw status"] = "Status: active\n"
		}, []string{"turn the firewall off\n  ufw --force disable", "!* "}},
		"allow, while off":               {func(h *fwHost) *Step { return Allow(fwSpecs(t, "8080"), h.around) }, nil, []string{"allow 8080/tcp\n  ufw allow 8080/tcp", "NOTE the firewall is off", "!enable\n"}},
		"allow what a rule keeps closed": {func(h *fwHost) *Step { return Allow(fwSpecs(t, "8080"), h.around) }, func(t *testing.T, h *fwHost) { fwRules(t, h, "deny tcp 8000:9000") }, []string{`REFUSED the rule "deny in 8000:9000/tcp" stands before`}},
		"allow what was denied":          {func(h *fwHost) *Step { return Allow(fwSpecs(t, "8080"), h.around) }, func(t *testing.T, h *fwHost) { fwRules(t, h, "deny tcp 8080") }, []string{"ufw allow 8080/tcp"}},
		"allow from a network":           {func(h *fwHost) *Step { return Allow(fwSpecs(t, "5432/tcp from 10.0.0.0/8"), h.around) }, nil, []string{"ufw allow proto tcp from 10.0.0.0/8 to any port 5432"}},
		"allow that again":               {func(h *fwHost) *Step { return Allow(fwSpecs(t, "5432/tcp from 10.0.0.0/8"), h.around) }, func(t *testing.T, h *fwHost) { fwRules(t, h, "allow tcp 5432 10.0.0.0/8") }, []string{"!ufw allow"}},
		"allow an application":           {func(h *fwHost) *Step { return Allow(fwSpecs(t, "WWW Full"), h.around) }, nil, []string{"ufw allow WWW Full"}},
		"allow an unknown one":           {func(h *fwHost) *Step { return Allow(fwSpecs(t, "Nginx"), h.around) }, nil, []string{`REFUSED ufw knows no application "Nginx"`}},
		"deny":                           {func(h *fwHost) *Step { return Deny(fwSpecs(t, "25"), h.around) }, nil, []string{"* deny 25/tcp\n  ufw prepend deny 25/tcp"}},
		"deny what is allowed":           {func(h *fwHost) *Step { return Deny(fwSpecs(t, "25"), h.around) }, func(t *testing.T, h *fwHost) { fwRules(t, h, "allow tcp 25") }, []string{"\n  ufw deny 25/tcp"}},
		"deny what a range lets in": {func(h *fwHost) *Step { return Deny(fwSpecs(t, "8005"), h.around) }, func(t *testing.T, h *fwHost) { fwRules(t, h, "allow tcp 8000:8010", "limit tcp 8005") },
			[]string{"\n  ufw delete limit 8005/tcp\n  ufw prepend deny 8005/tcp"}},
		"deny that is denied too late": {func(h *fwHost) *Step { return Deny(fwSpecs(t, "8005"), h.around) }, func(t *testing.T, h *fwHost) { fwRules(t, h, "allow any 8005", "deny tcp 8005") },
			[]string{"\n  ufw delete deny 8005/tcp\n  ufw prepend deny 8005/tcp"}},
		"deny but for a network": {func(h *fwHost) *Step { return Deny(fwSpecs(t, "8005"), h.around) }, func(t *testing.T, h *fwHost) {
			fwRules(t, h, "allow tcp 8005 10.0.0.0/8", "deny tcp 8005")
		}, []string{"!ufw "}},
		"allow a network what is denied to all": {func(h *fwHost) *Step { return Allow(fwSpecs(t, "8005 from 10.0.0.0/8"), h.around) }, func(t *testing.T, h *fwHost) { fwRules(t, h, "deny any 8000:8010") },
			[]string{"\n  ufw prepend allow proto tcp from 10.0.0.0/8 to any port 8005"}},
		"allow a range with a hole": {func(h *fwHost) *Step { return Allow(fwSpecs(t, "8000:8010"), h.around) }, func(t *testing.T, h *fwHost) { fwRules(t, h, "deny tcp 8005") },
			[]string{"\n  ufw allow 8000:8010/tcp"}},
		"deny ssh":                {func(h *fwHost) *Step { return Deny(fwSpecs(t, "20:25/tcp"), h.around) }, nil, []string{"REFUSED ssh needs port 22"}},
		"deny ssh by name":        {func(h *fwHost) *Step { return Deny(fwSpecs(t, "OpenSSH"), h.around) }, nil, []string{"REFUSED ssh needs port 22"}},
		"deny ssh from elsewhere": {func(h *fwHost) *Step { return Deny(fwSpecs(t, "22 from 10.0.0.0/8"), h.around) }, func(_ *testing.T, h *fwHost) { h.from(far, "192.0.2.1:22") }, []string{"ufw prepend deny proto tcp from 10.0.0.0/8"}},
		"deny ssh from here":      {func(h *fwHost) *Step { return Deny(fwSpecs(t, "22 from 10.0.0.0/8"), h.around) }, func(_ *testing.T, h *fwHost) { h.from(near, "10.0.0.1:22") }, []string{"REFUSED ssh needs port 22"}},
		"deny a site":             {func(h *fwHost) *Step { return Deny(fwSpecs(t, "WWW Full"), h.around) }, nil, []string{"REFUSED api.example.com needs port 443: take the port out of `listen`"}},
		"a broken sshd_config":    {nil, func(_ *testing.T, h *fwHost) { fwFail(h, fwSettings) }, []string{"NOTE sshd does not tell its ports", "open port 22"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFWHost(t)
			if c.prepare != nil {
				c.prepare(t, h)
			}
			step := Enable(h.around)
			if c.step != nil {
				step = c.step(h)
			}
			got := fwPlan(t, h, step)
			for _, want := range c.want {
				absent, not := strings.CutPrefix(want, "!")
				if strings.Contains(got, absent) == not && !strings.Contains(fwReasons(t, h, step), want) {
					t.Errorf("%q in\n%s", want, got)
				}
			}
		})
	}
}

// fwReasons are the sentences that tell why.
func fwReasons(t *testing.T, h *fwHost, s *Step) string {
	t.Helper()
	p, err := s.Plan(t.Context(), h.Machine)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, c := range p.Changes {
		text += c.Why + "\n"
	}
	return text
}

func fwFail(h *fwHost, line string) {
	run := h.Run
	h.Run = func(ctx context.Context, c host.Command) (host.Result, error) {
		if strings.Join(c.Argv, " ") == line {
			return host.Result{}, &host.ExitError{Program: c.Argv[0], Code: 255, Stderr: "line 9: Bad configuration option"}
		}
		return run(ctx, c)
	}
}

func fwSpecs(t *testing.T, texts ...string) []Spec {
	t.Helper()
	var specs []Spec
	for _, text := range texts {
		spec, err := ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, spec)
	}
	return specs
}

func TestParseSpec_ReadsWhatAnAdminWrites(t *testing.T) {
	for text, want := range map[string]string{
		"8080":                     "8080/tcp",
		" 8080/udp ":               "8080/udp",
		"80,443/tcp":               "80,443/tcp",
		"443,80":                   "80,443/tcp", // ufw keeps them so
		"9000,443,80:90,80,443":    "80,80:90,443,9000/tcp",
		"6000:6007/udp":            "6000:6007/udp",
		"5432/tcp from 10.0.0.0/8": "5432/tcp from 10.0.0.0/8",
		"22 from 192.0.2.7":        "22/tcp from 192.0.2.7",
		"22 from fd00::/8":         "22/tcp from fd00::/8",
		"WWW Full":                 "WWW Full",
		"OpenSSH from 192.0.2.7":   "OpenSSH from 192.0.2.7",
	} {
		spec, err := ParseSpec(text)
		if err != nil || spec.String() != want {
			t.Errorf("%q: got %q, %v", text, spec, err)
		}
		if again, err := ParseSpec(spec.String()); err != nil || again != spec {
			t.Errorf("%q does not come back: %+v, %v", text, again, err)
		}
	}
	for text, want := range map[string]string{
		"":                                       "is empty",
		"0":                                      "no port from 1 to 65535",
		"65536/tcp":                              "no port from 1 to 65535",
		"022":                                    "no port",
		"80/icmp":                                "no protocol",
		"90:80/tcp":                              "does not rise",
		"80,/tcp":                                "no port",
		"-f":                                     "neither a port",
		"--force":                                "neither a port",
		"a;b":                                    "neither a port",
		"22 from 10.0.0.1/8":                     "as in 10.0.0.0/8",
		"22 from here":                           "no address",
		"22 from 0.0.0.0/0":                      "is everybody",
		"22 from ::/0":                           "is everybody",
		"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16": "more than 15",
	} {
		if spec, err := ParseSpec(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v", text, spec, err)
		}
	}
}

func TestParseRules_ReadsTheTuplesOfUFW(t *testing.T) {
	rules := parseRules(`*filter
### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=6d7920737368
-A ufw-user-input -p tcp --dport 22 -j ACCEPT
### tuple ### allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 WWW%20Full - in
### tuple ### allow_log tcp 9 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow tcp 99 198.51.100.2 any 10.0.0.0/8 in_eth0
### tuple ### allow any 53 0.0.0.0/0 any 0.0.0.0/0 out
### tuple ### route:allow tcp 8080 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### broken
`, 4)
	var got []string
	for _, r := range rules {
		got = append(got, r.String()+" "+r.Comment)
	}
	want := []string{"allow in 22/tcp my ssh", "allow in WWW Full ", "allow in 9/tcp ", "allow in 99/tcp on eth0 from 10.0.0.0/8 to 198.51.100.2/32 ", "allow out 53 ", "allow routed 8080/tcp "}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestForeign_TellsWhatPassesUFWBy(t *testing.T) {
	h := newFWHost(t)
	for _, program := range []string{"iptables", "ip6tables", "nft"} {
		fwProgram(t, h, "/usr/sbin/"+program)
	}
	fwWrite(t, h, "/proc/net/ip_tables_names", "filter\n")
	h.answers["iptables -t nat -S DOCKER"] = "-N DOCKER\n-A DOCKER -i docker0 -j RETURN\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 9090 -j DNAT --to-destination 172.17.0.3:80\n"
	h.answers["iptables -S INPUT"] = "-P INPUT DROP\n-A INPUT -p tcp -m tcp --sport 443 -j ACCEPT\n-A INPUT -j ufw-before-input\n-A INPUT -p tcp -j f2b-sshd\n"
	h.answers["ip6tables -S INPUT"] = "-P INPUT DROP\n"
	h.answers["nft list tables"] = "table ip filter\ntable ip6 filter\ntable inet firewall\n"
	h.answers["iptables --version"] = "iptables v1.8.9 (nf_tables)\n"
	got := strings.Join(foreign(t.Context(), h.Machine), "\n")
	for _, want := range []string{"docker lets these ports in past ufw: 8080/tcp:", "-A INPUT -p tcp -m tcp --sport 443 -j ACCEPT", "tables inet firewall:", "old iptables"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "9090") || strings.Contains(got, "f2b") {
		t.Errorf("got\n%s", got)
	}
}

func TestApps_AreListedByName(t *testing.T) {
	h := newFWHost(t)
	apps, err := Apps(h.Machine)
	if err != nil || len(apps) != 2 || apps[0].Name != "OpenSSH" || apps[1].Title != "Web" || !apps[1].opens(443) || apps[1].opens(22) {
		t.Errorf("got %+v, %v", apps, err)
	}
}

func TestLook_TellsWhichDoorsAreOpen(t *testing.T) {
	h := newFWHost(t)
	fwRules(t, h, "allow tcp 22")
	h.answers["ufw status"] = "Status: active\n"
	status, err := Look(t.Context(), h.Machine, h.around)
	if err != nil || len(status.Doors) != 2 || !status.Doors[0].Open || status.Doors[1].Open || !status.Active || status.Default != "deny" || len(status.Rules) != 2 {
		t.Errorf("got %+v, %v", status, err)
	}
	h.UID = 1000
	if _, err := Look(t.Context(), h.Machine, h.around); !os.IsPermission(err) {
		t.Errorf("to others: %v", err)
	}
}

func TestUndoing_KeepsADoorOfSSHOpen(t *testing.T) {
	const on, off = "ENABLED=yes\n", "ENABLED=no\n"
	rules := func(rules ...string) string {
		h := newFWHost(t)
		fwRules(t, h, rules...)
		text, err := h.ReadFile(rulesFile)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, c := range map[string]struct {
		active  bool
		now     []string          // rules
		files   map[string]string // that undo puts back
		console bool
		refused bool
	}{
		"nothing of the firewall":    {true, []string{"allow tcp 22"}, map[string]string{"/etc/issue": "x"}, false, false},
		"off again":                  {true, []string{"allow tcp 22"}, map[string]string{confFile: off, rulesFile: rules()}, false, false},
		"on again with ssh":          {false, []string{"allow tcp 22"}, map[string]string{confFile: on}, false, false},
		"on again without ssh":       {false, nil, map[string]string{confFile: on}, false, true},
		"the same from the console":  {false, nil, map[string]string{confFile: on}, true, true},
		"the rule of ssh goes":       {true, []string{"allow tcp 22"}, map[string]string{confFile: on, rulesFile: rules("allow tcp 80")}, false, true},
		"ssh from elsewhere only":    {true, []string{"allow tcp 22"}, map[string]string{confFile: on, rulesFile: rules("allow tcp 22 10.0.0.0/8")}, false, true},
		"ssh was closed all along":   {true, nil, map[string]string{confFile: on, rulesFile: rules("allow tcp 80")}, false, false},
		"a rule besides that of ssh": {true, []string{"allow tcp 22", "allow tcp 80"}, map[string]string{confFile: on, rulesFile: rules("allow tcp 22")}, false, false},
	} {
		h := newFWHost(t)
		fwRules(t, h, c.now...)
		if c.active {
			fwWrite(t, h, confFile, on)
			h.answers["ufw status"] = "Status: active\n"
		}
		if !c.console {
			h.from("203.0.113.7:50000", "198.51.100.2:22")
		}
		files := map[string][]byte{}
		for path, text := range c.files {
			files[path] = []byte(text)
		}
		refusals, err := Undoing(t.Context(), h.Machine, h.around, files)
		if err != nil || (len(refusals) > 0) != c.refused {
			t.Errorf("%s: got %+v, error %v", name, refusals, err)
		}
	}
}

func TestSettings_AreReadAndChangedInPlace(t *testing.T) {
	text := []byte("# IPV6=maybe\nIPV6=no\nX=1\n")
	if setting(text, "IPV6") != "no" || setting(text, "Y") != "" {
		t.Error("read wrongly")
	}
	if got := string(withSetting(text, "IPV6", "yes")); got != "# IPV6=maybe\nIPV6=yes\nX=1\n" {
		t.Errorf("got %q", got)
	}
	if got := string(withSetting([]byte("X=1\n"), "IPV6", "yes")); got != "X=1\nIPV6=yes\n" {
		t.Errorf("got %q", got)
	}
}

func FuzzParseSpec_GivesUFWNothingOdd(f *testing.F) {
	for _, seed := range []string{"8080/tcp", "80,443", "WWW Full from 10.0.0.0/8", "--force"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := ParseSpec(text)
		if err != nil {
			return
		}
		for _, word := range spec.argv("", "allow", "")[2:] {
			if word == "" || word[0] == '-' || strings.ContainsAny(word, "\n\x00\x1b'\"") {
				t.Errorf("%q gives %q", text, word)
			}
		}
		if again, err := ParseSpec(spec.String()); err != nil || again != spec {
			t.Errorf("%q is written %q, which is read as %+v, %v", text, spec, again, err)
		}
	})
}

func FuzzParse_NeverPanics(f *testing.F) {
	f.Add("### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=6d", "Listen=[::]:22 (Stream)\nActiveState=active")
	f.Add("[WWW]\nports=80,443/tcp|53", "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT")
	f.Add("table inet x", "-A INPUT -j ACCEPT")
	f.Fuzz(func(t *testing.T, text, other string) {
		for _, r := range parseRules(text, 4) {
			_ = r.String()
			r.covers(22)
		}
		for _, port := range parseSockets(other) {
			if port < 1 || port > 65535 {
				t.Errorf("port %d", port)
			}
		}
		for _, app := range parseApps(text) {
			app.opens(22)
		}
		dockerPorts(other)
		foreignRules(other)
		foreignTables(text)
	})
}
