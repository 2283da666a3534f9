package firewall

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// foreign tells of what decides about packets besides ufw. It only reads: not
// even a module of the kernel is loaded by it.
func foreign(ctx context.Context, m host.Machine) []string {
	var notes []string
	if text, ok := printed(ctx, m, "iptables", "-t", "nat", "-S", "DOCKER"); ok {
		if ports := dockerPorts(text); len(ports) > 0 {
			notes = append(notes, "docker lets these ports in past ufw: "+strings.Join(ports, ", ")+": publish them on loopback (-p 127.0.0.1:PORT:PORT) if gateway alone shall reach them")
		}
	}
	for _, program := range []string{"iptables", "ip6tables"} {
		text, ok := printed(ctx, m, program, "-S", "INPUT")
		if rules := foreignRules(text); ok && len(rules) > 0 {
			notes = append(notes, fmt.Sprintf("%s has rules in front of ufw's that ufw does not know: %s", program, strings.Join(rules, "; ")))
		}
	}
	if text, ok := printed(ctx, m, "nft", "list", "tables"); ok {
		if tables := foreignTables(text); len(tables) > 0 {
			notes = append(notes, "nftables decides, too, by the tables "+strings.Join(tables, ", ")+": what they drop stays closed whatever ufw says (`nft list ruleset`)")
		}
	}
	if version, ok := printed(ctx, m, "iptables", "--version"); ok && strings.Contains(version, "nf_tables") {
		if names, err := m.ReadFile("/proc/net/ip_tables_names"); err == nil && slices.Contains(strings.Fields(string(names)), "filter") {
			notes = append(notes, "rules of the old iptables are loaded beside those of the new one, and hold as well: `iptables-legacy -S` lists them; a reboot forgets them")
		}
	}
	return notes
}

// printed is what a program prints; ok is false where it is not there or fails.
func printed(ctx context.Context, m host.Machine, argv ...string) (string, bool) {
	if !account.Installed(m, argv[0]) {
		return "", false
	}
	result, err := m.Run(ctx, host.Command{Argv: argv})
	return string(result.Stdout), err == nil
}

var published = regexp.MustCompile(`(?m)^-A DOCKER (.*)-p (tcp|udp) .*--dport ([0-9:]+) .*-j DNAT`)

// dockerPorts are the ports of "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080
// -j DNAT", those on loopback left out.
func dockerPorts(rules string) []string {
	var ports []string
	for _, m := range published.FindAllStringSubmatch(rules, -1) {
		if port := m[3] + "/" + m[2]; !strings.Contains(m[1], "-d 127.") && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return ports
}

// foreignRules are the rules of the chain INPUT that neither ufw nor docker nor
// fail2ban made.
func foreignRules(rules string) []string {
	var found []string
	for line := range strings.Lines(rules) {
		line = strings.TrimSpace(line)
		_, target, _ := strings.Cut(line, " -j ")
		ours := strings.HasPrefix(target, "ufw") || strings.HasPrefix(target, "f2b-") || strings.HasPrefix(target, "DOCKER")
		if strings.HasPrefix(line, "-A INPUT ") && !ours {
			found = append(found, line)
		}
	}
	return found
}

// foreignTables are those that iptables does not keep its own rules in.
func foreignTables(text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] != "table" {
			continue
		}
		own := (f[1] == "ip" || f[1] == "ip6") && slices.Contains([]string{"filter", "nat", "mangle", "raw", "security"}, f[2])
		if !own && !strings.HasPrefix(f[2], "docker") && !strings.HasPrefix(f[2], "f2b") {
			found = append(found, f[1]+" "+f[2])
		}
	}
	return found
}
