package deadman

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// clockTicks is the unit of times in /proc/PID/stat. The kernel gives them to
// programs in hundredths of a second on every architecture that Go runs on
// (USER_HZ).
const clockTicks = 100

// process is what /proc/PID/stat tells.
type process struct {
	name    string
	parent  int
	started float64 // seconds since the boot
}

// Prove wants a login over ssh that began after since, and that came from
// somewhere else: what an admin sees in the old login proves nothing, as both
// sshd and firewalls let open connections be.
func (s *Switch) Prove(ctx context.Context, m host.Machine, since time.Time) error {
	began, err := s.loginBegan(m)
	if err != nil {
		return err
	}
	if !began.After(since) {
		return fmt.Errorf("this login began at %s, before the change of %s: log in anew by ssh and run this there (if ssh shares connections, with: ssh -o ControlPath=none)",
			began.Format(time.TimeOnly), since.Format(time.TimeOnly))
	}
	return s.fromElsewhere(ctx, m)
}

// loginBegan is when sshd took the connection that this process hangs on.
func (s *Switch) loginBegan(m host.Machine) (time.Time, error) {
	session, found := sessionOf(m, s.pid)
	if !found {
		return time.Time{}, errors.New("this is no login over ssh (in tmux and screen it can not be seen): log in anew by ssh and run this there, outside of tmux and screen")
	}
	text, err := m.ReadFile("/proc/uptime")
	if err != nil {
		return time.Time{}, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	uptime, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("/proc/uptime: %w", err)
	}
	age := time.Duration((uptime - session.started) * float64(time.Second))
	return s.now().Add(-age), nil
}

// sessionOf finds the process of sshd that serves the login of a process: the
// nearest of those that it descends from.
func sessionOf(m host.Machine, pid int) (process, bool) {
	for range 64 { // deeper than anybody nests shells
		text, err := m.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return process{}, false
		}
		p, ok := parseStat(string(text))
		if ok && strings.HasPrefix(p.name, "sshd") { // sshd-session since OpenSSH 9.8
			return p, true
		}
		if !ok || p.parent <= 1 {
			return process{}, false
		}
		pid = p.parent
	}
	return process{}, false
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)). The name stands in
// parentheses and may itself hold some.
func parseStat(text string) (process, bool) {
	_, rest, found := strings.Cut(text, "(")
	end := strings.LastIndexByte(rest, ')')
	if !found || end < 0 {
		return process{}, false
	}
	fields := strings.Fields(rest[end+1:])
	const parent, starttime = 4 - 3, 22 - 3 // fields are numbered from 1, and the third comes first here
	if len(fields) <= starttime {
		return process{}, false
	}
	ppid, parentErr := strconv.Atoi(fields[parent])
	ticks, ticksErr := strconv.ParseUint(fields[starttime], 10, 64)
	return process{rest[:end], ppid, float64(ticks) / clockTicks}, parentErr == nil && ticksErr == nil
}

// fromElsewhere refuses `ssh localhost` from within a login: it says nothing
// about the firewall. A tunnel that ends on this host is another matter.
func (s *Switch) fromElsewhere(ctx context.Context, m host.Machine) error {
	d, err := account.Read(m)
	if err != nil {
		return err
	}
	here := account.FindPresent(m, d, s.pid)
	if client := here.Client.Addr(); !client.IsLoopback() && client != here.Server.Addr() {
		return nil
	}
	if pid := s.holder(ctx, here.Client.String()); pid != 0 {
		if _, within := sessionOf(m, pid); within {
			return errors.New("this login was begun from another one on this same host, which no firewall sees: log in from your own computer")
		}
	}
	return nil
}

// holderOf finds the process at one end of a connection.
func holderOf(ctx context.Context, address string) int {
	l, err := host.Holder(ctx, "tcp", address)
	if err != nil {
		return 0
	}
	return l.PID
}
