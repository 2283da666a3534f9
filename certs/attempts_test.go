package certs

import (
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestAttempts_AskTheCALessAndLessOften(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var a attempts
	var waits []time.Duration
	for range 10 {
		a = a.begin(now, "s").failed(Problem{Cause: "c"}, time.Time{}, 0, now)
		waits = append(waits, a.Next.Sub(now))
	}
	if waits[0] != time.Minute || waits[9] != maxBackoff {
		t.Error(waits)
	}
	inAnHour := 0
	for sum := time.Duration(0); sum <= time.Hour; inAnHour++ {
		sum += waits[inAnHour]
	}
	if inAnHour > 5 { // what Let's Encrypt allows
		t.Errorf("%d tries in the first hour", inAnHour)
	}
}

func TestAttempts_KeepToTheTimeThatTheCANames(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	named := newRefusal("urn:ietf:params:acme:error:rateLimited", "too many certificates already issued, retry after 2026-01-03 04:05:06 UTC: see https://example.com", nil).retryAfter
	if got := (attempts{}).begin(now, "").failed(Problem{}, named, 0, now).Next; !got.Equal(time.Date(2026, 1, 3, 4, 5, 6, 0, time.UTC)) {
		t.Error(got)
	}
}

func TestAttempts_AskOftenWhereCertificatesLiveShort(t *testing.T) {
	if got := wait(9, 30*time.Minute); got != time.Minute {
		t.Error(got)
	}
}

func TestAttempts_OneCutOffMayBeMadeAgainAtOnceButNotASecond(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	first := attempts{}.begin(now, "s")
	if first.Next.After(now) {
		t.Error("a crash costs a wait:", first.Next)
	}
	if second := first.begin(now, "s"); !second.Next.After(now) {
		t.Error("a gateway that crashes at every start asks without end")
	}
}

func TestAttempts_OutliveARestartUnlessTheSettingsChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	noted := attempts{}.begin(time.Now().Round(0).UTC(), "old").failed(Problem{Cause: "c", Remedy: "r"}, time.Time{}, 0, time.Now().Round(0).UTC())
	if err := noted.save(path); err != nil {
		t.Fatal(err)
	}
	if got := readAttempts(path, "old"); got != noted {
		t.Errorf("%+v", got)
	}
	if got := readAttempts(path, "new"); got != (attempts{}) {
		t.Errorf("what the admin put right is held back: %+v", got)
	}
	if err := (attempts{}).save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("the record of a success stays:", err)
	}
}

func TestPlan_RenewsInTheWindowOfTheCAButNeverLateInLife(t *testing.T) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	leaf := &x509.Certificate{NotBefore: from, NotAfter: from.AddDate(0, 0, 90)}
	day := func(n int) time.Time { return from.AddDate(0, 0, n) }
	for _, row := range []struct {
		advice advice
		want   time.Time
	}{
		{advice{}, day(60)},
		{advice{start: day(10), end: day(20)}, day(15)},
		{advice{start: day(80), end: day(88)}, day(60)},
		{advice{start: day(20), end: day(10)}, day(60)},
	} {
		if got := plan(leaf, row.advice, 0.5); !got.Equal(row.want) {
			t.Errorf("%+v: %v, want %v", row.advice, got, row.want)
		}
	}
}

func TestFailure_SaysWhatTheAdminCanDo(t *testing.T) {
	a := ACME{Directory: "https://ca.example.com/dir"}
	problem := func(kind string) error { return newRefusal(refusalNamespace+kind, "the detail", nil) }
	for _, row := range []struct {
		err  error
		want string
	}{
		{problem("connection"), "port 443 or 80"},
		{problem("dns"), "A (or AAAA) record"},
		{problem("unauthorized"), "another server answered"},
		{problem("caa"), "CAA records"},
		{problem("rateLimited"), "wait; gateway does so by itself"},
		{problem("rejectedIdentifier"), `certificate = "files"`},
		{problem("externalAccountRequired"), "eab_kid and eab_key_file"},
		{problem("accountDoesNotExist"), "a new account is made"},
		{problem("invalidContact"), "another email"},
		{problem("userActionRequired"), "new terms"},
		{problem("serverInternal"), "the CA has a fault"},
		{problem("malformed"), "eab_kid, eab_key_file and profile"},
		{problem("neverHeardOf"), "refused with neverHeardOf"},
		{&os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, "make room on that disk"},
		{&url.Error{Op: "Get", URL: "https://ca.example.com/dir", Err: errors.New("connection refused")}, "cannot be asked: connection refused: see whether this machine reaches it: curl -v https://ca.example.com/dir"},
		{&url.Error{Op: "Get", Err: x509.UnknownAuthorityError{}}, "as ca_file in [acme]"},
	} {
		got := a.failure("api.example.com", row.err).Error()
		if !strings.HasPrefix(got, "certificate for api.example.com: ") || !strings.Contains(got, row.want) {
			t.Errorf("%v: %q lacks %q", row.err, got, row.want)
		}
	}
}

func TestAttempts_AClockThatWasAheadDoesNotKeepACertificateAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		state := t.TempDir()
		m, ca := downtimeManaged(t, state)
		future := time.Now().Add(20 * 365 * 24 * time.Hour)
		noted := attempts{Settings: m.settings}.begin(future, m.settings).failed(Problem{Cause: "expired, as it seemed"}, time.Time{}, 0, future)
		if err := noted.save(m.record); err != nil {
			t.Fatal(err)
		}
		m, _ = downtimeManaged(t, state)
		if view := m.view.Load(); view.next().After(time.Now()) || view.attempts.Since.After(time.Now()) {
			t.Errorf("after a restart: %+v", view.attempts)
		}
		m.view.Store(&managedView{attempts: noted}) // put right while gateway runs
		stop := downtimeRun(t, m, ca)
		time.Sleep(2 * time.Minute)
		stop()
		if m.view.Load().held == nil {
			t.Errorf("nothing was obtained: %+v", m.view.Load())
		}
	})
}

func TestAttempts_TheLongestWaitThatACAIsGrantedStands(t *testing.T) {
	now := time.Now()
	a := attempts{Begun: 3, Since: now.Add(-time.Hour), Next: now.Add(longestPause)}
	if got := a.rightly(now); got != a {
		t.Errorf("%+v", got)
	}
}
