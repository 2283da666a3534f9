package service

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// serviceUnit is the unit of the usual case: a backend that runs as another user.
func serviceUnit(change func(*unit)) unit {
	u := unit{user: "gateway", group: "gateway", program: "/usr/local/bin/gateway", file: "/etc/gateway/config.toml", socket: "/run/gateway/gateway.sock",
		stopsWithin: time.Minute, connections: 20000, needs: needs{starts: true, others: true, homes: true, groups: []string{"api"}}}
	if change != nil {
		change(&u)
	}
	return u
}

func serviceSystemd(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed (package systemd)")
	}
}

func TestUnit_IsRatedBelowThreeWhateverTheBackendsNeed(t *testing.T) {
	serviceSystemd(t)
	for name, u := range map[string]unit{
		"another user's backend": serviceUnit(nil),
		"raised limits":          serviceUnit(func(u *unit) { u.limits = map[string]uint64{"LimitMEMLOCK": 1 << 40} }),
		"no backend at all":      serviceUnit(func(u *unit) { u.needs = needs{} }),
		"its own user's backend": serviceUnit(func(u *unit) { u.needs = needs{starts: true} }),
	} {
		path := filepath.Join(t.TempDir(), UnitName)
		serviceMust(t, os.WriteFile(path, []byte(u.text()), 0o644))
		out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", path).CombinedOutput()
		found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
		if err != nil || found == nil {
			t.Skipf("this systemd-analyze rates no files: %v", err)
		}
		rating, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil || rating >= 3 {
			t.Errorf("%s: rated %s", name, found[1])
		}
		t.Logf("%s: %s", name, found[1])
	}
}

func TestUnit_IsUnderstoodBySystemd(t *testing.T) {
	serviceSystemd(t)
	for _, u := range []unit{serviceUnit(nil), serviceUnit(func(u *unit) { u.root = true }), serviceUnit(func(u *unit) { u.file = `/etc/gate way/50% "$HOME".toml` })} {
		u.program = "/bin/true"
		path := filepath.Join(t.TempDir(), UnitName)
		serviceMust(t, os.WriteFile(path, []byte(u.text()), 0o644))
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput()
		if err != nil || strings.Contains(string(out), UnitName) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

func TestUnit_GivesWhatTheFileAsksForAndNoMore(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*unit)
		has    []string
		not    []string
	}{
		{"no backend", func(u *unit) { u.needs = needs{} },
			[]string{"CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes"}, []string{"SETUID", "SupplementaryGroups"}},
		{"another user's backend", nil,
			[]string{"AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_KILL\n", "SupplementaryGroups=api\n"}, []string{"ProtectHome", "PrivateTmp", "CAP_SYS_RESOURCE"}},
		{"raised limits", func(u *unit) { u.limits = map[string]uint64{"LimitNOFILE": 1 << 20, "LimitMEMLOCK": math.MaxUint64} },
			[]string{"LimitNOFILE=1048576\n", "LimitMEMLOCK=infinity\n"}, []string{"CAP_SYS_RESOURCE"}},
		{"a spared backend", func(u *unit) { u.spare = true }, []string{"CAP_KILL CAP_SYS_RESOURCE\n"}, nil},
		{"a backend of root", func(u *unit) { u.root = true }, []string{"User=gateway\n", "CAP_SETUID"}, []string{"CapabilityBoundingSet", "NoNewPrivileges", "SystemCallFilter", "ProtectSystem"}},
		{"graphics cards", func(u *unit) { u.cards = true }, nil, []string{"PrivateDevices"}},
		{"a socket elsewhere", func(u *unit) { u.socket = "/srv/gateway/sock" }, nil, []string{"RuntimeDirectory"}},
		{"many connections", func(u *unit) { u.connections = 100000 }, []string{"LimitNOFILE=204096\n"}, nil},
		{"slow ends", func(u *unit) { u.stopsWithin = 90*time.Second + time.Millisecond }, []string{"TimeoutStopSec=106\n"}, nil},
		{"odd names", func(u *unit) { u.file = `/etc/a b/50%$x.toml` }, []string{`run -c "/etc/a b/50%%$$x.toml"`}, nil},
	} {
		text := serviceUnit(c.change).text()
		for _, line := range c.has {
			if !strings.Contains(text, line) {
				t.Errorf("%s: %q is missing in\n%s", c.name, line, text)
			}
		}
		for _, word := range c.not {
			if strings.Contains(text, word) {
				t.Errorf("%s: there is %q in\n%s", c.name, word, text)
			}
		}
	}
}
