package health

import (
	"fmt"
	"strings"
	"syscall"
)

// advice is what an admin can do next, the most telling first.
func (r report) advice(p phrases) []string {
	var lines []string
	if r.exit != nil && r.exit.ByGateway == "" {
		lines = append(lines, r.adviceOfExit(p))
	} else {
		lines = append(lines, r.adviceOfProbe(p))
	}
	if len(r.status.Command) > 0 {
		lines = append(lines, fmt.Sprintf(p.readLog, r.story.Incident.Backend))
		if r.status.Log != "" {
			lines = append(lines, fmt.Sprintf(p.wholeLog, r.status.Log))
		}
	}
	return append(lines, p.seeStatus)
}

// adviceOfExit is for a process that ended, and not by gateway.
func (r report) adviceOfExit(p phrases) string {
	switch e := r.exit; {
	case e.OOM:
		return p.adviseMemory
	case e.Code == 126 || e.Code == 127:
		return p.adviseCommand
	case e.Signal == syscall.SIGKILL:
		return p.adviseKilled
	case e.Signal == syscall.SIGSEGV || e.Signal == syscall.SIGABRT || e.Signal == syscall.SIGBUS:
		return p.adviseCrash
	}
	return p.adviseOutput
}

// adviceOfProbe is for a backend that does not answer as it should.
func (r report) adviceOfProbe(p phrases) string {
	if strings.HasPrefix(r.story.Incident.Cause, "it could not be started") {
		return p.adviseCommand
	}
	if strings.HasPrefix(r.status.URL, "http") {
		return fmt.Sprintf(p.adviseAsk, r.status.URL)
	}
	return p.adviseWatch
}
