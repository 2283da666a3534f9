package apache

import (
	"cmp"
	"fmt"
	"strings"
)

// authorization are the directives of a scope that say who may come.
func authorization(scope []*Directive) []*Directive {
	return named(scope, "Require", "RequireAll", "RequireAny", "RequireNone", "Order", "Allow", "Deny", "Satisfy", "SSLRequireSSL", "SSLVerifyClient", "SSLRequire")
}

// admission is who may come, in gateway's terms.
type admission struct {
	allow, deny []string
	login       bool  // a password is asked for
	everybody   bool  // said in so many words
	err         error // something that gateway can't ask
}

// access writes who may come. What can't be carried lets nobody in: a rule that
// is lost must not open what it kept closed.
func (b *builder) access(t *table, sections, all []*Directive) {
	verify := b.host.last("SSLVerifyClient")
	if verify != nil && asksForCertificate(verify) {
		b.shut(t, verify, fmt.Errorf("gateway asks no client for a certificate"))
		return
	}
	if len(sections) == 0 {
		return
	}
	g := guardOf(sections)
	from := g.directives()
	a := b.admitted(g)
	if a.login {
		b.login(t, all, from, &a)
	}
	if a.err != nil {
		for _, d := range from {
			b.shut(t, d, a.err)
		}
		return
	}
	b.ledger.carried(g.sections...)
	if len(a.allow) > 0 {
		t.set("allow", a.allow, from...)
	}
	if len(a.deny) > 0 {
		t.set("deny", a.deny, from...)
	}
	if len(a.allow)+len(a.deny) == 0 {
		for _, d := range from {
			b.ledger.notNeeded(d, "everybody may come unless allow or deny say otherwise")
		}
	}
}

// shut lets nobody in for want of a rule that can't be carried.
func (b *builder) shut(t *table, d *Directive, err error) {
	b.ledger.lost(d, err.Error()+"; so that nobody gets in who should not, these paths are closed to all", `write allow or auth_file in place of deny = ["all"]`)
	for _, key := range []string{"allow", "auth_file", "auth_realm"} {
		t.drop(key)
	}
	t.set("deny", []string{"all"}, d)
}

// clients are those that Allow or Deny lines name.
type clients struct {
	networks []string
	all      bool
	err      error // of a word that gateway can't tell clients by
}

func (c clients) none() bool { return !c.all && c.err == nil && len(c.networks) == 0 }

// ordered reads Order, Allow and Deny. A word that gateway can't ask closes the
// paths only where it decides.
func ordered(ds []*Directive) admission {
	allow, deny := clientsOf(named(ds, "Allow")), clientsOf(named(ds, "Deny"))
	order := "deny,allow"
	if d := lastOf(ds, "Order"); d != nil {
		order = strings.ToLower(strings.Join(d.Args, ""))
	}
	switch {
	case order == "deny,allow":
		return denyThenAllow(allow, deny)
	case deny.all || allow.none():
		return admission{deny: []string{"all"}}
	case allow.all:
		return admission{deny: deny.networks, err: deny.err}
	}
	return admission{allow: allow.networks, deny: deny.networks, err: cmp.Or(allow.err, deny.err)}
}

// denyThenAllow lets in whoever is allowed, and whoever is not denied.
func denyThenAllow(allow, deny clients) admission {
	switch {
	case allow.all || deny.none():
		return admission{everybody: true}
	case deny.all && allow.none():
		return admission{deny: []string{"all"}}
	case deny.all:
		return admission{allow: allow.networks, err: allow.err}
	case allow.none():
		return admission{deny: deny.networks, err: deny.err}
	}
	return admission{err: fmt.Errorf("gateway's deny goes before its allow, and here it is the other way round")}
}

func clientsOf(ds []*Directive) (c clients) {
	for _, d := range ds {
		for _, word := range d.Args[min(1, len(d.Args)):] {
			switch {
			case strings.EqualFold(word, "all"):
				c.all = true
			case strings.EqualFold(word, "localhost"):
				c.networks = append(c.networks, thisMachine()...)
			case strings.Contains(word, "="):
				c.err = fmt.Errorf("gateway knows no variables of a request")
			default:
				network, ok := parseNetwork(word)
				if !ok {
					c.err = fmt.Errorf("%s is no address; gateway looks no names up", word)
				}
				c.networks = append(c.networks, network)
			}
		}
	}
	return c
}

// login is HTTP Basic with a file of passwords.
func (b *builder) login(t *table, all, from []*Directive, a *admission) {
	kind, file, realm := lastOf(all, "AuthType"), lastOf(all, "AuthUserFile"), lastOf(all, "AuthName")
	switch provider := lastOf(all, "AuthBasicProvider"); {
	case kind == nil || !strings.EqualFold(kind.arg(0), "basic"):
		a.err = fmt.Errorf("gateway knows logins by HTTP Basic only")
	case provider != nil && !strings.EqualFold(strings.Join(provider.Args, ""), "file"):
		a.err = fmt.Errorf("gateway takes passwords from a file only")
	case file == nil:
		a.err = fmt.Errorf("no AuthUserFile says who has which password")
	default:
		t.set("auth_file", b.absolute(file.arg(0)), append([]*Directive{file, kind}, from...)...)
		if realm != nil {
			t.set("auth_realm", realm.arg(0), realm)
		}
		b.ledger.carried(from...)
		if provider != nil {
			b.ledger.carried(provider)
		}
	}
}
