package host

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// System is what kind of machine it is.
type System struct {
	Distribution string   `json:"distribution"` // "Debian GNU/Linux 12 (bookworm)"; "" when unknown
	Kernel       string   `json:"kernel"`       // "Linux 6.1.0 x86_64", as uname(1) has it
	Bits         int      `json:"bits"`         // of a word of its programs; 0 when unknown
	Addresses    []string `json:"addresses"`    // of its interfaces, loopback and link-local ones left out
}

// ReadSystem looks at a machine. What can't be told stays empty.
func ReadSystem(ctx context.Context, m Machine) (System, error) {
	system := System{Distribution: distribution(ctx, m), Kernel: printed(ctx, m, "uname", "-srm"), Addresses: []string{}}
	system.Bits, _ = strconv.Atoi(printed(ctx, m, "getconf", "LONG_BIT"))
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return system, fmt.Errorf("listing the addresses of this host: %w", err)
	}
	for _, address := range addresses {
		if network, is := address.(*net.IPNet); is && network.IP.IsGlobalUnicast() {
			system.Addresses = append(system.Addresses, network.IP.String())
		}
	}
	return system, nil
}

// printed is the line that a program prints, or "".
func printed(ctx context.Context, m Machine, argv ...string) string {
	result, err := m.Run(ctx, Command{Argv: argv})
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(result.Stdout))
}

func distribution(ctx context.Context, m Machine) string {
	if m.OS == "darwin" {
		return "macOS " + printed(ctx, m, "sw_vers", "-productVersion")
	}
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if text, err := m.ReadFile(path); err == nil {
			return prettyName(string(text))
		}
	}
	return ""
}

// prettyName reads the name for people of os-release(5), whose values are quoted
// as a shell's.
func prettyName(text string) string {
	for line := range strings.Lines(text) {
		value, found := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME=")
		if !found {
			continue
		}
		if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		return strings.NewReplacer(`\"`, `"`, `\$`, `$`, `\\`, `\`, "\\`", "`").Replace(value)
	}
	return ""
}
