package health

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestReapOrphans_LeavesNoZombieOfWhatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(limit(t), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "HEALTH_ROLE=orphans")
	out, err := cmd.CombinedOutput()
	if want := "3 orphans ended and were reaped\n<nil>\n"; err != nil || string(out) != want {
		t.Errorf("%v, %q, want %q", err, out, want)
	}
}

func TestFrozen_IsWhatWasStoppedAndWhatWaitsForNothingElse(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		script string
		want   bool
	}{
		{"kill -STOP $$", true},
		{"sleep 1000 & echo $!; read x", false},
		{"sleep 1000 & kill -STOP $!; echo $!; wait", true},
		{"sleep 1000 & echo $!; sleep 1000 & kill -STOP $!; echo $!; wait", false},
	} {
		cmd := exec.Command("/bin/sh", "-c", row.script)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer stdin.Close()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			for _, child := range children(cmd.Process.Pid) {
				_ = sendSignal(identities([]fact{child})[0], 9)
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		deadline := limit(t)
		want := strings.Count(row.script, "&")
		for len(children(cmd.Process.Pid)) < want || frozen(cmd.Process.Pid) != row.want {
			if deadline.Err() != nil {
				t.Fatalf("%s: frozen %v, want %v", row.script, !row.want, row.want)
			}
			<-time.After(time.Millisecond)
		}
	}
}
