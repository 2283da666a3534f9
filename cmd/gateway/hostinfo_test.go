package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"gateway/cmd/internal/host"
)

func TestHostInfo_TellsOfThisMachineAndChangesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	state := t.TempDir()
	file := writeFile(t, t.TempDir(), "config.toml", fmt.Sprintf("state = %q\n[setup.service]\n", state))
	var out, problems bytes.Buffer
	if code := run([]string{"host", "--json", "-c", file}, &out, &problems); code != exitDone {
		t.Fatalf("exit code %d, %s", code, problems.String())
	}
	var report hostReport
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.Bits != 64 && report.Bits != 32 || report.Kernel == "" || report.Shells == nil || report.SSHFolders == nil {
		t.Errorf("told %s", out.String())
	}
	if len(report.Unmet) != 1 || report.Unmet[0].Step != "service" {
		t.Errorf("of setup it told %+v", report.Unmet)
	}
	own := fmt.Sprintf(`"address": %q,`, l.Addr())
	if !strings.Contains(out.String(), own) || !strings.Contains(out.String(), fmt.Sprintf(`"pid": %d,`, os.Getpid())) {
		t.Errorf("this process is missing in %s", out.String())
	}
	out.Reset()
	if code := run([]string{"host", "-c", file}, &out, &problems); code != exitDone || !strings.Contains(out.String(), "\nsetup service: ") || !strings.Contains(out.String(), "\nADDRESS ") {
		t.Errorf("exit code %d, printed\n%s", code, out.String())
	}
	if entries, err := os.ReadDir(state); err != nil || len(entries) > 0 {
		t.Errorf("something was written: %v, error %v", entries, err)
	}
}

func TestHostInfo_ListsWhoListensWhere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var out, problems bytes.Buffer
	if code := run([]string{"host", "ports"}, &out, &problems); code != exitDone {
		t.Fatalf("exit code %d, %s", code, problems.String())
	}
	for line := range strings.Lines(out.String()) {
		if fields := strings.Fields(line); fields[0] == l.Addr().String() && fields[1] == fmt.Sprint(os.Getpid()) {
			return
		}
	}
	t.Errorf("this process is missing in\n%s", out.String())
}

func TestHostInfo_KeepsACommandWithinALine(t *testing.T) {
	long := strings.Repeat("数", 100)
	var b strings.Builder
	if err := printListeners(&b, []host.Listener{{Address: "[::]:443", Command: long}, {Address: "[::]:80"}}); err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("数", 77) + "...\n"; !strings.Contains(b.String(), want) || !strings.HasSuffix(b.String(), "[::]:80   -    -     -        -\n") {
		t.Errorf("printed\n%s", b.String())
	}
}
