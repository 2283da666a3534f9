package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// bootID changes with every boot (random(4)).
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

func factOf(pid int) (fact, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return fact{}, err
	}
	return parseStat(string(text))
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)). The second field is the
// program's name in parentheses and may hold anything, so the rest is counted
// from the last parenthesis.
func parseStat(text string) (fact, error) {
	opened, closed := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if opened < 1 || closed < opened {
		return fact{}, fmt.Errorf("not a line of /proc/PID/stat: %.80q", text)
	}
	fields := strings.Fields(text[closed+1:])
	if len(fields) < 20 {
		return fact{}, fmt.Errorf("a short line of /proc/PID/stat: %.80q", text)
	}
	numbers := [4]int{}
	for i, field := range []string{strings.TrimSpace(text[:opened]), fields[1], fields[2], fields[3]} {
		n, err := strconv.Atoi(field)
		if err != nil {
			return fact{}, fmt.Errorf("in /proc/PID/stat: %w", err)
		}
		numbers[i] = n
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return fact{}, fmt.Errorf("in /proc/PID/stat: %w", err)
	}
	return fact{
		pid: numbers[0], ppid: numbers[1], group: numbers[2], session: numbers[3], start: start,
		zombie: fields[0] == "Z" || fields[0] == "X", stopped: fields[0] == "T",
	}, nil
}

// facts lists all processes but gateway itself, which may carry the mark of a
// backend when an admin starts it from a terminal that this backend serves. One
// that ends meanwhile is left out.
func facts() []fact {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var found []fact
	for _, entry := range entries {
		pid, err := strconv.Atoi(filepath.Base(entry))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if f, err := factOf(pid); err == nil {
			found = append(found, f)
		}
	}
	return found
}

// markerOf reads the value of markerName that a process was started with.
func markerOf(pid int) string {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return ""
	}
	for variable := range bytes.SplitSeq(env, []byte{0}) {
		if value, found := bytes.CutPrefix(variable, []byte(markerName+"=")); found {
			return string(value)
		}
	}
	return ""
}

// children lists the processes that this one started and that have not ended.
// A kernel without the file (CONFIG_PROC_CHILDREN) tells of none.
func children(pid int) []fact {
	number := strconv.Itoa(pid)
	text, err := os.ReadFile("/proc/" + number + "/task/" + number + "/children")
	if err != nil {
		return nil
	}
	var found []fact
	for child := range strings.FieldsSeq(string(text)) {
		number, err := strconv.Atoi(child)
		if err != nil {
			continue
		}
		if f, err := factOf(number); err == nil && !f.zombie {
			found = append(found, f)
		}
	}
	return found
}

// awaitExit blocks until the process ended, be it our child or not. It leaves
// the exit status to wait(2).
func awaitExit(ctx context.Context, id identity) error {
	fd, err := unix.PidfdOpen(id.PID, unix.PIDFD_NONBLOCK)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil
	case err != nil:
		return pollExit(ctx, id)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	defer file.Close()
	// Only now is the number pinned to one process: is it the right one?
	if !id.lives() {
		return nil
	}
	return awaitReadable(ctx, file)
}

// awaitReadable waits in the runtime's poller, which costs no thread.
func awaitReadable(ctx context.Context, file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { file.Close() })()
	err = raw.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return n > 0 && err == nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// sendSignal signals exactly this process, never another that got its number.
func sendSignal(id identity, s syscall.Signal) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		if !id.lives() {
			return unix.ESRCH
		}
		return syscall.Kill(id.PID, s)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !id.lives() {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(fd, s, nil, 0)
}
