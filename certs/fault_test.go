package certs

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// faultyCA stands before a CA and answers in its place when a test wants it to.
type faultyCA struct {
	directory, caFile string
	answer            atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool] // true: it has answered
	behind            atomic.Pointer[httputil.ReverseProxy]
}

func newFaultyCA(t testing.TB, behind *pebble) *faultyCA {
	t.Helper()
	f := &faultyCA{}
	f.none()
	f.passTo(t, behind)
	address, caFile := faultServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !(*f.answer.Load())(w, r) {
			f.behind.Load().ServeHTTP(w, r)
		}
	}))
	f.directory, f.caFile = address+"/dir", caFile
	return f
}

// passTo puts another CA behind the same URL.
func (f *faultyCA) passTo(t testing.TB, behind *pebble) {
	t.Helper()
	target, err := url.Parse(strings.TrimSuffix(behind.directory, "/dir"))
	if err != nil {
		t.Fatal(err)
	}
	f.behind.Store(&httputil.ReverseProxy{Transport: behind.client.Transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // what is signed holds it
	}})
}

// faultServer serves HTTPS for localhost.
func faultServer(t testing.TB, handler http.Handler) (address, caFile string) {
	t.Helper()
	ca := pkiRoot(t, "Directory CA")
	leaf := ca.issue(t, nil, []string{"localhost"})
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}}}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.StartTLS()
	t.Cleanup(server.Close)
	folder := t.TempDir()
	pkiWrite(t, folder, map[string]string{"ca.pem": pkiPEM(ca.cert)})
	return fmt.Sprintf("https://localhost:%d", server.Listener.Addr().(*net.TCPAddr).Port), filepath.Join(folder, "ca.pem")
}

func (f *faultyCA) none() { f.set(func(http.ResponseWriter, *http.Request) bool { return false }) }

func (f *faultyCA) set(answer func(http.ResponseWriter, *http.Request) bool) { f.answer.Store(&answer) }

// refuse answers every request to a path with a problem document, and counts them.
func (f *faultyCA) refuse(path string, status int, kind string, header map[string]string) *atomic.Int64 {
	var asked atomic.Int64
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, path) {
			return false
		}
		asked.Add(1)
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Replay-Nonce", fmt.Sprintf("nonce%d", asked.Load()))
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type": %q, "status": %d, "detail": "in the words of the CA"}`, refusalNamespace+kind, status)
		return true
	})
	return &asked
}

// told runs a store with a site of its own until the failure of its order is told.
func (f *faultyCA) told(t *testing.T, behind *pebble, engine string) Status {
	t.Helper()
	settings := behind.acme(engine)
	settings.Directory, settings.CAFile = f.directory, f.caFile
	settings.Email = pebbleName(t)[:9] + "@example.com" // certmagic makes ten orders in ten seconds for one
	return faultTold(t, behind.site(pebbleName(t), settings), t.TempDir())
}

func faultTold(t *testing.T, site Site, state string) Status {
	t.Helper()
	store, _ := acmeStore(t, state, site)
	pkiRunning(t, store)
	acmeEventually(t, "the failure is told", func() bool { return len(store.Status()[0].Refused) > 0 })
	return store.Status()[0]
}

func TestFault_OfTheCAHasItsMessageAndIsNotAskedAgainAndAgain(t *testing.T) {
	t.Parallel()
	ca := pebbleStart(t, pebbleOptions{})
	const orders, accounts = "/order-plz", "/sign-me-up"
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			front := newFaultyCA(t, ca)
			for _, row := range []struct {
				path   string
				status int
				kind   string
				most   int64 // requests
				want   string
			}{
				{orders, 429, "rateLimited", 1, "too many certificates or failures lately: the CA localhost:"},
				{accounts, 429, "rateLimited", 1, "too many certificates or failures lately"},
				{orders, 400, "badNonce", 20, "the CA takes none of the numbers"},
				{orders, 403, "unauthorized", 1, "another server answered for the name"},
				{orders, 403, "caa", 1, "the DNS forbids this CA"},
				{orders, 400, "rejectedIdentifier", 1, "gives no certificate for this name"},
				{orders, 500, "serverInternal", 9, "the CA has a fault"},
				{orders, 400, "malformed", 1, "did not take the request"},
				{accounts, 403, "unauthorized", 1, "the CA gives no account"},
				{accounts, 403, "externalAccountRequired", 1, "eab_kid and eab_key_file"},
			} {
				t.Run(fmt.Sprint(row.path, " ", row.kind, row.status), func(t *testing.T) {
					asked := front.refuse(row.path, row.status, row.kind, nil)
					status := front.told(t, ca, engine)
					told := status.Refused[0].Error()
					if !strings.Contains(told, row.want) || !strings.Contains(told, "in the words of the CA") {
						t.Errorf("%q lacks %q", told, row.want)
					}
					if n := asked.Load(); n > row.most {
						t.Errorf("the CA was asked %d times", n)
					}
					if wait := time.Until(status.Renew); wait < 30*time.Second || wait > time.Minute {
						t.Errorf("tried again in %v", wait)
					}
				})
			}
		})
	}
}

func TestFault_ACAThatNamesATimeIsLeftAloneUntilThen(t *testing.T) {
	t.Parallel()
	ca := pebbleStart(t, pebbleOptions{})
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		for name, value := range map[string]string{
			"seconds":       "7200",
			"a date":        time.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat),
			"far too long":  "999999999",
			"nothing sound": "soon",
		} {
			t.Run(engine+" "+name, func(t *testing.T) {
				front := newFaultyCA(t, ca)
				front.refuse("/order-plz", 429, "rateLimited", map[string]string{"Retry-After": value})
				status := front.told(t, ca, engine)
				least, most, remedy := 119*time.Minute, 120*time.Minute, "wait until "+status.Renew.Local().Format("2006-01-02 15:04")
				switch name {
				case "far too long":
					least, most = longestPause-time.Minute, longestPause
				case "nothing sound":
					least, most, remedy = 30*time.Second, time.Minute, "wait; gateway does so by itself"
				}
				if wait := time.Until(status.Renew); wait < least || wait > most {
					t.Errorf("tried again in %v", wait)
				}
				if !strings.Contains(status.Refused[0].Remedy, remedy) {
					t.Error(status.Refused[0].Remedy)
				}
			})
		}
	}
}

func TestFault_ManyRefusedNoncesDoNotKeepACertificateAway(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine, func(t *testing.T) {
			ca := pebbleStart(t, pebbleOptions{nonceReject: 30})
			store, _ := acmeStore(t, t.TempDir(), ca.site(pebbleName(t), ca.acme(engine)))
			ca.front(t, store, true)
			pkiRunning(t, store)
			acmeEventually(t, "a certificate is shown", func() bool { return !store.Status()[0].Placeholder })
		})
	}
}

func TestFault_AWrongCustomerIsToldFromAWrongName(t *testing.T) {
	t.Parallel()
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	ca := pebbleStart(t, pebbleOptions{eabKID: "kid-1", eabKey: key})
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		for name, given := range map[string][2]string{"wrong id": {"kid-2", key}, "wrong key": {"kid-1", strings.Repeat("A", 64)}} {
			t.Run(engine+" "+name, func(t *testing.T) {
				settings := ca.acme(engine)
				settings.EABKeyID, settings.EABKeyFile = given[0], filepath.Join(t.TempDir(), "eab.key")
				pkiWrite(t, filepath.Dir(settings.EABKeyFile), map[string]string{"eab.key": given[1]})
				told := faultTold(t, ca.site(pebbleName(t), settings), t.TempDir()).Refused[0].Error()
				if !strings.Contains(told, "eab_kid") || !strings.Contains(told, "eab_key_file") || strings.Contains(told, given[1]) {
					t.Error(told)
				}
			})
		}
	}
}

func TestFault_OfTheWayFromTheCAIsToldInItsWords(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine+" a firewall cuts", func(t *testing.T) {
			ca := pebbleStart(t, pebbleOptions{})
			for _, l := range []net.Listener{ca.tls, ca.http} {
				go func() {
					for {
						conn, err := l.Accept()
						if err != nil {
							return
						}
						conn.Close()
					}
				}()
			}
			told := faultTold(t, ca.site(pebbleName(t), ca.acme(engine)), t.TempDir()).Refused[0].Error()
			if !strings.Contains(told, "let port 443 or 80 of "+pebbleName(t)+" lead here") {
				t.Error(told)
			}
		})
		t.Run(engine+" another server answers", func(t *testing.T) {
			ca := pebbleStart(t, pebbleOptions{})
			other, _ := acmeStore(t, t.TempDir(), Site{Name: pebbleName(t), Config: Config{Certificate: FromLocal}})
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
			server.Listener, server.TLS = ca.tls, &tls.Config{GetCertificate: other.Get, NextProtos: []string{acmeProtocol}}
			server.StartTLS()
			t.Cleanup(server.Close)
			site := ca.site(pebbleName(t), ca.acme(engine))
			site.Plain = nil
			told := faultTold(t, site, t.TempDir()).Refused[0].Error()
			if !strings.Contains(told, pebbleName(t)) || strings.Contains(told, "it is tried again by itself") {
				t.Error(told)
			}
		})
	}
}

func TestFault_ACAThatCannotBeAskedIsToldWithTheRemedy(t *testing.T) {
	t.Parallel()
	page := func(status int, kind, text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			fmt.Fprint(w, text)
		})
	}
	for name, row := range map[string]struct {
		handler http.Handler
		trusted bool
		want    string
	}{
		"its certificate is not trusted": {http.NotFoundHandler(), false, "write the root certificate of that CA as ca_file in [acme]"},
		"a web page":                     {page(200, "text/html", "<html>welcome</html>"), true, `it answers with something else (Content-Type "text/html")`},
		"a page that is not there":       {page(404, "text/html", "<html>"+strings.Repeat("not here ", 1000)), true, "it answers with status 404 Not Found"},
		"other JSON":                     {page(200, "application/json", `{"version": 1}`), true, "is not that of a CA's directory"},
		"a redirect to a log-in":         {http.RedirectHandler("/login", http.StatusFound), true, "cannot be asked"},
	} {
		for _, engine := range []string{EngineCertmagic, EngineAutocert} {
			t.Run(engine+" "+name, func(t *testing.T) {
				address, caFile := faultServer(t, row.handler)
				a := DefaultACME()
				a.Engine, a.Email, a.Directory = engine, "admin@example.com", address+"/dir"
				if row.trusted {
					a.CAFile = caFile
				}
				site := Site{Name: pebbleName(t), Config: Config{Certificate: FromACME}, ACME: a, Endpoints: []string{"127.0.0.1:1"}}
				told := faultTold(t, site, t.TempDir()).Refused[0].Error()
				if !strings.Contains(told, row.want) || len(told) > 600 {
					t.Errorf("%q lacks %q", told, row.want)
				}
			})
		}
	}
}

func TestFault_OfTheDiskIsToldAndNothingIsOrdered(t *testing.T) {
	t.Parallel()
	ca := pebbleStart(t, pebbleOptions{})
	for _, part := range []string{"attempts", "locks"} {
		for _, engine := range []string{EngineCertmagic, EngineAutocert} {
			t.Run(engine+" "+part, func(t *testing.T) {
				state := t.TempDir()
				site := ca.site(pebbleName(t), ca.acme(engine))
				store, _ := acmeStore(t, state, site)
				folder := filepath.Join(acmeFolder(state, site.ACME), part)
				if err := os.Remove(folder); err != nil {
					t.Fatal(err)
				}
				pkiWrite(t, filepath.Dir(folder), map[string]string{part: "in the place of a folder"})
				before := ca.log.count("Added order")
				pkiRunning(t, store)
				acmeEventually(t, "the failure is told", func() bool { return len(store.Status()[0].Refused) > 0 })
				if told := store.Status()[0].Refused[0].Error(); !strings.Contains(told, folder) || !strings.Contains(told, "let gateway read and write there") {
					t.Error(told)
				}
				if ca.log.count("Added order") != before {
					t.Error("ordered what could not be kept")
				}
			})
		}
	}
}

// faultSmallDisk is a file system of 512 KB, which needs root. No path leads to it
// but that of the descriptor which holds it, so it is gone with the process, however
// that ends.
func faultSmallDisk(t *testing.T) (folder string) {
	t.Helper()
	mounted := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", mounted).CombinedOutput(); err != nil {
		t.Skipf("a small file system cannot be mounted here (it takes root): %v %s", err, out)
	}
	root, err := os.Open(mounted)
	if out, unmountErr := exec.Command("umount", "--lazy", mounted).CombinedOutput(); unmountErr != nil {
		t.Errorf("umount: %v %s", unmountErr, out)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return fmt.Sprintf("/proc/self/fd/%d", root.Fd())
}

func faultFill(folder string) (filler string) {
	filler = filepath.Join(folder, "filler")
	_ = os.WriteFile(filler, make([]byte, 1<<20), 0o600) // fills the disk and fails
	return filler
}

func TestFault_AFullDiskIsToldAndNothingIsOrderedUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine, func(t *testing.T) {
			state := faultSmallDisk(t)
			ca := pebbleStart(t, pebbleOptions{})
			store, _ := acmeStore(t, state, ca.site(pebbleName(t), ca.acme(engine)))
			ca.front(t, store, true)
			filler := faultFill(state)
			pkiRunning(t, store)
			acmeEventually(t, "the failure is told", func() bool { return len(store.Status()[0].Refused) > 0 })
			if told := store.Status()[0].Refused[0].Error(); !strings.Contains(told, "no space left on device") || !strings.Contains(told, "make room on that disk") {
				t.Error(told)
			}
			if ca.log.count("Added order") > 0 {
				t.Error("ordered what could not be kept")
			}
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			if err := store.Renew(t.Context(), pebbleName(t)); err != nil {
				t.Error(err)
			}
			if status := store.Status()[0]; status.Placeholder || len(status.Refused) > 0 {
				t.Errorf("%+v", status)
			}
		})
	}
}

func TestFault_ADiskThatFillsDuringAnOrderDoesNotCostTheCertificate(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine, func(t *testing.T) {
			state := faultSmallDisk(t)
			ca := pebbleStart(t, pebbleOptions{})
			front := newFaultyCA(t, ca)
			front.set(func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.HasPrefix(r.URL.Path, "/certZ/") {
					faultFill(state)
				}
				return false
			})
			settings := ca.acme(engine)
			settings.Directory, settings.CAFile = front.directory, front.caFile
			site := ca.site(pebbleName(t), settings)
			store, log := acmeStore(t, state, site)
			address := ca.front(t, store, true)
			t.Run("first run", func(t *testing.T) {
				pkiRunning(t, store)
				acmeEventually(t, "a certificate is shown", func() bool { return accepted(address, site.Name, ca.roots(t)) })
				acmeEventually(t, "the disk is told", func() bool { return strings.Contains(log.String(), "served from memory") })
			})
			shown := store.Status()[0].SHA256
			if err := os.Remove(filepath.Join(state, "filler")); err != nil {
				t.Fatal(err)
			}
			store.current.Load().members[0].source.(*acmeSource).managed[0].look() // as it does every minute
			restarted, _ := acmeStore(t, state, site)
			if status := restarted.Status()[0]; status.SHA256 != shown {
				t.Errorf("after a restart: %+v", status)
			}
			if n := ca.log.count("Issued certificate"); n != 1 {
				t.Errorf("%d certificates were issued", n)
			}
		})
	}
}

func TestFault_ACAThatForgotItsAccountsGivesTheNextCertificateAllTheSame(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine, func(t *testing.T) {
			first, second := pebbleStart(t, pebbleOptions{}), pebbleStart(t, pebbleOptions{})
			front := newFaultyCA(t, first)
			settings := second.acme(engine)
			settings.Directory, settings.CAFile = front.directory, front.caFile
			state := t.TempDir()
			store, _ := acmeStore(t, state, first.site(pebbleName(t), settings))
			first.front(t, store, true)
			t.Run("first run", func(t *testing.T) {
				pkiRunning(t, store)
				acmeEventually(t, "a certificate is shown", func() bool { return !store.Status()[0].Placeholder })
			})
			front.passTo(t, second)
			again, _ := acmeStore(t, state, first.site(pebbleName(t), settings))
			address := second.front(t, again, true)
			pkiRunning(t, again)
			if err := again.Renew(t.Context(), pebbleName(t)); err != nil {
				t.Error(err)
			}
			if !accepted(address, pebbleName(t), second.roots(t)) {
				t.Error("not accepted")
			}
		})
	}
}

func TestFault_ADamagedAccountIsToldWithWhatToRemove(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine, func(t *testing.T) {
			ca, state := pebbleStart(t, pebbleOptions{}), t.TempDir()
			site := ca.site(pebbleName(t), ca.acme(engine))
			changeObtain(t, ca, state, site)
			engineFolder := filepath.Join(acmeFolder(state, site.ACME), engine)
			if err := filepath.WalkDir(engineFolder, func(path string, entry fs.DirEntry, err error) error {
				if err == nil && (strings.HasSuffix(path, ".key") || strings.HasSuffix(path, ".json")) {
					return os.Truncate(path, 0)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			store, _ := acmeStore(t, state, site)
			pkiRunning(t, store)
			err := store.Renew(t.Context(), site.Name)
			if err == nil {
				t.Fatal("renewed with an account that cannot be read")
			}
			_, rest, _ := strings.Cut(err.Error(), "remove ")
			remove, _, named := strings.Cut(rest, ": a new account is made")
			if !named || !strings.HasPrefix(remove, engineFolder) {
				t.Fatal(err)
			}
			if err := os.RemoveAll(remove); err != nil {
				t.Fatal(err)
			}
			before := ca.log.count("accounts in memory")
			again, _ := acmeStore(t, state, site)
			pkiRunning(t, again)
			// Nobody listens for the CA any more, unless the engine itself does.
			if err := again.Renew(t.Context(), site.Name); err != nil && !strings.Contains(err.Error(), "could not check the name from outside") {
				t.Errorf("after it was removed: %v", err)
			}
			if ca.log.count("accounts in memory") == before {
				t.Error("no new account was made")
			}
		})
	}
}
