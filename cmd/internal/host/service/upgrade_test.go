package service

import (
	"strings"
	"testing"

	"gateway/cmd/internal/host/hosttest"
)

func TestHost_SystemdFollowsAnUpgradeAndStopsWhoServesThen(t *testing.T) {
	t.Parallel()
	h := serviceHost(t, serviceFile, hosttest.Options{})
	serviceApply(t, h)
	serviceAnswers(t, h)
	old, backend := serviceMain(t, h), serviceBackend(t, h)
	for range 2 {
		if r := h.Gateway(t, "upgrade"); r.Code != 0 {
			t.Fatalf("upgrade ended with %d: %s%s\n%s", r.Code, r.Stdout, r.Stderr, h.Try(t, "journalctl", "-u", "gateway", "--no-pager").Stdout)
		}
		serviceAnswers(t, h)
		now := serviceMain(t, h)
		if now == old || now == "0" {
			t.Errorf("systemd takes process %s for gateway, it was %s", now, old)
		}
		old = now
	}
	if state := strings.TrimSpace(h.Run(t, "systemctl", "is-active", UnitName)); state != "active" {
		t.Errorf("the unit is %s", state)
	}
	if restarts := strings.TrimSpace(h.Run(t, "systemctl", "show", "--property=NRestarts", "--value", UnitName)); restarts != "0" {
		t.Errorf("systemd has restarted gateway %s times", restarts)
	}
	if now := serviceBackend(t, h); now != backend {
		t.Errorf("the backend was process %s and is %s", backend, now)
	}
	if powers := serviceStatus(t, h, backend, "CapEff"); strings.Trim(powers, "0") != "" {
		t.Errorf("the backend has capabilities: %s", powers)
	}
	h.Run(t, "systemctl", "reload", UnitName)
	serviceAnswers(t, h)
	h.Run(t, "systemctl", "stop", UnitName)
	if left := h.Try(t, "pgrep", "-u", "api,gateway"); left.Stdout != "" {
		t.Errorf("after a stop there are still processes: %s", left.Stdout)
	}
}
