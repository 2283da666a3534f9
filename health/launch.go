package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// LaunchVerb is the hidden first argument under which gateway's own program
// sets resource limits, joins a control group where the kernel has not done it at
// the start, and then becomes the backend. Limits are set neither in
// gateway, whose own they would be for a moment, nor in the backend after its
// start, which may have read them by then: only a process in between has the
// right moment. cmd/gateway calls Launch when it sees the verb.
const LaunchVerb = "launch-backend"

// launch is what the process in between must know. Its own arguments are seen
// by everybody, but they are gone as soon as it becomes the backend.
type launch struct {
	Path   string              `json:"path"`
	Args   []string            `json:"args"`
	Group  string              `json:"group,omitempty"` // folder of the control group to join
	Limits []resourceLimit     `json:"limits"`
	User   *syscall.Credential `json:"user,omitempty"`
}

type resourceLimit struct {
	Name  string `json:"name"`
	Which int    `json:"which"`
	Value uint64 `json:"value"`
}

func (r Rlimit) list() []resourceLimit {
	var limits []resourceLimit
	for _, l := range []struct {
		name  string
		which int
		limit Limit
	}{
		{"nofile", unix.RLIMIT_NOFILE, r.NoFile}, {"nproc", unix.RLIMIT_NPROC, r.NProc}, {"core", unix.RLIMIT_CORE, r.Core},
		{"memlock", unix.RLIMIT_MEMLOCK, r.MemLock}, {"as", unix.RLIMIT_AS, r.AS}, // last: it binds the launcher as well
	} {
		if l.limit.Set {
			limits = append(limits, resourceLimit{l.name, l.which, l.limit.Value})
		}
	}
	return limits
}

// prepared puts the launcher in front of a command that has limits, or a control
// group to join. The change of user moves into it, because only root may raise a
// hard limit, and only gateway's user may move a process into its groups.
func prepared(cmd *exec.Cmd, limits []resourceLimit, group string) (*exec.Cmd, error) {
	if len(limits) == 0 && group == "" {
		return cmd, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("gateway cannot find its own program to launch the backend with: %w", err)
	}
	spec, err := json.Marshal(launch{Path: cmd.Path, Args: cmd.Args, Group: group, Limits: limits, User: cmd.SysProcAttr.Credential})
	if err != nil {
		return nil, err
	}
	cmd.Path, cmd.Args = self, []string{self, LaunchVerb, string(spec)}
	cmd.SysProcAttr.Credential = nil
	lend(cmd.SysProcAttr)
	return cmd, nil
}

// Launch sets the limits, changes to the user and becomes the backend; args are
// those after LaunchVerb. It returns only when that failed, after it wrote the
// reason to stderr, with the exit code for a command that cannot be run (126).
func Launch(args []string, stderr io.Writer) int {
	err := errors.New("it is called by gateway itself")
	if len(args) == 1 {
		err = launchBackend([]byte(args[0]), stderr)
	}
	fmt.Fprintf(stderr, "gateway: the backend cannot be launched: %v\n", err)
	return 126
}

func launchBackend(text []byte, stderr io.Writer) error {
	var spec launch
	if err := json.Unmarshal(text, &spec); err != nil {
		return fmt.Errorf("it is called by gateway itself: %w", err)
	}
	if err := joinGroup(spec.Group); err != nil { // it runs without one as well
		fmt.Fprintf(stderr, "gateway: the backend runs without a control group of its own: %v\n", err)
	}
	for _, l := range spec.Limits {
		if err := syscall.Setrlimit(l.Which, rlimit(l.Value)); err != nil {
			return fmt.Errorf("rlimit %s = %d: %w: only root may raise it above gateway's own", l.Name, l.Value, err)
		}
	}
	if err := become(spec.User); err != nil {
		return err
	}
	if err := KeepPowers(); err != nil {
		return err
	}
	return explainStart(spec.Path, syscall.Exec(spec.Path, spec.Args, os.Environ()))
}

func rlimit(value uint64) *syscall.Rlimit { return &syscall.Rlimit{Cur: value, Max: value} }

func become(user *syscall.Credential) error {
	if user == nil {
		return nil
	}
	groups := make([]int, 0, len(user.Groups))
	for _, g := range user.Groups {
		groups = append(groups, int(g))
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("setting groups: %w", err)
	}
	if err := syscall.Setgid(int(user.Gid)); err != nil {
		return fmt.Errorf("setting group %d: %w", user.Gid, err)
	}
	if err := syscall.Setuid(int(user.Uid)); err != nil {
		return fmt.Errorf("setting user %d: %w", user.Uid, err)
	}
	return nil
}
