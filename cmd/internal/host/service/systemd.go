package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"gateway/cmd/internal/host"
)

// unitState is how systemd has a unit.
type unitState struct{ active, enabled bool }

func unitOf(ctx context.Context, m host.Machine, name string) unitState {
	ask := func(verb string) string {
		result, _ := m.Run(ctx, host.Command{Argv: []string{"systemctl", verb, name}}) // its exit status says the same
		return strings.TrimSpace(string(result.Stdout))
	}
	return unitState{active: ask("is-active") == "active", enabled: ask("is-enabled") == "enabled"}
}

// planUnit writes the unit and has gateway run by it.
func (d *draft) planUnit(ctx context.Context) error {
	now := unitOf(ctx, d.Machine, UnitName)
	u := unit{user: d.who.Name, group: d.groups[0], program: d.program, file: d.around.File, socket: d.around.Socket,
		stopsWithin: d.around.StopsWithin, connections: d.around.Connections, limits: d.around.Limits, needs: d.needs()}
	if u.root {
		d.plan.Notes = append(d.plan.Notes, "a backend runs as root, so that the unit has no sandbox: it would be the backend's, too")
	}
	before, err := d.ReadFile(unitFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.unseen(unitFile, err)
	}
	if text := []byte(u.text()); string(before) != string(text) {
		d.start = true
		d.change(writeUnit(before, text, now))
	}
	if !d.start && now.active && now.enabled {
		return nil
	}
	d.change(rehearse(u))
	if err := d.planPorts(ctx); err != nil {
		return err
	}
	d.change(start(now))
	return nil
}

// writeUnit writes the unit. Once it is taken back systemd must read again what is
// there then, and a service that was there before runs again.
func writeUnit(before, text []byte, now unitState) host.Change {
	reload := host.Command{Argv: []string{"systemctl", "daemon-reload"}}
	afterwards := []host.Command{reload}
	if now.active {
		afterwards = append(afterwards, host.Command{Argv: []string{"systemctl", "start", UnitName}})
	}
	return host.Change{
		What: "write " + unitFile, Why: "systemd starts gateway at boot, and again whenever it ends", Diff: host.Diff(unitFile, before, text),
		Acts: []host.Act{
			host.Program{Undo: afterwards},
			host.File{Path: unitFile, Data: text, Perm: 0o644},
			host.Program{Do: reload},
		},
	}
}

// rehearse has gateway check its file with the account, the rights and the sandbox
// that it will have. Nothing was stopped by then.
func rehearse(u unit) host.Change {
	argv := []string{"systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--service-type=exec"}
	settings := append(append(u.rights(), u.sandbox()...), u.runtime()...)
	for _, s := range settings {
		if s.key == "RuntimeDirectoryPreserve" {
			s.value = "yes" // a gateway may run, with its socket there
		}
		argv = append(argv, "--property="+s.key+"="+s.value)
	}
	return host.Change{
		What: fmt.Sprintf("let gateway check its file as the account %s, with the rights of the service", u.user),
		Why:  "nothing is stopped and nothing started unless it passes",
		Acts: []host.Act{host.Program{Do: host.Command{Argv: append(argv, u.program, "check", "--no-ports", "-c", u.file)}}},
	}
}

// start has systemd run gateway, and waits until it serves. Why it did not is in
// the journal, and an admin should not have to look there.
func start(now unitState) host.Change {
	const (
		begin = `systemctl enable --quiet "$1"
systemctl restart "$1" && exit
code=$?
journalctl --sync 2>/dev/null
echo "gateway did not start, and its last lines are:" >&2
journalctl --unit "$1" --boot --output cat --no-pager --lines 20 >&2
exit $code`
		end = `systemctl stop "$1"; code=$?; systemctl reset-failed "$1" 2>/dev/null; exit $code`
	)
	undo := []host.Command{{Argv: []string{"sh", "-c", end, "sh", UnitName}}}
	if !now.enabled {
		undo = append([]host.Command{{Argv: []string{"systemctl", "disable", "--quiet", UnitName}}}, undo...)
	}
	change := host.Change{
		What: "start gateway, now and at boot", Why: "it is told to be up only once it serves",
		Acts: []host.Act{host.Program{Do: host.Command{Argv: []string{"sh", "-c", begin, "sh", UnitName}}, Undo: undo}},
	}
	if now.active {
		change.What, change.Why = "start gateway anew, with its backends", "another unit, program or account holds from its start on"
	}
	return change
}
