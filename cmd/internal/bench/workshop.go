package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
)

// workshop is what one run of the benchmark needs: a folder, a backend, a
// certificate, the contenders and what is measured of them.
type workshop struct {
	options
	dir          string
	workers      int
	credentials  credentials
	backend      *backendProcess
	contenders   []contender
	measurements []measurement
	log          io.Writer
}

func newWorkshop(ctx context.Context, o options, log io.Writer) (*workshop, error) {
	dir, err := os.MkdirTemp("", "gateway-bench-")
	if err != nil {
		return nil, err
	}
	w := &workshop{options: o, dir: dir, workers: runtime.NumCPU(), log: log}
	if err := w.furnish(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *workshop) furnish(ctx context.Context) (err error) {
	if err := os.Chmod(w.dir, 0o755); err != nil { // servers started by root serve as another user
		return err
	}
	if w.credentials, err = newCredentials(w.dir); err != nil {
		return err
	}
	tell := func(text string) { fmt.Fprintln(w.log, text) }
	if w.contenders, err = findContenders(w.options, w.dir, tell); err != nil {
		return err
	}
	if err := w.choose(measurements()); err != nil {
		return err
	}
	w.backend, err = startBackend(ctx)
	return err
}

// choose takes the measurements that were asked for, or all.
func (w *workshop) choose(all []measurement) error {
	for _, m := range all {
		if len(w.rows) > 0 && !slices.Contains(w.rows, m.key) {
			continue
		}
		if m.possible != nil {
			if err := m.possible(w); err != nil {
				return err
			}
		}
		w.measurements = append(w.measurements, m)
	}
	return nil
}

func (w *workshop) close() {
	if w.backend != nil {
		w.backend.stop()
	}
	_ = os.RemoveAll(w.dir) // what stays is a temporary folder
}

// clientTLS is how the benchmark's own clients speak TLS: 1.3 as all contenders
// can, with the one key exchange that all of them know, so that none pays for
// being newer.
func (w *workshop) clientTLS() *tls.Config {
	return &tls.Config{
		RootCAs:          w.credentials.roots,
		ServerName:       siteName,
		MinVersion:       tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
}

// measureAll takes every measurement of every contender in every round. All
// contenders come right after another in a measurement, and another one begins in
// each round, so that what else the machine does falls on all of them.
func (w *workshop) measureAll(ctx context.Context) (results, error) {
	all := results{}
	for round := range w.rounds {
		for _, m := range w.measurements {
			err := w.measure(ctx, m, round, all)
			if ctx.Err() != nil {
				return nil, errors.New("stopped")
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.key, err)
			}
		}
	}
	return all, nil
}

// measure takes one measurement of every contender in one round.
func (w *workshop) measure(ctx context.Context, m measurement, round int, all results) error {
	if m.together != nil {
		return w.measureTogether(ctx, m, round, all)
	}
	for i := range w.contenders {
		c := w.contenders[(i+round)%len(w.contenders)]
		values, err := m.take(ctx, w, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		w.add(m, c.name, round, values, all)
	}
	return nil
}

func (w *workshop) measureTogether(ctx context.Context, m measurement, round int, all results) error {
	if round > 0 {
		return nil
	}
	values, err := m.together(ctx, w)
	if err != nil {
		return err
	}
	for _, c := range w.contenders {
		w.add(m, c.name, round, values[c.name], all)
	}
	return nil
}

// add keeps the values and shows them to whoever waits for the table.
func (w *workshop) add(m measurement, name string, round int, values []float64, all results) {
	fmt.Fprintf(w.log, "round %d of %d: %s: %s: %s\n", round+1, w.rounds, m.key, name, m.format(values))
	all.add(m.key, name, values)
}

// backendProcess is this program once more, as the backend.
type backendProcess struct {
	address string
	cmd     *exec.Cmd
}

func startBackend(ctx context.Context) (*backendProcess, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, backendVerb)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopLimit
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the backend: %w", err)
	}
	return &backendProcess{address: l.Addr().String(), cmd: cmd}, nil
}

func (b *backendProcess) stop() {
	_ = b.cmd.Process.Signal(syscall.SIGTERM)
	_ = b.cmd.Wait() // it ends by this signal
}
