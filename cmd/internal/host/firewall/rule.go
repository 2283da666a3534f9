package firewall

import (
	"encoding/hex"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Rule is one rule of ufw, as the lines "### tuple ###" of its user.rules tell
// it. They hold whether ufw is on or off.
type Rule struct {
	Action    string       `json:"action"` // allow, deny, reject or limit
	Proto     string       `json:"proto"`  // tcp, udp, any, or one without ports
	Ports     string       `json:"ports"`  // "22", "80,443", "6000:6007", "any"
	To        netip.Prefix `json:"to,omitzero"`
	From      netip.Prefix `json:"from,omitzero"`
	FromPorts string       `json:"from_ports,omitempty"` // "" for any
	App       string       `json:"app,omitempty"`
	Direction string       `json:"direction"`           // in, out or routed
	Interface string       `json:"interface,omitempty"` // "" for all
	Comment   string       `json:"comment,omitempty"`
	Family    int          `json:"family"` // 4 or 6
}

// parseRules reads the rules of one family in their order. The fields are action,
// protocol, port, destination, source port, source, names of applications if
// there are any, direction, and a comment in hex.
func parseRules(text string, family int) []Rule {
	var rules []Rule
	for line := range strings.Lines(text) {
		tuple, found := strings.CutPrefix(strings.TrimSpace(line), "### tuple ### ")
		if !found {
			continue
		}
		if r, ok := parseTuple(strings.Fields(tuple)); ok {
			r.Family = family
			rules = append(rules, r)
		}
	}
	return rules
}

func parseTuple(f []string) (r Rule, ok bool) {
	if last := len(f) - 1; last > 0 && strings.HasPrefix(f[last], "comment=") {
		text, err := hex.DecodeString(strings.TrimPrefix(f[last], "comment="))
		if err == nil {
			r.Comment = string(text)
		}
		f = f[:last]
	}
	if len(f) != 7 && len(f) != 9 {
		return r, false
	}
	r.Action, r.Direction, r.Interface = direction(f[0], f[len(f)-1])
	r.Action, _, _ = strings.Cut(r.Action, "_") // "allow_log", "allow_log-all"
	r.Proto, r.Ports = f[1], f[2]
	if f[4] != "any" {
		r.FromPorts = f[4]
	}
	if len(f) == 9 && f[6] != "-" {
		r.App = strings.ReplaceAll(f[6], "%20", " ")
	}
	var toOK, fromOK bool
	r.To, toOK = prefixOf(f[3])
	r.From, fromOK = prefixOf(f[5])
	return r, toOK && fromOK
}

// direction reads "in", "out_eth0", "in_eth0!out_eth1", and "route:" in front of
// the action.
func direction(action, where string) (bare, way, card string) {
	way, card, _ = strings.Cut(where, "_")
	if bare, routed := strings.CutPrefix(action, "route:"); routed {
		return bare, "routed", card
	}
	return action, way, card
}

// prefixOf reads a network; everybody is the zero one.
func prefixOf(text string) (netip.Prefix, bool) {
	if text == "any" {
		return netip.Prefix{}, true
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Bits() == 0 {
		p = netip.Prefix{}
	}
	return p, err == nil
}

// is tells whether a rule is the one that an entry would make, whatever its
// action: ufw then changes the rule that is there, and its comment.
func (r Rule) is(s Spec) bool {
	if r.Direction != "in" || r.Interface != "" || r.FromPorts != "" || r.To.IsValid() || r.From != s.From {
		return false
	}
	if s.App != "" {
		return r.App == s.App
	}
	return r.App == "" && r.Ports == s.Ports && r.Proto == s.Proto
}

// opens tells whether the action lets packets through.
func (r Rule) opens() bool { return r.Action == "allow" || r.Action == "limit" }

// covers tells whether a rule is about a TCP port of this host, from wherever.
func (r Rule) covers(port int) bool {
	return r.Direction == "in" && (r.Proto == "any" || r.Proto == "tcp") && r.FromPorts == "" && portIn(r.Ports, port)
}

func portIn(ports string, port int) bool {
	return slices.ContainsFunc(rangesOf(ports), func(r portRange) bool { return r.low <= port && port <= r.high })
}

// portRange is one port, or all from one to another.
type portRange struct{ low, high int }

// rangesOf reads "22", "80,443", "6000:6007" and "any"; what is none is left out.
func rangesOf(ports string) []portRange {
	if ports == "any" {
		return []portRange{{1, math.MaxUint16}}
	}
	var all []portRange
	for part := range strings.SplitSeq(ports, ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		low, err := strconv.Atoi(first)
		high, highErr := strconv.Atoi(last)
		if err == nil && highErr == nil {
			all = append(all, portRange{low, high})
		}
	}
	return all
}

// overlap tells whether two lists of ports have one in common.
func overlap(one, other string) bool {
	return slices.ContainsFunc(rangesOf(one), func(a portRange) bool {
		return slices.ContainsFunc(rangesOf(other), func(b portRange) bool { return a.low <= b.high && b.low <= a.high })
	})
}

// everybody tells whether a rule is about all clients of this host, on whatever way
// they come.
func (r Rule) everybody() bool {
	return r.Direction == "in" && !r.From.IsValid() && !r.To.IsValid() && r.Interface == "" && r.FromPorts == ""
}

// answer is what the rules say about a port.
type answer struct {
	decided bool // a rule is about everybody, or about the client that was asked for
	open    bool
	rule    Rule // that decided
	partly  bool // some are let in by a rule that stands before, by address or interface
}

// ask finds the first rule that decides about a TCP port, as the kernel would
// for a new connection from a client; the zero address is a client anywhere.
func ask(rules []Rule, family, port int, client netip.Addr) answer {
	var a answer
	for _, r := range rules {
		if r.Family != family || !r.covers(port) {
			continue
		}
		if r.everybody() || r.From.IsValid() && r.From.Contains(client) && r.Interface == "" {
			a.decided, a.open, a.rule = true, r.opens(), r
			return a
		}
		a.partly = a.partly || r.opens()
	}
	return a
}

// String writes a rule as one would say it.
func (r Rule) String() string {
	what := r.App
	if what == "" {
		what = r.Ports
		if r.Proto != "any" {
			what += "/" + r.Proto
		}
	}
	words := []string{r.Action, r.Direction, what}
	if r.Interface != "" {
		words = append(words, "on", r.Interface)
	}
	if r.From.IsValid() {
		words = append(words, "from", r.From.String())
	}
	if r.To.IsValid() {
		words = append(words, "to", r.To.String())
	}
	return strings.Join(words, " ")
}
