package main

import (
	"fmt"
	"os/exec"
	"testing"
)

// TestTransfer_OneGiBEachWayInSixtyFourMiB sends and fetches 1 GiB through the
// real binary, over HTTP/1.1 and HTTP/2, compares the digests, and reads the
// peak of the program's resident memory.
func TestTransfer_OneGiBEachWayInSixtyFourMiB(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 4 GiB over loopback")
	}
	ca, transfer, port := newAuthority(t), builtOf(t, "transfer", "gateway/cmd/gateway/testdata/transfer", "CGO_ENABLED=0"), freePort(t)
	backend := startProcess(t, transfer, "backend").waitFor("http://")
	p := startGateway(t, builtGateway(t), oneSite(t, ca.install(t, "api.example.com"), port, backend, "[log]\naccess = ''"))

	url, roots := fmt.Sprintf("https://api.example.com:%d/", port), writeFile(t, t.TempDir(), "root.pem", pemOf("CERTIFICATE", ca.root.Raw))
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		if out, err := exec.Command(transfer, "client", url, roots, protocol).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	peak := residentPeak(t, p.cmd.Process.Pid)
	t.Logf("4 GiB moved, resident memory at most %d KiB", peak)
	if peak >= 64<<10 {
		t.Errorf("resident memory reached %d KiB, want under 65536", peak)
	}
}
