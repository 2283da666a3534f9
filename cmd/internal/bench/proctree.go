package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// userHZ is the unit of times in /proc/PID/stat: 100 on every Linux, whatever the
// kernel counts with (time(7)).
const userHZ = 100

// stat is what /proc/PID/stat tells of a process.
type stat struct {
	parent int

	// ended is the CPU time of its children that have ended and been waited for.
	ended time.Duration
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)). The second field is the
// program's name in parentheses, and may hold anything, so fields are counted from
// the last parenthesis.
func parseStat(text []byte) (stat, error) {
	const parent, childrenUser, childrenSystem = 4, 16, 17 // as the manual numbers them
	close := bytes.LastIndexByte(text, ')')
	fields := bytes.Fields(text[close+1:])
	if close < 0 || len(fields) <= childrenSystem-3 {
		return stat{}, fmt.Errorf("not a line of /proc/PID/stat: %.80q", text)
	}
	var numbers [3]int64
	for i, field := range []int{parent, childrenUser, childrenSystem} {
		n, err := strconv.ParseInt(string(fields[field-3]), 10, 64)
		if err != nil {
			return stat{}, fmt.Errorf("in /proc/PID/stat: %w", err)
		}
		numbers[i] = n
	}
	return stat{
		parent: int(numbers[0]),
		ended:  time.Duration(numbers[1]+numbers[2]) * (time.Second / userHZ),
	}, nil
}

// descendants are the root and all that come from it.
func descendants(root int, all map[int]stat) []int {
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		for pid, s := range all {
			if s.parent == tree[i] {
				tree = append(tree, pid)
			}
		}
	}
	return tree
}

// parsePSS reads the proportional set size from /proc/PID/smaps_rollup, in KiB:
// resident memory, in which a page that several processes share counts for each
// of them by its part only (proc_pid_smaps(5)).
func parsePSS(text []byte) (int64, error) {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "Pss:" {
			return strconv.ParseInt(string(fields[1]), 10, 64)
		}
	}
	return 0, fmt.Errorf("no Pss in /proc/PID/smaps_rollup: %.80q", text)
}
