package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// Holder is the process that listens at an address.
type Holder struct {
	PID     int    // 0: not known
	User    string // "" when unknown
	Command string // "" when unknown
}

func (h Holder) String() string {
	if h.PID == 0 {
		return "a process that gateway cannot see"
	}
	return fmt.Sprintf("process %d of user %s (%s)", h.PID, h.User, h.Command)
}

// takenError: a process that is not ours serves the backend's address.
type takenError struct {
	address string
	holder  Holder
}

func (e *takenError) Error() string {
	return fmt.Sprintf("%s is served by %v, which gateway did not start: it is watched, and no second copy is started; stop it, and gateway starts its own", e.address, e.holder)
}

// host starts and finds the processes of one backend on this machine.
type host struct {
	cfg      Config
	name     string
	instance string
	at       target
	places   places
	group    group
	output   *output
	holder   func(ctx context.Context, network, address string) (Holder, error)
	log      *slog.Logger
}

// running is a backend's process as the monitor sees it.
type running interface {
	pid() int
	wait(ctx context.Context, moved, ended func()) (Exit, error)
	frozen() bool
	terminate(why string)
	kill()
}

// find returns the process that an earlier gateway started and that still
// runs, or nil.
func (h *host) find(ctx context.Context) (running, error) {
	known, err := h.places.load()
	if err != nil {
		h.log.Warn("the record of the backend's process cannot be read; it is looked for by its environment", "error", err)
	}
	mark, ok := parseMarker(known.Marker)
	if ok && known.Process.lives() {
		if !slices.Equal(known.Command, h.cfg.Command) {
			h.log.Warn("the backend still runs the command of the former configuration; gateway backend restart starts the new one")
		}
		return h.process(known.Process, mark), nil
	}
	return h.findMarked(ctx)
}

// findMarked finds, without a record, the backend that serves the address.
func (h *host) findMarked(ctx context.Context) (running, error) {
	members := strays(h.prefix(), h.group)
	if len(members) == 0 || !h.at.served(ctx) {
		return nil, nil
	}
	from := members[0].pid
	if holder, err := h.whoHolds(ctx); err == nil {
		from = holder.PID
	}
	top, found := topmost(members, from)
	mark, ok := parseMarker(markerOf(top.pid))
	if !found || !ok {
		return nil, nil
	}
	root := identities([]fact{top})[0]
	h.remember(root, mark)
	return h.process(root, mark), nil
}

func (h *host) prefix() string { return marker{name: h.name, instance: h.instance}.prefix() }

var errNoHolder = errors.New("the holder of the address is not known")

func (h *host) whoHolds(ctx context.Context) (Holder, error) {
	if h.holder == nil {
		return Holder{}, errNoHolder
	}
	holder, err := h.holder(ctx, h.at.network, h.at.address)
	if err == nil && holder.PID == 0 {
		err = errNoHolder
	}
	return holder, err
}

// start starts the backend, after what is left of former starts is gone. It
// returns a *takenError when somebody else serves the address.
func (h *host) start(ctx context.Context) (running, error) {
	if err := h.clear(ctx); err != nil {
		return nil, err
	}
	mark := newMarker(h.name, h.instance)
	cmd, err := h.command(mark)
	if err != nil {
		return nil, err
	}
	stdout, err := h.output.child()
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	cmd.Stdout, cmd.Stderr = stdout, stdout
	defer h.join(cmd)()
	if err := cmd.Start(); err != nil {
		return nil, explainStart(cmd.Path, err)
	}
	root, err := identify(cmd.Process.Pid)
	if err != nil {
		return nil, fmt.Errorf("the process ended before it could be looked at: %w", errors.Join(err, cmd.Wait()))
	}
	// From here process.wait reaps it, which serves adopted ones as well.
	if err := cmd.Process.Release(); err != nil {
		h.log.Debug("releasing the process", "error", err)
	}
	adjustOOM(root.PID, h.cfg.OOMScore, h.log)
	proc := h.process(root, mark)
	proc.fresh = true
	return proc, nil
}

// join puts the process into its control group; what it returns is for after
// the start. Without a group the backend runs as well.
func (h *host) join(cmd *exec.Cmd) func() {
	attached, err := h.group.attach(cmd.SysProcAttr)
	if err != nil {
		h.log.Warn("the backend runs without a control group of its own", "error", err)
		return func() {}
	}
	return func() { attached.Close() }
}

// clear ends strays of former starts of ours, and refuses a taken address.
func (h *host) clear(ctx context.Context) error {
	list := func() []fact { return strays(h.prefix(), h.group) }
	if left := list(); len(left) > 0 {
		h.log.Warn("processes of a former start of the backend are left, and are killed", "pids", pids(left))
		killAll(ctx, h.group, list)
	}
	if !h.at.served(ctx) {
		return nil
	}
	holder, err := h.whoHolds(ctx)
	if err != nil {
		h.log.Debug("looking for the holder of the backend's address", "error", err)
	}
	return &takenError{address: h.at.address, holder: holder}
}

func pids(of []fact) []int {
	var list []int
	for _, f := range of {
		list = append(list, f.pid)
	}
	return list
}

func (h *host) process(root identity, mark marker) *process {
	stop, err := signalNumber(h.cfg.stopSignal())
	if err != nil {
		stop = syscall.SIGTERM // validated before; an adopted process may come with a newer file
	}
	return &process{
		log: h.log, mark: mark, group: h.group, stop: stop, grace: h.cfg.stopGrace(), root: root,
		moved:  func(next identity) { h.remember(next, mark) },
		output: h.output.flush,
		oom:    oomKilled,
		orphan: h.orphan,
	}
}

// remember writes the record. Without it the backend runs as well, and the
// next gateway looks for it by its environment.
func (h *host) remember(root identity, mark marker) {
	err := h.places.save(record{Process: root, Marker: mark.String(), Command: h.cfg.Command, Started: time.Now()})
	if err != nil {
		h.log.Warn("the record of the backend's process cannot be written; after a crash of gateway the process is looked for by its environment",
			"file", h.places.record(), "error", err)
	}
}

// forget removes the record, and the control group, of a process that is gone.
func (h *host) forget() {
	h.group.remove()
	if err := h.places.forget(); err != nil {
		h.log.Warn("the record of the backend's process cannot be removed", "file", h.places.record(), "error", err)
	}
}
