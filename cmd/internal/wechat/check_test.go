package wechat

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gateway/certs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wxServer speaks HTTPS and HTTP/2 with a certificate for example.com, on every
// loopback address that is asked for.
func wxServer(t *testing.T, handler http.HandlerFunc) (*httptest.Server, Check) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that only look
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	endpoint := netip.MustParseAddrPort(server.Listener.Addr().String())
	return server, Check{Target: Target{"www.example.com", int(endpoint.Port())}, Addresses: []netip.Addr{endpoint.Addr()}, Path: "/", Roots: roots, Waits: DefaultWaits()}
}

func wxJSON(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path != "/" {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = io.WriteString(w, "{}")
}

// wxTrouble are the items that are not in order, with their verdicts.
func wxTrouble(report Report) string {
	var all []string
	for _, one := range report.Results {
		if one.Verdict == certs.Failed || one.Verdict == certs.Warned {
			all = append(all, string(one.Verdict)+" "+one.Item)
		}
	}
	return strings.Join(all, ", ")
}

func wxFound(t *testing.T, report Report, item string) certs.Finding {
	t.Helper()
	i := slices.IndexFunc(report.Results, func(r Result) bool { return r.Item == item })
	if i < 0 {
		t.Fatalf("no item %s in %+v", item, report.Results)
	}
	return report.Results[i].Finding
}

func TestCheck_FindsNothingWrongWithAGoodServer(t *testing.T) {
	_, check := wxServer(t, wxJSON)
	report, err := check.Run(t.Context())
	if err != nil || !report.Ready || wxTrouble(report) != "" {
		t.Errorf("%v: %s: %+v", err, wxTrouble(report), report)
	}
}

func TestCheck_JudgesWhatIsAnswered(t *testing.T) {
	html := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<h1>404</h1>")
	}
	redirect := func(status int, to string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				wxJSON(w, r)
				return
			}
			w.Header().Set("Location", to)
			w.WriteHeader(status)
		}
	}
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
		item    string
		want    string // trouble
		seen    string
	}{
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { html(w) }, itemErrors, "warn errors", "with 404 in text/html"},
		{"an empty error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, itemErrors, "warn errors", "with 404 and no JSON"},
		{"GBK", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			_, _ = w.Write([]byte("{\"e\":\"\xb4\xed\xce\xf3\"}"))
		}, itemErrors, "warn errors", "in another encoding than UTF-8"},
		{"a page for every path", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<p>")
		}, itemErrors, "warn errors", "with 200 in text/html"},
		{"301 elsewhere", redirect(301, "https://m.example.com/"), itemPost, "fail post", "another server than the one in WeChat's console"},
		{"301 to plain HTTP", redirect(301, "http://www.example.com/"), itemPost, "fail post", "another server"},
		{"308 to the usual port", redirect(308, "https://www.example.com/"), itemPost, "fail post", "another server"},
		{"302 on the spot", redirect(302, "/login"), itemPost, "fail post", "the POST becomes a GET"},
		{"308 on the spot", redirect(308, "/x/"), itemPost, "warn post", "every request takes two ways"},
		{"a Location that is none", redirect(301, "http://[::1"), itemPost, "fail post", "failed to parse Location header"},
		{"502", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				w.WriteHeader(502)
				return
			}
			wxJSON(w, r)
		}, itemPost, "warn post", "502: what is behind the server"},
		{"a megabyte of headers", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				for i := range 1000 {
					w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 1000))
				}
			}
			wxJSON(w, r)
		}, itemPost, "fail post", "brought no answer"},
		{"a broken connection", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				panic(http.ErrAbortHandler)
			}
			wxJSON(w, r)
		}, itemPost, "fail post", "brought no answer"},
	} {
		_, check := wxServer(t, row.handler)
		report, err := check.Run(t.Context())
		if got := wxTrouble(report); err != nil || got != row.want {
			t.Errorf("%s: %v, %s: %+v", row.name, err, got, report.Results)
			continue
		}
		if f := wxFound(t, report, row.item); !strings.Contains(f.Seen, row.seen) {
			t.Errorf("%s: %+v", row.name, f)
		}
	}
}

func TestCheck_BoundsTheWaitForAnAnswer(t *testing.T) {
	over := make(chan struct{})
	_, check := wxServer(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	defer close(over)
	check.Waits.Answer = time.Second
	report, err := check.Run(t.Context())
	if got := wxTrouble(report); err != nil || got != "fail time" {
		t.Errorf("%v, %s: %+v", err, got, report.Results)
	}
	if f := wxFound(t, report, itemTime); f.Seen != "no answer in 1s, the longest that WeChat waits" {
		t.Errorf("%+v", f)
	}
}

func TestCheck_WarnsOfSlowAnswers(t *testing.T) {
	_, check := wxServer(t, wxJSON)
	check.Waits.Slow = time.Nanosecond
	report, err := check.Run(t.Context())
	if got := wxTrouble(report); err != nil || got != "warn time" || !report.Ready {
		t.Errorf("%v, %s", err, got)
	}
}

func TestCheck_StopsWhenItIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, check := wxServer(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := check.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestCheck_DoesNotTakeAWrongAcceptForAWebSocket(t *testing.T) {
	_, check := wxServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			wxJSON(w, r)
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
		_ = buffered.Flush()
	})
	check.Socket = "/chat"
	report, err := check.Run(t.Context())
	if got := wxTrouble(report); err != nil || got != "fail wss" || !strings.Contains(wxFound(t, report, itemSocket).Seen, "Sec-WebSocket-Accept") {
		t.Errorf("%v, %s: %+v", err, got, wxFound(t, report, itemSocket))
	}
}

func TestCheck_ComparesTheVerificationFile(t *testing.T) {
	_, check := wxServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/AbC.txt" && strings.HasPrefix(r.UserAgent(), "curl/") {
			_, _ = io.WriteString(w, "0123456789abcdef\n")
			return
		}
		wxJSON(w, r)
	})
	for content, want := range map[string]string{"0123456789abcdef": "", "other": "fail verify file"} {
		check.Proof = &Proof{"AbC.txt", []byte(content)}
		if report, err := check.Run(t.Context()); err != nil || wxTrouble(report) != want || wxFound(t, report, itemProof).Seen == "" {
			t.Errorf("%s: %v, %s", content, err, wxTrouble(report))
		}
	}
}

func TestCheck_LooksAtEveryAddressThatDNSGives(t *testing.T) {
	_, check := wxServer(t, wxJSON)
	dead := netip.MustParseAddr("::1")
	asked := ""
	check.Lookup = func(_ context.Context, network, host string) ([]netip.Addr, error) {
		asked = network + " " + host
		return []netip.Addr{dead, netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("127.0.0.1")}, nil
	}
	check.Addresses = nil
	report, err := check.Run(t.Context())
	// A name that leads to this machine itself is wrong, too.
	if got := wxTrouble(report); err != nil || (got != "fail address, fail reachable" && got != "fail address") || asked != "ip www.example.com." {
		t.Errorf("%v, asked %q, %s", err, asked, got)
	}
	var addresses []string
	for _, one := range report.Results {
		if one.Item == itemReachable {
			addresses = append(addresses, one.Address)
		}
	}
	if want := []string{fmt.Sprintf("127.0.0.1:%d", check.Target.Port), fmt.Sprintf("[::1]:%d", check.Target.Port)}; !slices.Equal(addresses, want) {
		t.Errorf("looked at %q", addresses)
	}
}

func TestAddresses_SaysWhatIsWrongWithDNS(t *testing.T) {
	check := Check{Target: Target{"api.example.com", 443}, Waits: DefaultWaits()}
	for _, row := range []struct {
		answer  string
		err     error
		verdict certs.Verdict
		seen    string
	}{
		{"203.0.113.5 2001:db8::5", nil, certs.Passed, "203.0.113.5 (A), 2001:db8::5 (AAAA)"},
		{"2001:db8::5", nil, certs.Warned, "no A record"},
		{"127.0.1.1", nil, certs.Failed, "127.0.1.1 (A) can't be reached from the internet"},
		{"203.0.113.5 10.0.0.5", nil, certs.Failed, "10.0.0.5 (A) can't be reached"},
		{"203.0.113.5 fd00::1", nil, certs.Failed, "fd00::1 (AAAA) can't be reached"},
		{"100.64.1.1", nil, certs.Failed, "can't be reached"},
		{"198.18.0.7", nil, certs.Failed, "can't be reached"},
		{"", &net.DNSError{Err: "no such host", IsNotFound: true}, certs.Failed, "neither an A nor an AAAA record"},
		{"", &net.DNSError{Err: "server misbehaving"}, certs.Failed, "DNS gave no answer"},
	} {
		check.Lookup = func(context.Context, string, string) (all []netip.Addr, err error) {
			for _, text := range strings.Fields(row.answer) {
				all = append(all, netip.MustParseAddr(text))
			}
			return all, row.err
		}
		_, f := check.addresses(t.Context())
		if f.Verdict != row.verdict || !strings.Contains(f.Seen, row.seen) || (f.Verdict == certs.Passed) != (len(f.Remedies) == 0) {
			t.Errorf("%q: %+v", row.answer, f)
		}
	}
}

func TestAddresses_BoundsHowManyAreLookedAt(t *testing.T) {
	check := Check{Target: Target{"api.example.com", 443}, Waits: DefaultWaits(), Lookup: func(context.Context, string, string) (all []netip.Addr, err error) {
		for i := range 100 {
			all = append(all, netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}))
		}
		return all, nil
	}}
	if all, f := check.addresses(t.Context()); len(all) != mostAddresses || !strings.Contains(f.Seen, "only the first 8 are looked at") {
		t.Errorf("%d: %+v", len(all), f)
	}
}

func TestReach_TellsTheServersFaultsFromThoseOfThisMachine(t *testing.T) {
	v4, v6 := netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("2001:db8::5")
	check := Check{Target: Target{"api.example.com", 7879}, Waits: DefaultWaits()}
	for _, row := range []struct {
		address netip.Addr
		err     error
		verdict certs.Verdict
		seen    string
		remedy  string // the last one
	}{
		{v4, syscall.ECONNREFUSED, certs.Failed, "port 7879 is refused", "Apache: Listen 7879"},
		{v6, syscall.ECONNREFUSED, certs.Failed, "port 7879 is refused", "or take the AAAA record out of DNS"},
		{v4, context.DeadlineExceeded, certs.Failed, "a firewall drops what comes to port 7879", "with --address 127.0.0.1"},
		{v6, syscall.ENETUNREACH, certs.Skipped, "this machine has no way to IPv6", "on a machine with IPv6"},
		{v4, syscall.ENETUNREACH, certs.Failed, "network is unreachable", "ip address"},
		{v4, syscall.EHOSTUNREACH, certs.Failed, "no route to host", "ip address"},
	} {
		dial := func(context.Context) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Err: row.err} }
		f := check.reach(t.Context(), dial, row.address)
		if f.Verdict != row.verdict || !strings.Contains(f.Seen, row.seen) || !strings.Contains(f.Remedies[len(f.Remedies)-1], row.remedy) {
			t.Errorf("%v: %+v", row.err, f)
		}
	}
}

func TestReach_BoundsTheWaitForAFirewall(t *testing.T) {
	check := Check{Waits: Waits{Connect: 20 * time.Millisecond}}
	dial := func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	if f := check.reach(t.Context(), dial, netip.MustParseAddr("203.0.113.5")); f.Verdict != certs.Failed || !strings.Contains(f.Seen, "no answer in 20ms") {
		t.Errorf("%+v", f)
	}
}

func TestBlame_FailsWhereNoAddressCouldBeLookedAt(t *testing.T) {
	skipped := []certs.Finding{{Item: itemReachable, Verdict: certs.Skipped}}
	alone := [][]certs.Finding{slices.Clone(skipped)}
	blame(alone)
	beside := [][]certs.Finding{slices.Clone(skipped), {{Item: itemReachable, Verdict: certs.Passed}}}
	blame(beside)
	if alone[0][0].Verdict != certs.Failed || beside[0][0].Verdict != certs.Skipped {
		t.Errorf("%+v, %+v", alone, beside)
	}
}

// A server that speaks TLS 1.3 alone is asked the rest all the same.
func TestCheck_GoesOnAfterAFailure(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(wxJSON))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	endpoint := netip.MustParseAddrPort(server.Listener.Addr().String())
	check := Check{Target: Target{"other.example.org", int(endpoint.Port())}, Addresses: []netip.Addr{endpoint.Addr()}, Path: "/", Roots: x509.NewCertPool(), Waits: DefaultWaits()}
	report, err := check.Run(t.Context())
	if got := wxTrouble(report); err != nil || got != "fail tls, fail name, fail trust" {
		t.Errorf("%v, %s", err, got)
	}
	if f := wxFound(t, report, itemPost); f.Verdict != certs.Passed {
		t.Errorf("%+v", f)
	}
}
