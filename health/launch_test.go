package health

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// launched runs a shell command as a backend and returns what it printed.
func launched(t *testing.T, script string, change func(*Config)) string {
	t.Helper()
	m := monitor(t, "", func(o *Options) {
		o.Config.Command = []string{"sh", "-c", script + "; echo end; exec sleep 1000"}
		o.Config.Probe = Probe{Command: []string{"true"}}
		// A folder that another user may enter, unlike a test's own.
		o.Config.Dir = "/"
		change(&o.Config)
	})
	reader := make(chan struct{})
	var said strings.Builder
	ctx := limit(t)
	go func() {
		defer close(reader)
		_ = m.FollowLogs(ctx, 0, writerFunc(func(p []byte) (int, error) {
			said.Write(p)
			if strings.Contains(said.String(), "end\n") {
				return 0, os.ErrClosed
			}
			return len(p), nil
		}))
	}()
	<-reader
	return strings.TrimSuffix(said.String(), "end\n")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestBackend_HasItsLimitsFromItsFirstInstruction(t *testing.T) {
	got := launched(t, "ulimit -n; ulimit -Hn; ulimit -c", func(c *Config) {
		c.Rlimit.NoFile = Limit{Set: true, Value: 321}
		c.Rlimit.Core = Limit{Set: true, Value: 0}
	})
	if got != "321\n321\n0\n" {
		t.Errorf("limits %q", got)
	}
}

func TestBackend_RunsAsItsUserInItsOwnSession(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skipf("no user to become: %v", err)
	}
	for _, row := range []struct {
		name   string
		limits Rlimit
	}{{"started directly", Rlimit{}}, {"started with limits", Rlimit{NoFile: Limit{Set: true, Value: 128}}}} {
		t.Run(row.name, func(t *testing.T) {
			got := launched(t, `id -u; id -G; echo $USER $HOME; echo again > /dev/stdout; cut -d" " -f6 /proc/self/stat; echo $$; cat /proc/self/status | grep Umask`, func(c *Config) {
				c.User, c.Rlimit = "nobody", row.limits
			})
			lines := strings.Split(got, "\n")
			want := []string{nobody.Uid, nobody.Gid, "nobody " + nobody.HomeDir, "again"}
			if len(lines) < 6 || fmt.Sprint(lines[:4]) != fmt.Sprint(want) || lines[4] != lines[5] {
				t.Errorf("it says %q, want %q and to lead its session", lines, want)
			}
		})
	}
}

func TestLaunch_RefusesWhatGatewayDidNotWrite(t *testing.T) {
	for _, args := range [][]string{nil, {"{"}, {`{"path":"` + filepath.Join(t.TempDir(), "none") + `","args":["x"]}`}} {
		var said strings.Builder
		if code := Launch(args, &said); code != 126 || !strings.HasPrefix(said.String(), "gateway: the backend cannot be launched: ") {
			t.Errorf("%q: code %d, %q", args, code, said.String())
		}
	}
}
