package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestOrphan_ABackendThatHidesItsOriginIsStillOurs(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		without(t, "nginx, which goes into the background and writes over its environment, is not installed")
	}
	dir := t.TempDir()
	backend, port := fmt.Sprintf("127.0.0.1:%d", freePort(t)), freePort(t)
	own := writeFile(t, dir, "nginx.conf", fmt.Sprintf(`pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events {} http { access_log off; server { listen %[2]s; return 200 "nginx"; } }`, dir, backend))
	ca := newAuthority(t)
	above := fmt.Sprintf("[log]\naccess = ''\n[admin]\nsocket = %q\n", filepath.Join(dir, "gateway.sock"))
	w := &world{t: t, ca: ca, port: port, config: writeFile(t, dir, "config.toml",
		oneSite(t, ca.install(t, "api.example.com"), port, "http://"+backend, above)+
			fmt.Sprintf("command = [%q, \"-c\", %q]\n", nginx, own))}
	w.gateway = startProcess(t, builtGateway(t), "run", "-c", w.config)
	w.gateway.waitFor("started the backend")
	pid, deadline := 0, time.Now().Add(patience)
	for { // whether it is up or in the background first is chance
		own, _ := os.ReadFile(filepath.Join(dir, "nginx.pid"))
		s := w.status()
		if s.State == "up" && s.PID != 0 && strings.TrimSpace(string(own)) == fmt.Sprint(s.PID) {
			pid = s.PID
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("gateway says %+v, and nginx says that it is process %q", s, own)
		}
	}
	w.gateway.signal(syscall.SIGTERM)
	w.gateway.exitCode()
	if lives(pid) {
		t.Error("it outlived a stop of gateway")
	}
}
