package apache

import (
	"fmt"
	"strings"
)

// anyOf joins directives of which one is enough, as httpd does unless it is told
// otherwise.
func anyOf(ds []*Directive) admission {
	if len(ds) == 1 {
		return required(ds[0])
	}
	var sum admission
	asked := 0
	for _, d := range ds {
		a := required(d)
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
func allOf(ds []*Directive) admission {
	var sum admission
	for _, d := range ds {
		a := required(d)
		switch {
		case a.err != nil:
			return a
		case len(sum.allow) > 0 && len(a.allow) > 0:
			return admission{err: fmt.Errorf("gateway can't ask for two lists of addresses at once")}
		}
		sum.allow = append(sum.allow, a.allow...)
		sum.deny = append(sum.deny, a.deny...)
		sum.login = sum.login || a.login
	}
	sum.everybody = len(sum.allow)+len(sum.deny) == 0 && !sum.login
	return sum
}

// required is what one Require, or a section of them, asks for.
func required(d *Directive) admission {
	switch {
	case d.Is("RequireAll"):
		return allOf(d.Children)
	case d.Is("RequireAny"):
		return anyOf(d.Children)
	case d.Is("RequireNone"):
		a := anyOf(d.Children)
		if a.err != nil || a.login || len(a.deny) > 0 {
			return admission{err: fmt.Errorf("gateway has no like for this <RequireNone>")}
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
	a := entity(args, d)
	if negated && a.err == nil {
		if a.login || a.everybody || len(a.deny) > 0 {
			return admission{err: fmt.Errorf("gateway has no like for %s", d)}
		}
		return admission{deny: a.allow}
	}
	return a
}

func entity(args []string, d *Directive) admission {
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
		return admission{allow: []string{"127.0.0.0/8", "::1"}}
	case "valid-user":
		return admission{login: true}
	case "ssl":
		return admission{everybody: true}
	}
	return admission{err: fmt.Errorf("gateway can't ask for %s", d)}
}
