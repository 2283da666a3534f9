package main

import (
	"context"
	"io"
	"os"
	"time"

	"gateway/cmd/internal/control"
	"gateway/health"
	"gateway/health/mail"
)

// The names of the calls that the running gateway answers.
const (
	callStatus         = "status"
	callHistory        = "history"
	callCerts          = "certs"
	callCertsRenew     = "certs/renew"
	callBackendStatus  = "backend/status"
	callBackendStart   = "backend/start"
	callBackendStop    = "backend/stop"
	callBackendRestart = "backend/restart"
	callBackendLogs    = "backend/logs"
	callBackendFollow  = "backend/follow"
	callMailQueue      = "mail/queue"
	callMailFlush      = "mail/flush"
	callMailDrop       = "mail/drop"
)

// backendRequest names the backend that a call means; "" means all.
type backendRequest struct {
	Name  string `json:"name"`
	Lines int    `json:"lines,omitempty"`
}

// statusReport is the answer to "gateway status".
type statusReport struct {
	Version      string            `json:"version"`
	PID          int               `json:"pid"`
	Started      time.Time         `json:"started"`
	Config       string            `json:"config"`
	Addresses    []string          `json:"addresses"`
	Certificates []certificateLine `json:"certificates"`
	Backends     []health.Status   `json:"backends"`
	Notices      *noticesReport    `json:"notices,omitempty"` // left out: the file names no way to admins
}

// certificateLine is what status tells of one certificate.
type certificateLine struct {
	Names       []string  `json:"names"`
	Origin      string    `json:"origin"`
	Placeholder bool      `json:"placeholder,omitempty"` // none was obtained yet
	NotAfter    time.Time `json:"not_after"`
	Problems    []string  `json:"problems,omitempty"`
}

// newControl is the server that answers `gateway status` and the like.
func (g *generation) newControl() *control.Server {
	s := control.NewServer(g.config.Admin.Socket, g.log)
	control.Handle(s, callStatus, func(context.Context, struct{}) (statusReport, error) { return g.status(), nil })
	control.Handle(s, callHistory, func(_ context.Context, limit int) ([]health.Incident, error) {
		return g.backends.ledger.History(limit), nil
	})
	control.Handle(s, callCerts, g.certificates)
	control.Handle(s, callCertsRenew, g.renewCertificate)
	control.Handle(s, callBackendStatus, func(_ context.Context, r backendRequest) ([]health.Status, error) {
		names, err := g.backends.named(r.Name)
		return g.backends.statuses(names), err
	})
	control.Handle(s, callBackendStart, g.eachBackend(health.BackendStarted, func(ctx context.Context, _ string, m *health.Monitor) error { return m.Start(ctx) }))
	control.Handle(s, callBackendStop, g.eachBackend(health.BackendStopped, func(ctx context.Context, name string, m *health.Monitor) error {
		return m.Stop(ctx, g.drainOf(name))
	}))
	control.Handle(s, callBackendRestart, g.eachBackend(health.BackendRestarted, func(ctx context.Context, name string, m *health.Monitor) error {
		return m.Restart(ctx, g.drainOf(name))
	}))
	control.Handle(s, callBackendLogs, g.logs)
	control.HandleStream(s, callBackendFollow, g.followLogs)
	g.handleMail(s)
	return s
}

func (g *generation) handleMail(s *control.Server) {
	outbox := g.notices.outbox
	control.Handle(s, callMailQueue, func(context.Context, struct{}) ([]mail.Item, error) {
		dead, err := outbox.Dead()
		if err != nil {
			g.log.Warn("some notices that were given up cannot be read", "error", err)
		}
		return append(append([]mail.Item{}, outbox.Queue()...), dead...), nil
	})
	control.Handle(s, callMailFlush, func(context.Context, struct{}) (int, error) { return outbox.Flush(), nil })
	control.Handle(s, callMailDrop, func(_ context.Context, id string) (struct{}, error) { return struct{}{}, outbox.Drop(id) })
}

// eachBackend does one thing to the named backends, or to all that gateway
// starts, and answers how they are afterwards. It goes on when the caller leaves:
// a restart that ends half-way would leave the backend down.
func (g *generation) eachBackend(change health.ChangeKind, do func(context.Context, string, *health.Monitor) error) func(context.Context, backendRequest) ([]health.Status, error) {
	return func(ctx context.Context, r backendRequest) ([]health.Status, error) {
		names, err := g.backends.commanded(r.Name)
		if err != nil {
			return nil, err
		}
		ctx = context.WithoutCancel(ctx)
		err = g.backends.forEach(names, func(name string, m *health.Monitor) error {
			g.notices.changes.Note(change, name)
			return do(ctx, name, m)
		})
		return g.backends.statuses(names), err
	}
}

// drainOf lets the requests under way to a backend finish, within the time that
// requests have when gateway stops.
func (g *generation) drainOf(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, g.config.Timeouts.Drain)
		defer cancel()
		return g.handler.Drain(ctx, name)
	}
}

func (g *generation) logs(_ context.Context, r backendRequest) (string, error) {
	name, err := g.backends.only(r.Name)
	if err != nil {
		return "", err
	}
	return string(g.backends.monitors[name].Logs(r.Lines)), nil
}

func (g *generation) followLogs(ctx context.Context, r backendRequest, w io.Writer) error {
	name, err := g.backends.only(r.Name)
	if err != nil {
		return err
	}
	return g.backends.monitors[name].FollowLogs(ctx, r.Lines, w)
}

// status is a snapshot of everything.
func (g *generation) status() statusReport {
	report := statusReport{
		Version: version, PID: os.Getpid(), Started: g.started, Config: g.path,
		Addresses: g.addresses(), Backends: g.backends.statuses(g.backends.names),
		Notices: g.notices.report(),
	}
	for _, certificate := range g.certificateStatus() {
		report.Certificates = append(report.Certificates, newCertificateLine(certificate))
	}
	return report
}
