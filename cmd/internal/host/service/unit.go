package service

import (
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"
)

// UnitName is what the service is called.
const UnitName = "gateway.service"

const unitFile = "/etc/systemd/system/" + UnitName

// unit is all that decides about the text of the unit.
type unit struct {
	user, group   string
	program, file string
	socket        string
	stopsWithin   time.Duration
	connections   int
	limits        map[string]uint64 // of the backends
	needs
}

// text is the unit (systemd.unit(5)).
func (u unit) text() string {
	return `# Written by "gateway setup apply service", which writes it anew when the file of
# gateway asks for more or less. Changes of your own: systemctl edit gateway

` + u.sections()
}

// sections are the unit without a word on where it comes from.
func (u unit) sections() string {
	var b strings.Builder
	b.WriteString(`[Unit]
Description=gateway, the front door
Wants=network-online.target
After=network-online.target
# Where the program was removed it is not tried again and again.
AssertFileIsExecutable=` + strings.ReplaceAll(u.program, "%", "%%") + `
# It is started again for as long as it takes.
StartLimitIntervalSec=0

[Service]
`)
	for _, s := range u.service() {
		fmt.Fprintf(&b, "%s=%s\n", s.key, s.value)
	}
	for _, group := range []struct {
		why      string
		settings []setting
	}{
		{"What it is given: its ports, and the backends that run as other users.", u.rights()},
		{"What it is kept from. All of it holds for the backends, too.", u.sandbox()},
	} {
		if len(group.settings) > 0 {
			fmt.Fprintf(&b, "\n# %s\n", group.why)
		}
		for _, s := range group.settings {
			fmt.Fprintf(&b, "%s=%s\n", s.key, s.value)
		}
	}
	b.WriteString("\n[Install]\nWantedBy=multi-user.target\n")
	return b.String()
}

// setting is one line of a unit.
type setting struct{ key, value string }

// service is how gateway is started, watched and stopped.
func (u unit) service() []setting {
	all := []setting{
		{"Type", "notify"},
		{"ExecStart", words(u.program, "run", "-c", u.file)},
		{"ExecReload", words(u.program, "reload", "-c", u.file)},
		{"ExecStop", waitForEnd},
		{"Restart", "always"},
		{"RestartSec", "1"},
		{"WatchdogSec", "60"},
		{"TimeoutStopSec", fmt.Sprint(int(math.Ceil(u.stopsWithin.Seconds())) + stopMargin)},
		// gateway stops its backends itself. If it is killed they live on, and the next
		// gateway takes them over.
		{"KillMode", "process"},
		{"OOMPolicy", "continue"},
		// Every backend gets a control group of its own.
		{"Delegate", "yes"},
	}
	return append(append(all, u.resources()...), u.runtime()...)
}

// resources are the limits of gateway. Nobody but root can give a backend more
// than it has itself.
func (u unit) resources() []setting {
	limits := map[string]uint64{"LimitNOFILE": 0}
	maps.Copy(limits, u.limits)
	limits["LimitNOFILE"] = max(limits["LimitNOFILE"], uint64(u.files()))
	var all []setting
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		value := fmt.Sprint(limits[name])
		if limits[name] == math.MaxUint64 {
			value = "infinity"
		}
		all = append(all, setting{name, value})
	}
	return all
}

// waitForEnd asks gateway to stop, and returns when it has. systemd would do that
// by itself but for the heir of an upgrade: if it hears of that one while its
// parent still lives, it takes it for somebody else's child, does not wait for its
// end, and kills it in the middle of stopping.
const waitForEnd = `/bin/sh -c 'kill -TERM "$MAINPID" && while kill -0 "$MAINPID"; do sleep 0.1; done 2>/dev/null; true'`

// stopMargin are the seconds that stopping may take besides what has a limit of
// its own: to write down what is left.
const stopMargin = 15

// files is how many files gateway may have open: each connection of a client has
// one to a backend.
func (u unit) files() int { return max(65536, 2*u.connections+4096) }

// runtime is the folder of the control socket, where systemd can make it. It must
// outlive a restart, since other things of gateway lie beside the socket.
func (u unit) runtime() []setting {
	folder := path.Dir(u.socket)
	if path.Dir(folder) != "/run" {
		return nil
	}
	return []setting{{"RuntimeDirectory", words(path.Base(folder))}, {"RuntimeDirectoryMode", "0750"}, {"RuntimeDirectoryPreserve", "restart"}}
}

// words writes words as a command line of a unit has them (systemd.service(5)).
func words(all ...string) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$", "\n", `\n`)
	quoted := make([]string, len(all))
	for i, word := range all {
		quoted[i] = escape.Replace(word)
		if strings.ContainsAny(word, " \t\n'\";\\") {
			quoted[i] = `"` + quoted[i] + `"`
		}
	}
	return strings.Join(quoted, " ")
}
