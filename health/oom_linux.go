package health

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// oomKilled tells whether the kernel's log names the process as killed for want
// of memory since it began. Where the log cannot be read (not root, and
// kernel.dmesg_restrict is set) the answer is no.
func oomKilled(id identity) bool {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	record := make([]byte, 8<<10) // one read is one record, at most this long (CONSOLE_EXT_LOG_MAX)
	for {
		n, err := unix.Read(fd, record)
		switch {
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR): // overwritten while we read: go on
			continue
		case err != nil || n <= 0:
			return false
		}
		if at, pid, ok := oomVictim(string(record[:n])); ok && pid == id.PID && at >= startMicros(id) {
			return true
		}
	}
}

// ticksPerSecond is USER_HZ, the unit of a start time in /proc/PID/stat: 100 on
// every architecture that Go runs on.
const ticksPerSecond = 100

// startMicros is a second before the process began, for the two clocks differ a little.
func startMicros(id identity) int64 { return int64(id.Start)*(1e6/ticksPerSecond) - 1e6 }

// oomVictim reads one record of /dev/kmsg ("level,sequence,microseconds,...;text"):
// "Out of memory: Killed process 42 (name)", also after "Memory cgroup".
func oomVictim(record string) (micros int64, pid int, ok bool) {
	head, text, found := strings.Cut(record, ";")
	fields := strings.Split(head, ",")
	if !found || len(fields) < 3 || !strings.Contains(strings.ToLower(text), "out of memory") {
		return 0, 0, false
	}
	_, after, found := strings.Cut(text, "Killed process ")
	if !found {
		return 0, 0, false
	}
	number, _, _ := strings.Cut(after, " ")
	pid, pidErr := strconv.Atoi(strings.TrimSuffix(number, ","))
	micros, timeErr := strconv.ParseInt(fields[2], 10, 64)
	return micros, pid, pidErr == nil && timeErr == nil
}

// adjustOOM tells the kernel how readily to choose the process. To lower the
// score needs CAP_SYS_RESOURCE.
func adjustOOM(pid, score int, log *slog.Logger) {
	if score == 0 {
		return
	}
	path := fmt.Sprintf("/proc/%d/oom_score_adj", pid)
	if err := os.WriteFile(path, []byte(strconv.Itoa(score)), 0); err != nil {
		log.Warn("oom_score cannot be set; a score below 0 needs root", "error", err)
	}
}
