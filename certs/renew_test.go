package certs

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// renewSlowCA takes a minute for an order.
type renewSlowCA struct{ *downtimeCA }

func (s renewSlowCA) order(ctx context.Context, o order) ([]byte, error) {
	time.Sleep(time.Minute) // of the bubble's clock
	return s.downtimeCA.order(ctx, o)
}

func TestRenew_WhoAsksWhileAnOrderIsMadeIsContentWithIt(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]bool{"it succeeds": false, "it fails": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, ca := downtimeManaged(t, t.TempDir())
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); m.run(ctx, renewSlowCA{ca}) }()
				time.Sleep(2 * time.Minute)
				ca.asked.Store(0)
				ca.down.Store(down)
				asked, results := time.Now(), make(chan error, 4)
				for range cap(results) {
					go func() { results <- m.renewNow(ctx, asked) }()
				}
				for range cap(results) {
					if err := <-results; (err != nil) != down {
						t.Errorf("told %v", err)
					}
				}
				if n := ca.asked.Load(); n != 1 {
					t.Errorf("%d orders", n)
				}
				if err := m.renewNow(ctx, time.Now()); (err != nil) != down || ca.asked.Load() != 2 {
					t.Errorf("who asks afterwards is told %v after %d orders", err, ca.asked.Load())
				}
				cancel()
				<-done
			})
		})
	}
}

func TestRenew_OfANameOnTwoSitesMakesOneOrderForBoth(t *testing.T) {
	t.Parallel()
	ca := pebbleStart(t, pebbleOptions{})
	first, second := ca.site(pebbleName(t), ca.acme(EngineCertmagic)), ca.site(pebbleName(t), ca.acme(EngineCertmagic))
	second.Endpoints = []string{"127.0.0.1:7879"}
	store, _ := acmeStore(t, t.TempDir(), first, second)
	ca.front(t, store, true)
	pkiRunning(t, store)
	same := func() bool {
		all := store.Status()
		return !all[0].Placeholder && all[0].SHA256 == all[1].SHA256
	}
	acmeEventually(t, "both show the certificate", same)
	before := ca.log.count("Issued certificate")
	shown := store.Status()[0]
	acmeEventually(t, "a second has passed, so that the next is newer", func() bool { return time.Since(shown.NotBefore) > 2*time.Second })
	if err := store.Renew(t.Context(), first.Name); err != nil {
		t.Fatal(err)
	}
	if !same() || store.Status()[0].SHA256 == shown.SHA256 {
		t.Errorf("%+v", store.Status())
	}
	if n := ca.log.count("Issued certificate") - before; n != 1 {
		t.Errorf("%d certificates were issued", n)
	}
	if subject := store.Status()[0].Chain[0]; subject != first.Name {
		t.Errorf("the certificate is called %q", subject)
	}
}

func TestRenew_PassesOverInstalledFilesOfTheSameName(t *testing.T) {
	t.Parallel()
	folder := pkiInstall(t, pkiRoot(t, "Root").issue(t, nil, []string{"api.example.com"}))
	files, local := pkiSite("api.example.com", folder), Site{Name: "api.example.com", Config: Config{Certificate: FromLocal}}
	files.Endpoints, local.Endpoints = []string{":443"}, []string{":7879"}
	store, _ := acmeStore(t, t.TempDir(), files, local)
	before := store.Status()[1].SHA256
	if err := store.Renew(t.Context(), "api.example.com"); err != nil || store.Status()[1].SHA256 == before {
		t.Errorf("not renewed: %v", err)
	}
}

func TestLocal_SitesOfOneNameKeepTheirOwnCertificates(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	site := func(endpoint string, aliases ...string) Site {
		return Site{Name: "api.example.com", Aliases: aliases, Endpoints: []string{endpoint}, Config: Config{Certificate: FromLocal}}
	}
	sites := []Site{site(":443", "a.example.com"), site(":7879", "b.example.com"), site(":7880")}
	store, _ := acmeStore(t, state, sites...)
	if found := store.Compare(t.Context(), nil); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	again, _ := acmeStore(t, state, sites...)
	for i, status := range store.Status() {
		if again.Status()[i].SHA256 != status.SHA256 {
			t.Errorf("made anew for %v", status.Names)
		}
	}
}

func TestACME_NamesThatNoCACertifiesAreToldBeforeAnOrder(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, name := range []string{"under_score.example.com", "-x.example.com", "x-.example.com", long + ".example.com", "xn--zzzzzzzzz.example"} {
		var told []string
		DefaultACME().ValidateNames([]string{"api.example.com", name}, func(key, wrong, instead string) { told = append(told, key+": "+wrong) })
		if len(told) != 1 || !strings.HasPrefix(told[0], "aliases[0]: ") || !strings.Contains(told[0], "is no name that a CA certifies") {
			t.Errorf("%s: %q", name, told)
		}
	}
	for _, name := range []string{"api.example.com", "API.Example.com.", "xn--mnchen-3ya.example", long[1:] + ".example.com", "3com.example", "localhost",
		"a..example.com", ".example.com", "a b.example.com", "x.example.com:443"} { // the last four are told as no host names
		DefaultACME().ValidateNames([]string{name}, func(key, wrong, instead string) { t.Error(key, wrong) })
	}
}

func TestPhone_TheCommandForASiteHasItsPort(t *testing.T) {
	for want, endpoints := range map[string][]string{
		"`gateway wechat check api.example.com:7879`": {":7879", "[::1]:8443"},
		"`gateway wechat check api.example.com`":      {":7879", ":443"},
	} {
		site := Site{Name: "API.example.com", Endpoints: endpoints, ACME: DefaultACME(), Config: Config{Certificate: FromACME}}
		if seen := (Phone{Now: time.Now()}).Site(site, t.TempDir())[0][0].Seen; !strings.Contains(seen, want) {
			t.Error(seen)
		}
	}
}

func TestRenew_TakesEveryNameThatTheCertificateIsGoodForHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	site := Site{Name: "xn--mnchen-3ya.example", Aliases: []string{"*.w.example"}, Config: Config{Certificate: FromLocal}}
	store, _ := acmeStore(t, t.TempDir(), site)
	for _, name := range []string{"münchen.example", "MÜNCHEN.example.", "XN--mnchen-3ya.example", "*.w.example", "a.w.example", "localhost", "[::1]"} {
		before := store.Status()[0]
		if !before.Is(name) {
			t.Errorf("%s is not found", name)
		}
		if err := store.Renew(t.Context(), name); err != nil || store.Status()[0].SHA256 == before.SHA256 {
			t.Errorf("%s is not renewed: %v", name, err)
		}
	}
	for _, name := range []string{"example", "w.example", "a.b.w.example", "", "."} {
		if store.Status()[0].Is(name) {
			t.Errorf("%q is found", name)
		}
		if err := store.Renew(t.Context(), name); err == nil {
			t.Errorf("%q is renewed", name)
		}
	}
}
