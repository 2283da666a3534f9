package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// machine says where and when the figures were taken, and of which versions.
type machine struct {
	Date     string   `json:"date"`
	CPU      string   `json:"cpu"`
	Cores    int      `json:"cores"`
	Kernel   string   `json:"kernel"`
	Go       string   `json:"go"`
	Versions []string `json:"versions"`
	Rounds   int      `json:"rounds"`
	Seconds  float64  `json:"seconds"`
	Idle     int      `json:"idle"` // connections when memory is read
	Settle   string   `json:"settle"`
}

func (w *workshop) machine() machine {
	m := machine{
		Date: time.Now().Format(time.DateOnly), CPU: processor(), Cores: runtime.NumCPU(), Kernel: kernel(),
		Go: runtime.Version(), Rounds: w.rounds, Seconds: w.time.Seconds(), Idle: w.idle, Settle: w.settle.String(),
	}
	for _, c := range w.contenders {
		m.Versions = append(m.Versions, c.name+" "+c.version)
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("%s: %s, %d cores, Linux %s, %s; %d rounds of %v s each.\n%s.\n"+
		"TLS 1.3 (X25519, %s, certificate ECDSA P-256), %d connections, %d streams each with HTTP/2, keep-alive to the backend, access log to a file; memory with %d connections after %s of rest.",
		m.Date, m.CPU, m.Cores, m.Kernel, m.Go, m.Rounds, m.Seconds, strings.Join(m.Versions, "; "), cipher, connections, streams, m.Idle, m.Settle)
}

// processor is the model as /proc/cpuinfo has it, or the architecture.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // is not everywhere
	for line := range strings.Lines(string(text)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of an unknown version"
	}
	return strings.TrimSpace(string(text))
}
