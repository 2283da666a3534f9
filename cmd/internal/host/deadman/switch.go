// Package deadman is the dead man's switch of `gateway setup` on a host with
// systemd: what could have locked an admin out is taken back by itself, unless
// the admin says from a new ssh login that it has not.
//
// It must work when everything else does not. So it runs from a copy of this
// program and from a file of its own, whatever becomes of the program's own path
// and of gateway's file; a timer of systemd runs it, which needs no login; and a
// unit that is enabled until the confirmation runs it at the next boot, which
// the timer does not outlive and the rules of a firewall do.
package deadman

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"gateway/cmd/internal/host"
)

const (
	// folder belongs to root and so do all above it. Gateway's state folder may
	// belong to its user, who must not be able to choose what root runs.
	folder  = "/usr/local/lib/gateway-revert"
	program = folder + "/gateway"
	file    = folder + "/config.toml"

	bootUnit     = "gateway-revert.service"
	bootUnitFile = "/etc/systemd/system/" + bootUnit
	wanted       = "/etc/systemd/system/multi-user.target.wants/" + bootUnit

	// timerPrefix begins the names of the timers. Each has a name of its own:
	// systemd refuses one that is still loaded, and then there is no switch.
	timerPrefix = "gateway-revert-"
)

// Switch is the dead man's switch for the journals in one state folder.
type Switch struct {
	state  string
	source string // of the copy of this program
	pid    int    // whose login is looked at
	now    func() time.Time
	holder func(ctx context.Context, address string) int // the process of a connection of this host, or 0

	installed bool // by us: a later Arm needs only a new timer
}

// New is the switch for the state folder of gateway.
func New(state string) *Switch {
	// Linux keeps the program reachable by this name when its file was replaced.
	return &Switch{state: state, source: "/proc/self/exe", pid: os.Getpid(), now: time.Now, holder: holderOf}
}

// Arm sets a timer for until and a unit for the next boot, in the place of those
// that are set.
func (s *Switch) Arm(ctx context.Context, m host.Machine, until time.Time) error {
	if !booted(m) {
		return errors.New("this host has no systemd, which would take the changes back: say --confirm-within 0, and keep this login open until a second one has worked")
	}
	if !s.installed {
		if err := s.install(ctx, m); err != nil {
			return err
		}
		s.installed = true
	}
	before, err := timers(ctx, m)
	if err != nil {
		return err
	}
	timer := timerPrefix + strings.ToLower(rand.Text()[:8])
	if err := run(ctx, m, s.timerCommand(timer, until)...); err != nil {
		return err
	}
	return stop(ctx, m, before)
}

// timerCommand starts a transient timer. Its usual accuracy is a minute. The
// service is tried again until it could do its work: a full disk may have room
// again.
func (s *Switch) timerCommand(name string, until time.Time) []string {
	left := max(1, int(math.Ceil(until.Sub(s.now()).Seconds())))
	return []string{"systemd-run", "--quiet", "--collect", "--unit=" + name, fmt.Sprintf("--on-active=%ds", left),
		"--timer-property=AccuracySec=100ms", "--property=Restart=on-failure", "--property=RestartSec=30s",
		"--description=Take back what gateway setup changed and nobody confirmed",
		program, "setup", "undo", "--expired", "--config", file}
}

// install writes the copy, its file and the unit for the boot.
func (s *Switch) install(ctx context.Context, m host.Machine) error {
	if err := makeFolder(m); err != nil {
		return err
	}
	if err := copyProgram(m, s.source); err != nil {
		return err
	}
	if err := run(ctx, m, program, "version"); err != nil {
		return fmt.Errorf("the copy of gateway does not run from %s (is that mounted with noexec?): %w", folder, err)
	}
	if err := write(m, file, fmt.Sprintf("state = %q\n", s.state)); err != nil {
		return err
	}
	if err := write(m, bootUnitFile, bootUnitText); err != nil {
		return err
	}
	return run(ctx, m, "systemctl", "--quiet", "enable", bootUnit) // makes systemd read its units again
}

// bootUnitText runs once the firewall has its rules, since it may have to take
// some away, and before sshd reads its configuration.
const bootUnitText = `# Written by gateway setup, and removed by gateway setup confirm.
[Unit]
Description=Take back what gateway setup changed and nobody confirmed
ConditionPathExists=` + program + `
After=ufw.service nftables.service netfilter-persistent.service firewalld.service
Before=ssh.service sshd.service

[Service]
Type=oneshot
ExecStart=` + program + ` setup undo --unconfirmed --config ` + file + `
TimeoutStartSec=10min
Restart=on-failure
RestartSec=30s

[Install]
WantedBy=multi-user.target
`

// Disarm removes the timer, the unit and the copy. It may be called by what the
// timer or the unit has started.
func (s *Switch) Disarm(ctx context.Context, m host.Machine) error {
	s.installed = false
	if !exists(m, folder) && !exists(m, bootUnitFile) {
		return nil
	}
	var problems []error
	if booted(m) {
		before, err := timers(ctx, m)
		problems = append(problems, err, stop(ctx, m, before))
	}
	for _, name := range []string{wanted, bootUnitFile} {
		problems = append(problems, os.Remove(m.Path(name)))
	}
	problems = slices.DeleteFunc(problems, func(err error) bool { return err == nil || errors.Is(err, fs.ErrNotExist) })
	problems = append(problems, os.RemoveAll(m.Path(folder)))
	if booted(m) {
		problems = append(problems, run(ctx, m, "systemctl", "daemon-reload"))
	}
	return errors.Join(problems...)
}

// timers are the units of ours that are loaded, but not the service that we run
// in ourselves: to stop it would be to end before our work is done.
func timers(ctx context.Context, m host.Machine) ([]string, error) {
	result, err := m.Run(ctx, host.Command{Argv: []string{"systemctl", "list-units", "--all", "--plain", "--no-legend", timerPrefix + "*"}})
	if err != nil {
		return nil, fmt.Errorf("list the timers of systemd: %w", err)
	}
	own, _ := m.ReadFile("/proc/self/cgroup")
	return unitsIn(string(result.Stdout), string(own)), nil
}

func unitsIn(list, own string) []string {
	var units []string
	for line := range strings.Lines(list) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(name, timerPrefix) && !strings.Contains(own, "/"+name+"\n") {
			units = append(units, name)
		}
	}
	return units
}

func stop(ctx context.Context, m host.Machine, units []string) error {
	if len(units) == 0 {
		return nil
	}
	return run(ctx, m, append([]string{"systemctl", "stop"}, units...)...)
}

func run(ctx context.Context, m host.Machine, argv ...string) error {
	_, err := m.Run(ctx, host.Command{Argv: argv})
	return err
}

// booted tells whether systemd is in charge (sd_booted(3)).
func booted(m host.Machine) bool { return exists(m, "/run/systemd/system") }

func exists(m host.Machine, name string) bool {
	_, err := m.Lstat(path.Clean(name))
	return err == nil
}
