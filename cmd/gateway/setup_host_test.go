package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/hosttest"
)

// setupHost boots a host with a file that declares an admin, ssh and the firewall.
func setupHost(t *testing.T) (*hosttest.Host, hosttest.Key) {
	t.Helper()
	h, key := hosttest.Boot(t, hosttest.Options{}), hosttest.NewKey(t)
	h.PutGateway(t)
	h.Write(t, defaultConfig, fmt.Sprintf(`
[[site]]
name = "api.example.com"
listen = [":443", ":7879"]
certificate = "files"
files = "/etc/gateway/ssl"
backend = "api"

[[backend]]
name = "api"
url = "http://localhost:7878"

[[setup.user]]
name = "alice"
authorized_keys = [%q]
sudo = "nopasswd"

[setup.sshd]

[setup.firewall]
`, key.Public), 0o600)
	return h, key
}

// setupJournals is where the journals are on a host.
const setupJournals = "/var/lib/gateway"

// setupTree is the host's files but for the journals.
func setupTree(t *testing.T, h *hosttest.Host) hosttest.Tree { return h.Tree(t, setupJournals) }

func setupRuns(t *testing.T, h *hosttest.Host) []host.Run {
	t.Helper()
	var runs []host.Run
	if err := json.Unmarshal([]byte(h.Run(t, hosttest.GatewayPath, "setup", "status", "--json")), &runs); err != nil {
		t.Fatal(err)
	}
	return runs
}

func TestSetup_MakesARealHostReadyAndTakesItBack(t *testing.T) {
	t.Parallel()
	h, key := setupHost(t)
	before := setupTree(t, h)

	plan := h.Gateway(t, "setup", "plan")
	if plan.Code != 0 || !strings.Contains(plan.Stdout, "user\n  - ") || !strings.Contains(plan.Stdout, "Nothing was done; `sudo gateway setup apply` does it.") {
		t.Fatalf("plan: exit code %d\n%s%s", plan.Code, plan.Stdout, plan.Stderr)
	}
	if diff := before.Diff(setupTree(t, h)); diff != "" || h.Try(t, "test", "-e", setupJournals).Code == 0 {
		t.Errorf("plan has changed\n%s", diff)
	}

	applied := h.Gateway(t, "setup", "apply", "--yes")
	if applied.Code != 0 || !strings.HasSuffix(applied.Stdout, "Done. `sudo gateway setup undo` takes it back.\n") {
		t.Fatalf("apply: exit code %d\n%s%s", applied.Code, applied.Stdout, applied.Stderr)
	}
	if in := h.SSH(t, "alice", key, "sudo -n id -u"); in.Code != 0 || in.Stdout != "0\n" {
		t.Errorf("alice's login: %+v", in)
	}
	if port := h.Port(t, hosttest.Address, 9999); port != "filtered" {
		t.Errorf("a port that nobody allowed is %s", port)
	}

	after := h.Tree(t)
	again := h.Gateway(t, "setup", "apply")
	if again.Code != 0 || !strings.HasSuffix(again.Stdout, "There is nothing to do.\n") {
		t.Errorf("a second apply: exit code %d\n%s%s", again.Code, again.Stdout, again.Stderr)
	}
	if diff := after.Diff(h.Tree(t)); diff != "" {
		t.Errorf("the second apply has changed\n%s", diff)
	}

	// Root can't come in any more, so that alice must stay while ssh is closed.
	alone := h.Gateway(t, "setup", "undo", "user", "--yes")
	if alone.Code != exitFailed || !strings.Contains(alone.Stderr, "refused: the undo would take away alice") {
		t.Errorf("undo of the accounts alone: exit code %d\n%s%s", alone.Code, alone.Stdout, alone.Stderr)
	}
	if diff := after.Diff(h.Tree(t)); diff != "" {
		t.Errorf("the refused undo has changed\n%s", diff)
	}

	h.Reboot(t)
	undone := h.Gateway(t, "setup", "undo", "--yes")
	if undone.Code != 0 {
		t.Fatalf("undo: exit code %d\n%s%s", undone.Code, undone.Stdout, undone.Stderr)
	}
	if diff := before.Diff(setupTree(t, h)); diff != "" {
		t.Errorf("undo has left\n%s", diff)
	}
	if port := h.Port(t, hosttest.Address, 9999); port != "closed" {
		t.Errorf("with the firewall as it was, the port is %s", port)
	}
}

// setupBlock lets apply come as far as a program, and wait there.
const setupBlock = `mv /usr/sbin/ufw /usr/sbin/ufw.real
cat >/usr/sbin/ufw <<'END'
#!/bin/sh
case "$*" in
*enable*) echo here >/run/blocked; exec sleep 600;;
esac
exec /usr/sbin/ufw.real "$@"
END
chmod 755 /usr/sbin/ufw`

// setupBlocked starts an apply that comes as far as the program, and waits there.
func setupBlocked(t *testing.T, h *hosttest.Host) (apply *exec.Cmd, printed *bytes.Buffer) {
	t.Helper()
	apply, printed = h.Command(hosttest.GatewayPath, "setup", "apply", "--yes"), &bytes.Buffer{}
	apply.Stdout, apply.Stderr = printed, printed
	if err := apply.Start(); err != nil {
		t.Fatal(err)
	}
	h.Await(t, "/run/blocked")
	h.Run(t, "rm", "/run/blocked")
	return apply, printed
}

func TestSetup_TakesARealHostBackAfterASignal(t *testing.T) {
	t.Parallel()
	h, _ := setupHost(t)
	h.Script(t, setupBlock)
	before := setupTree(t, h)
	for _, signal := range []string{"INT", "HUP"} {
		apply, printed := setupBlocked(t, h)
		h.Run(t, "pkill", "-"+signal, "-x", "gateway")
		_ = apply.Wait()
		if code := apply.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(printed.String(), "everything that was done was taken back") ||
			strings.Contains(printed.String(), "is kept in") {
			t.Errorf("SIG%s: exit code %d\n%s", signal, code, printed)
		}
		if diff := before.Diff(setupTree(t, h)); diff != "" {
			t.Errorf("SIG%s has left\n%s", signal, diff)
		}
	}
}

func TestSetup_TakesARealHostBackAfterAKill(t *testing.T) {
	t.Parallel()
	h, _ := setupHost(t)
	h.Script(t, setupBlock)
	before := setupTree(t, h)
	apply, _ := setupBlocked(t, h)

	second := h.Gateway(t, "setup", "apply", "--yes")
	if second.Code != exitFailed || !strings.Contains(second.Stderr, "another `gateway setup` is at work: process ") || !strings.Contains(second.Stderr, " of root, since ") {
		t.Errorf("a second apply: exit code %d\n%s%s", second.Code, second.Stdout, second.Stderr)
	}

	h.Run(t, "pkill", "-KILL", "-x", "gateway")
	_ = apply.Wait()
	h.Run(t, "timeout", "20", "sh", "-c", "while pgrep -f '^sleep 600'; do sleep 0.1; done")
	h.Script(t, "mv /usr/sbin/ufw.real /usr/sbin/ufw")
	if runs := setupRuns(t, h); len(runs) != 1 || runs[0].State != host.StateUnfinished {
		t.Errorf("after the kill: %+v", runs)
	}
	undone := h.Gateway(t, "setup", "undo", "--yes")
	if undone.Code != 0 || !strings.Contains(undone.Stdout, "was interrupted: it is taken back first") {
		t.Errorf("undo: exit code %d\n%s%s", undone.Code, undone.Stdout, undone.Stderr)
	}
	if diff := before.Diff(setupTree(t, h)); diff != "" {
		t.Errorf("the kill has left\n%s", diff)
	}
}
