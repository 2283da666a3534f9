package health

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// noticeLines is how much of the output goes with an event.
const noticeLines = 40

// open tells of trouble: the first, or more of it.
func (l *loop) open(cause string) {
	l.lastCause = cause
	_, lasting := l.options.Ledger.Current(l.options.Name)
	incident := l.options.Ledger.opened(l.options.Name, cause, !l.state.Process, time.Now())
	kind := Opened
	if lasting || incident.Latest != "" {
		kind = Worsened
	}
	log := l.options.Log.With("cause", cause)
	if l.timing.Supervised {
		log = log.With("deaths", incident.Deaths, "next_start_in", l.untilRespawn())
	}
	log.Error("the backend is not well")
	l.tell(kind, incident)
}

func (l *loop) untilRespawn() time.Duration {
	if l.state.Respawn.IsZero() {
		return 0
	}
	return time.Until(l.state.Respawn).Round(time.Millisecond)
}

func (l *loop) close() {
	incident := l.options.Ledger.closed(l.options.Name, time.Now())
	kind := Ended
	if l.state.Phase == Up {
		kind = Recovered
		l.options.Log.Info("the backend is well again",
			"after", incident.Duration(time.Now()).Round(time.Millisecond), "restarts", incident.Restarts)
	}
	l.tell(kind, incident)
}

func (l *loop) tell(kind EventKind, incident Incident) {
	if l.options.Events != nil {
		l.options.Events(Event{
			Kind: kind, Backend: l.options.Name, Incident: incident,
			Output: l.Logs(noticeLines), Exit: l.lastExit, Status: *l.snapshot(),
		})
	}
}

// exitLevel: an end that gateway asked for is no news.
func exitLevel(e Exit) slog.Level {
	if e.ByGateway != "" {
		return slog.LevelInfo
	}
	return slog.LevelError
}

func (l *loop) publishStatus() { l.status.Store(l.snapshot()) }

func (l *loop) snapshot() *Status {
	s := &Status{
		Backend: l.options.Name, URL: l.options.URL, Command: l.options.Config.Command,
		State: l.state.Phase.String(), Since: l.state.Since, Reason: l.state.availability(l.timing).Reason,
		PID: l.pid(), Adopted: l.adopted && l.proc != nil,
		Restarts: max(0, l.starts-1), NextStart: l.state.Respawn, LastProbe: l.lastProbe,
	}
	if l.timing.Supervised {
		s.Log = l.logPath()
	}
	if l.proc != nil {
		s.Started = l.state.Started
	}
	if l.state.Foreign && l.taken != nil {
		s.ServedBy = l.taken.holder.String()
	}
	if l.lastExit != nil {
		s.LastExit, s.ExitedAt = l.lastExit.String(), l.lastExit.At
	}
	switch l.state.Phase {
	case Sick:
		s.Reason = l.lastCause
	case Hung, Down:
		s.Reason += ": " + l.lastCause
	}
	return s
}

// settledUp: what was asked for was a backend that is up, and for a restart one
// that was started since.
func settledUp(l *loop, r request) (bool, error) {
	_, restart := r.in.(EndAsked)
	switch {
	case l.state.Foreign && l.taken != nil:
		return true, l.taken
	case l.state.Phase == Up && (!restart || l.starts > r.starts):
		return true, nil
	case l.state.Phase == Stopped:
		return true, errors.New("it was stopped meanwhile")
	case l.state.Deaths > 0:
		return true, fmt.Errorf("%s; it is started again, see gateway backend logs", l.lastCause)
	}
	return false, nil
}

// settledStopped: what was asked for was a backend that is gone.
func settledStopped(l *loop, _ request) (bool, error) {
	if l.state.Foreign && l.taken != nil {
		return true, l.taken
	}
	return l.state.Phase == Stopped, nil
}
