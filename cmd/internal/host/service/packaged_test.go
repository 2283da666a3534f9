package service

import (
	"strings"
	"testing"
	"time"
)

func TestPackaged_AllowsMoreThanTheStepAndIsElseTheSameUnit(t *testing.T) {
	around := Around{Program: "/usr/bin/gateway", File: "/etc/gateway/config.toml", Socket: "/run/gateway/gateway.sock", StopsWithin: time.Minute, Connections: 20000}
	text := Packaged(around)
	fitted := serviceUnit(func(u *unit) {
		u.program, u.needs = around.Program, needs{starts: true, others: true, homes: true, cards: true}
	})
	if _, sections, _ := strings.Cut(fitted.text(), "\n[Unit]"); !strings.HasSuffix(text, "\n[Unit]"+sections) {
		t.Errorf("it is another unit than that of the step:\n%s", text)
	}
	for _, line := range []string{"ExecStart=/usr/bin/gateway run -c /etc/gateway/config.toml\n", "User=gateway\n", "CAP_SETUID", "NoNewPrivileges=yes\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is missing in\n%s", line, text)
		}
	}
	if first, _, _ := strings.Cut(text, "\n"); !strings.Contains(first, "package") {
		t.Errorf("it does not say where it comes from: %s", first)
	}
}
