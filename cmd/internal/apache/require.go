package apache

import (
	"fmt"
	"slices"
	"strings"
)

// transport is how the clients of a host come.
type transport struct {
	tls   bool
	plain bool // without TLS too, on the same address
}

// encrypted lets in who comes over TLS.
func (via transport) encrypted() admission {
	switch {
	case !via.tls:
		return admission{deny: []string{"all"}}
	case via.plain:
		return admission{err: fmt.Errorf("gateway can't ask for TLS where it answers without too")}
	}
	return admission{everybody: true}
}

// anyOf joins directives of which one is enough, as httpd does unless it is told
// otherwise.
func (via transport) anyOf(ds []*Directive) admission {
	if len(ds) == 1 {
		return via.required(ds[0])
	}
	var sum admission
	asked := 0
	for _, d := range ds {
		a := via.required(d)
		switch {
		case a.err != nil:
			sum.err = a.err
			continue
		case a.everybody:
			return admission{everybody: true}
		case len(a.deny) == 1 && a.deny[0] == "all":
			continue // nobody, or one of the others
		case len(a.deny) > 0:
			sum.err = fmt.Errorf("gateway can't let in whoever is not one of some, or one of others")
		}
		asked++
		sum.allow = append(sum.allow, a.allow...)
		sum.login = sum.login || a.login
	}
	if sum.login && len(sum.allow) > 0 {
		sum.err = fmt.Errorf("gateway asks for the address and the password, not for one of them")
	}
	if asked == 0 && len(ds) > 0 && sum.err == nil {
		sum.deny = []string{"all"}
	}
	return sum
}

// allOf joins directives that must all hold.
func (via transport) allOf(ds []*Directive) admission {
	sum := admission{everybody: true}
	for _, d := range ds {
		sum = sum.and(via.required(d))
	}
	return sum
}

// and lets in whom both let in.
func (a admission) and(other admission) admission {
	switch {
	case a.err != nil:
		return a
	case other.err != nil:
		return other
	case len(a.allow) > 0 && len(other.allow) > 0:
		return admission{err: fmt.Errorf("gateway can't ask for two lists of addresses at once")}
	}
	sum := admission{allow: slices.Concat(a.allow, other.allow), deny: slices.Concat(a.deny, other.deny), login: a.login || other.login}
	sum.everybody = len(sum.allow)+len(sum.deny) == 0 && !sum.login
	return sum
}

// required is what one Require, or a section of them, asks for.
func (via transport) required(d *Directive) admission {
	switch {
	case d.Is("RequireAll"):
		return via.allOf(d.Children)
	case d.Is("RequireAny"):
		return via.anyOf(d.Children)
	case d.Is("RequireNone"):
		a := via.anyOf(d.Children)
		if a.err != nil || a.login || len(a.deny) > 0 {
			return admission{err: fmt.Errorf("gateway has no like for this <RequireNone>")}
		}
		if a.everybody {
			return admission{deny: []string{"all"}}
		}
		return admission{deny: a.allow}
	case !d.Is("Require"):
		return admission{err: fmt.Errorf("gateway has no like for %s", d)}
	}
	args := d.Args
	negated := strings.EqualFold(argAt(args, 0), "not")
	if negated {
		args = args[1:]
	}
	a := via.entity(args, d)
	if negated && a.err == nil {
		if a.login || a.everybody || len(a.deny) > 0 {
			return admission{err: fmt.Errorf("gateway has no like for %s", d)}
		}
		return admission{deny: a.allow}
	}
	return a
}

func (via transport) entity(args []string, d *Directive) admission {
	rest := args[min(1, len(args)):]
	switch strings.ToLower(argAt(args, 0)) {
	case "all":
		if strings.EqualFold(argAt(rest, 0), "granted") {
			return admission{everybody: true}
		}
		return admission{deny: []string{"all"}}
	case "ip":
		networks, err := parseNetworks(rest)
		return admission{allow: networks, err: err}
	case "local":
		return admission{allow: thisMachine()}
	case "host", "forward-dns":
		if len(rest) == 1 && strings.EqualFold(rest[0], "localhost") {
			return admission{allow: thisMachine()}
		}
	case "valid-user":
		return admission{login: true}
	case "ssl":
		return via.encrypted()
	}
	return admission{err: fmt.Errorf("gateway can't ask for %s", d)}
}
