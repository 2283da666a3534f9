package certs

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// changeObtain has a store obtain a certificate from the CA, and stops it.
func changeObtain(t *testing.T, ca *pebble, state string, site Site) (shown Status) {
	t.Helper()
	t.Run("obtain", func(t *testing.T) {
		store, _ := acmeStore(t, state, site)
		ca.front(t, store, true)
		pkiRunning(t, store)
		acmeEventually(t, "a certificate is there", func() bool { return !store.Status()[0].Placeholder })
		shown = store.Status()[0]
	})
	return shown
}

func TestACME_ShowsWhatItHasUntilAnotherCAHasAnswered(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine, func(t *testing.T) {
			old, next := pebbleStart(t, pebbleOptions{}), pebbleStart(t, pebbleOptions{})
			state, name := t.TempDir(), pebbleName(t)
			before := changeObtain(t, old, state, old.site(name, old.acme(engine)))
			front := newFaultyCA(t, next)
			front.refuse("/order-plz", 500, "serverInternal", nil)
			settings := next.acme(engine)
			settings.Directory, settings.CAFile = front.directory, front.caFile
			store, _ := acmeStore(t, state, next.site(name, settings))
			address := next.front(t, store, true)
			pkiRunning(t, store)
			acmeEventually(t, "the new CA has failed", func() bool { return len(store.Status()[0].Refused) > 0 })
			status := store.Status()[0]
			if status.SHA256 != before.SHA256 || status.Placeholder || len(status.Problems) != 1 ||
				!strings.Contains(status.Problems[0].Error(), "a certificate from before is shown until the CA localhost:") {
				t.Errorf("%+v", status)
			}
			if !accepted(address, name, old.roots(t)) {
				t.Error("clients are refused while a good certificate lies on the disk")
			}
			if found := store.Compare(t.Context(), nil); len(found) > 0 {
				t.Errorf("%+v", found)
			}
			front.none()
			if err := store.Renew(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			if status := store.Status()[0]; len(status.Problems)+len(status.Refused) > 0 || !accepted(address, name, next.roots(t)) {
				t.Errorf("%+v", status)
			}
		})
	}
}

func TestACME_ShowsTheOldKindOfKeyUntilTheNewOneIsThere(t *testing.T) {
	t.Parallel()
	ca := pebbleStart(t, pebbleOptions{})
	state, site := t.TempDir(), ca.site(pebbleName(t), ca.acme(EngineCertmagic))
	before := changeObtain(t, ca, state, site)
	site.ACME.KeyType = KeyRSA
	store, _ := acmeStore(t, state, site)
	if status := store.Status()[0]; status.SHA256 != before.SHA256 || status.Placeholder {
		t.Errorf("%+v", status)
	}
}

func TestACME_AnotherEngineGoesOnWithTheSameCertificate(t *testing.T) {
	t.Parallel()
	for engine, other := range map[string]string{EngineCertmagic: EngineAutocert, EngineAutocert: EngineCertmagic} {
		t.Run(engine+" to "+other, func(t *testing.T) {
			ca := pebbleStart(t, pebbleOptions{})
			state, name := t.TempDir(), pebbleName(t)
			before := changeObtain(t, ca, state, ca.site(name, ca.acme(engine)))
			store, _ := acmeStore(t, state, ca.site(name, ca.acme(other)))
			pkiRunning(t, store)
			status := store.Status()[0]
			if status.SHA256 != before.SHA256 || len(status.Problems) > 0 || status.Renew.Before(time.Now()) {
				t.Errorf("%+v", status)
			}
			if n := ca.log.count("Added order"); n != 1 {
				t.Errorf("%d orders", n)
			}
		})
	}
}

func TestACME_ShowsInstalledFilesUntilTheCAHasAnswered(t *testing.T) {
	t.Parallel()
	root, name := pkiRoot(t, "Root"), "files.example.com"
	folder := pkiInstall(t, root.issue(t, nil, []string{name}), root.cert)
	store, _ := acmeStore(t, t.TempDir(), pkiSite(name, folder))
	before := store.Status()[0]
	site := Site{Name: name, Config: Config{Certificate: FromACME}, ACME: ACME{Engine: EngineCertmagic, KeyType: KeyECDSA, Directory: "https://localhost:1/dir"}}
	for i := range 3 { // also when it is changed again before the CA has answered
		site.ACME.Email = fmt.Sprintf("admin%d@example.com", i)
		if err := store.Apply(t.Context(), []Site{site}); err != nil {
			t.Fatal(err)
		}
		if status := store.Status()[0]; status.SHA256 != before.SHA256 || status.Placeholder || !strings.Contains(joined(status.Problems, Warning).Error(), "from before is shown") {
			t.Errorf("%+v", status)
		}
	}
}

func TestACME_TellsTheCAWhichCertificateAnOrderReplaces(t *testing.T) {
	t.Parallel()
	ca := pebbleStart(t, pebbleOptions{})
	name := pebbleName(t)
	store, _ := acmeStore(t, t.TempDir(), ca.site(name, ca.acme(EngineCertmagic)))
	ca.front(t, store, true)
	pkiRunning(t, store)
	acmeEventually(t, "a certificate is there", func() bool { return !store.Status()[0].Placeholder })
	// Pebble knows only a moment later which order a certificate comes from.
	acmeEventually(t, "an order says what it replaces", func() bool {
		if err := store.Renew(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		return ca.log.count("is a replacement of") > 0
	})
}

func TestACME_OrdersAlsoWhereTheCADoesNotKnowWhatIsReplaced(t *testing.T) {
	t.Parallel()
	first, second := pebbleStart(t, pebbleOptions{}), pebbleStart(t, pebbleOptions{})
	front, name := newFaultyCA(t, first), pebbleName(t)
	settings := first.acme(EngineCertmagic)
	settings.Directory, settings.CAFile = front.directory, front.caFile
	store, _ := acmeStore(t, t.TempDir(), first.site(name, settings))
	first.front(t, store, true)
	second.front(t, store, true)
	pkiRunning(t, store)
	acmeEventually(t, "a certificate is there", func() bool { return !store.Status()[0].Placeholder })
	before := store.Status()[0]
	front.passTo(t, second) // has issued nothing yet, and has no account
	front.set(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "renewalInfo") { // but does not say so when it is asked
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"suggestedWindow": {"start": %q, "end": %q}}`, before.NotBefore.Format(time.RFC3339), before.NotAfter.Format(time.RFC3339))
			return true
		}
		return false
	})
	if err := store.Renew(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}
