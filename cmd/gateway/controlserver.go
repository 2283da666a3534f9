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
	callReload         = "reload"
	callUpgrade        = "upgrade"
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
func (g *gateway) newControl(socket string) *control.Server {
	s := control.NewServer(socket, g.log)
	control.Handle(s, callStatus, func(context.Context, struct{}) (statusReport, error) { return g.status(), nil })
	control.Handle(s, callHistory, func(_ context.Context, limit int) ([]health.Incident, error) {
		return g.duty().backends.ledger.History(limit), nil
	})
	control.Handle(s, callCerts, g.certificates)
	control.Handle(s, callCertsRenew, g.renewCertificate)
	control.Handle(s, callBackendStatus, func(_ context.Context, r backendRequest) ([]health.Status, error) {
		now := g.duty().backends.roster.Load()
		names, err := now.named(r.Name)
		return now.statuses(names), err
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
	control.Handle(s, callReload, g.reloadAsked)
	control.Handle(s, callUpgrade, g.upgrade)
	g.handleMail(s)
	return s
}

func (g *gateway) handleMail(s *control.Server) {
	outbox := func() *mail.Outbox { return g.duty().notices.outbox }
	control.Handle(s, callMailQueue, func(context.Context, struct{}) ([]mail.Item, error) {
		dead, err := outbox().Dead()
		if err != nil {
			g.log.Warn("some notices that were given up cannot be read", "error", err)
		}
		return append(append([]mail.Item{}, outbox().Queue()...), dead...), nil
	})
	control.Handle(s, callMailFlush, func(context.Context, struct{}) (int, error) { return outbox().Flush(), nil })
	control.Handle(s, callMailDrop, func(_ context.Context, id string) (struct{}, error) { return struct{}{}, outbox().Drop(id) })
}

// eachBackend does one thing to the named backends, or to all that gateway
// starts, and answers how they are afterwards. It goes on when the caller leaves:
// a restart that ends half-way would leave the backend down.
func (g *gateway) eachBackend(change health.ChangeKind, do func(context.Context, string, *health.Monitor) error) func(context.Context, backendRequest) ([]health.Status, error) {
	return func(ctx context.Context, r backendRequest) ([]health.Status, error) {
		now := g.duty().backends.roster.Load()
		names, err := now.commanded(r.Name)
		if err != nil {
			return nil, err
		}
		ctx = context.WithoutCancel(ctx)
		err = now.forEach(names, func(name string, m *health.Monitor) error {
			g.duty().notices.changes.Note(change, name)
			return do(ctx, name, m)
		})
		return now.statuses(names), err
	}
}

// drainOf lets the requests under way to a backend finish, within the time that
// requests have when gateway stops.
func (g *gateway) drainOf(name string) func(context.Context) error {
	return func(ctx context.Context) error { return g.drain(ctx, name) }
}

func (g *gateway) logs(_ context.Context, r backendRequest) (string, error) {
	monitor, err := g.duty().backends.roster.Load().only(r.Name)
	if err != nil {
		return "", err
	}
	return string(monitor.Logs(r.Lines)), nil
}

func (g *gateway) followLogs(ctx context.Context, r backendRequest, w io.Writer) error {
	monitor, err := g.duty().backends.roster.Load().only(r.Name)
	if err != nil {
		return err
	}
	return monitor.FollowLogs(ctx, r.Lines, w)
}

// status is a snapshot of everything.
func (g *gateway) status() statusReport {
	now := g.duty().backends.roster.Load()
	report := statusReport{
		Version: version, PID: os.Getpid(), Started: g.started, Config: g.path,
		Addresses: g.addresses(), Backends: now.statuses(now.names),
		Notices: g.duty().notices.report(),
	}
	for _, certificate := range g.certificateStatus() {
		report.Certificates = append(report.Certificates, newCertificateLine(certificate))
	}
	return report
}
