package account

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gateway/cmd/internal/host"
)

// Process is one that runs as some user.
type Process struct {
	PID  int
	Name string // the 15 characters that the kernel keeps of it
}

func (p Process) String() string { return fmt.Sprintf("%s (pid %d)", strconv.Quote(p.Name), p.PID) }

// Processes are those that run as a user.
func Processes(m host.Machine, uid int) ([]Process, error) {
	entries, err := m.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("looking for the processes of user %d: %w", uid, err)
	}
	var running []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		status, err := m.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // it has ended meanwhile
		}
		if _, owner := parseStatus(string(status)); owner == uid && !isZombie(string(status)) {
			name, _, _ := strings.Cut(strings.TrimPrefix(string(status), "Name:\t"), "\n")
			running = append(running, Process{PID: pid, Name: name})
		}
	}
	slices.SortFunc(running, func(a, b Process) int { return a.PID - b.PID })
	return running, nil
}

// isZombie tells whether a process has ended and is only not yet waited for.
func isZombie(status string) bool { return strings.Contains(status, "\nState:\tZ") }
