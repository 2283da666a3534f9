package main

import (
	"fmt"
	"syscall"
	"testing"
)

// TestDemo_StartsAgainAfterItWasKilled kills the demo as it is; the backend that
// it leaves behind must not keep the next one from starting.
func TestDemo_StartsAgainAfterItWasKilled(t *testing.T) {
	t.Parallel()
	state, listen, backend := shortDir(t), fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	demo := func() *process {
		p := startProcess(t, builtGateway(t), "demo", "--state", state, "--listen", listen, "--backend", backend)
		p.waitFor("the backend is up")
		return p
	}
	first := demo()
	first.signal(syscall.SIGKILL)
	first.exitCode()
	second := demo()
	second.signal(syscall.SIGINT)
	if code := second.exitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	third := demo() // the adopted backend went with the second
	third.signal(syscall.SIGINT)
	third.exitCode()
}
