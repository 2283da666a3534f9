package firewall

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Spec is what an entry of allow or deny names: ports, and who may reach them;
// or an application of ufw.
type Spec struct {
	Ports string       // "8080", "80,443", "6000:6007", in rising order; "" with an application
	Proto string       // "tcp" or "udp"; "" with an application, which knows its own
	From  netip.Prefix // zero: everybody
	App   string       // "Nginx Full"
}

// ParseSpec reads "8080/tcp", "80,443/tcp", "6000:6007/udp", "5432/tcp from
// 10.0.0.0/8", or the name of an application. A port without a protocol is TCP;
// ufw itself would take both, and open UDP for a web server.
func ParseSpec(text string) (Spec, error) {
	what, from, limited := strings.Cut(strings.TrimSpace(text), " from ")
	spec, err := parseWhat(strings.TrimSpace(what))
	if err != nil || !limited {
		return spec, err
	}
	spec.From, err = parseFrom(strings.TrimSpace(from))
	return spec, err
}

func parseWhat(what string) (Spec, error) {
	if what == "" {
		return Spec{}, errors.New("is empty")
	}
	if what[0] < '0' || what[0] > '9' {
		if !appName.MatchString(what) {
			return Spec{}, fmt.Errorf("%q is neither a port nor the name of an application", what)
		}
		return Spec{App: what}, nil
	}
	ports, proto, named := strings.Cut(what, "/")
	if !named {
		proto = "tcp"
	}
	if proto != "tcp" && proto != "udp" {
		return Spec{}, fmt.Errorf("%q is no protocol that has ports", proto)
	}
	return Spec{Ports: sortPorts(ports), Proto: proto}, checkPorts(ports)
}

// sortPorts brings ports into the order in which ufw keeps them, whatever it is
// told: by it a rule is known again.
func sortPorts(ports string) string {
	all := strings.Split(ports, ",")
	first := func(part string) int {
		low, _, _ := strings.Cut(part, ":")
		n, _ := strconv.Atoi(low) // what is none is refused by checkPorts
		return n
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(first(a), first(b)), cmp.Compare(a, b)) })
	return strings.Join(slices.Compact(all), ",")
}

// appName is what ufw takes for the name of an application: not what a shell, a
// terminal or ufw's own grammar would take for something else.
var appName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 _.+-]*$`)

// portsLimit is how many ports one rule can name, a range being two (ufw(8)).
const portsLimit = 15

func checkPorts(ports string) error {
	count := 0
	for part := range strings.SplitSeq(ports, ",") {
		first, last, isRange := strings.Cut(part, ":")
		low, err := parsePort(first)
		count++
		if isRange && err == nil {
			count++
			var high int
			if high, err = parsePort(last); err == nil && high <= low {
				err = fmt.Errorf("%q is no range, since it does not rise", part)
			}
		}
		if err != nil {
			return err
		}
	}
	if count > portsLimit {
		return fmt.Errorf("%q names more than %d ports", ports, portsLimit)
	}
	return nil
}

func parsePort(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '0' {
		return 0, fmt.Errorf("%q is no port from 1 to 65535", text)
	}
	return int(n), nil
}

func parseFrom(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, fmt.Errorf("%q is no address and no network", text)
	case p.Bits() == 0:
		return p, fmt.Errorf("%q is everybody: leave \"from %s\" out", text, text)
	case p != p.Masked():
		return p, fmt.Errorf("%q is no network: the part behind /%d must be zero, as in %s", text, p.Bits(), p.Masked())
	}
	return p, nil
}

// String writes the entry as ParseSpec reads it.
func (s Spec) String() string {
	text := s.App
	if text == "" {
		text = s.Ports + "/" + s.Proto
	}
	if s.From.IsValid() {
		text += " from " + s.from()
	}
	return text
}

func (s Spec) from() string {
	if s.From.IsSingleIP() {
		return s.From.Addr().String()
	}
	return s.From.String()
}

// argv is ufw's command line for a rule, with a verb ("prepend", "delete") or
// without. There is no shell behind it.
func (s Spec) argv(verb, action, comment string) []string {
	argv := []string{"ufw"}
	if verb != "" {
		argv = append(argv, verb)
	}
	argv = append(argv, action)
	switch {
	case s.From.IsValid() && s.App != "":
		argv = append(argv, "from", s.from(), "to", "any", "app", s.App)
	case s.From.IsValid():
		argv = append(argv, "proto", s.Proto, "from", s.from(), "to", "any", "port", s.Ports)
	case s.App != "":
		argv = append(argv, s.App)
	default:
		argv = append(argv, s.Ports+"/"+s.Proto)
	}
	if comment != "" {
		argv = append(argv, "comment", comment)
	}
	return argv
}

// families are those that a rule holds for: 4, 6, or both.
func (s Spec) families(ipv6 bool) []int {
	switch {
	case s.From.IsValid() && s.From.Addr().Is4():
		return []int{4}
	case s.From.IsValid():
		return []int{6}
	case ipv6:
		return []int{4, 6}
	}
	return []int{4}
}
