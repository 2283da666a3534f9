package health

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const renewalDay = 24 * time.Hour

// renewalCertificate is one that gateway is to renew by itself after two thirds
// of its life, and cannot.
func renewalCertificate(life time.Duration) Certificate {
	now := time.Now()
	return Certificate{Site: "a.example.com", Names: []string{"a.example.com"}, SHA256: strings.Repeat("a", 64), Origin: "acme",
		NotAfter: now.Add(life), Due: now.Add(life * 2 / 3), Renew: now.Add(life*2/3 + time.Hour),
		Failing: []string{"certificate for a.example.com: the CA cannot be asked"}, FailingSince: now.Add(life * 2 / 3)}
}

// toldAt are the times left at which mails came, as their subjects have them.
func (w *notifierWorld) toldAt() (subjects []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, mail := range w.mails {
		subjects = append(subjects, strings.TrimPrefix(mail.Subject, "www1: "))
	}
	return subjects
}

func (w *notifierWorld) set(all ...Certificate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.certificates = all
}

func TestRenewal_ThatFailsToTheEndIsToldInOneThreadWithTheTimeLeft(t *testing.T) {
	for _, row := range []struct {
		name string
		life time.Duration
		want []string
	}{
		{"90 days", 90 * renewalDay, []string{"29 days", "21 days", "14 days", "7 days", "3 days", "24 hours", "ENDED"}},
		{"45 days", 45 * renewalDay, []string{"15 days", "14 days", "7 days", "3 days", "24 hours", "ENDED"}},
		{"6 days", 6 * renewalDay, []string{"47 hours", "24 hours", "ENDED"}},
		{"2 days", 2 * renewalDay, []string{"15 hours", "ENDED"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newNotifierWorld(t)
				w.every = time.Hour
				c := renewalCertificate(row.life)
				w.set(c)
				for end := time.Now().Add(row.life + 10*renewalDay); time.Now().Before(end); {
					w.run(func(*Notifier) { time.Sleep(20 * time.Hour) }) // with many a restart
				}
				told := w.toldAt()
				if len(told) != len(row.want) {
					t.Fatalf("%d mails: %q", len(told), told)
				}
				for i, want := range row.want {
					t.Log(told[i])
					if want == "ENDED" && !strings.Contains(told[i], "ENDED") || want != "ENDED" && !strings.Contains(told[i], "could NOT be renewed, and ends in") {
						t.Errorf("%q, want %q", told[i], want)
					}
				}
				if body := w.mails[0].Body; !strings.Contains(body, "the CA cannot be asked") || !strings.Contains(body, "gateway certs renew") {
					t.Error(body)
				}
				c = renewalCertificate(row.life)
				c.SHA256, c.Failing = strings.Repeat("b", 64), nil
				w.set(c)
				w.run(func(*Notifier) { time.Sleep(2 * time.Hour) })
				told = w.toldAt()
				last := w.mails[len(w.mails)-1]
				if len(told) != len(row.want)+1 || told[len(told)-1] != "the certificate of a.example.com is renewed" || last.InReplyTo != w.mails[0].MessageID {
					t.Errorf("%q %+v", told, last)
				}
			})
		})
	}
}

func TestRenewal_ThatSucceedsSoonIsNotToldOfAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNotifierWorld(t)
		w.every = time.Hour
		c := renewalCertificate(90 * renewalDay)
		w.set(c)
		w.run(func(*Notifier) {
			time.Sleep(time.Until(c.Due.Add(40 * time.Minute)))
			next := renewalCertificate(90 * renewalDay)
			next.Failing = nil
			w.set(next)
			time.Sleep(renewalDay)
		})
		if told := w.toldAt(); len(told) > 0 {
			t.Errorf("%q", told)
		}
	})
}

// After a restart with changed settings gateway does not know of earlier failures,
// which does not mean that the certificate is there.
func TestRenewal_IsNotOverBecauseTheReasonIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNotifierWorld(t)
		w.every = time.Hour
		c := renewalCertificate(90 * renewalDay)
		w.set(c)
		w.run(func(*Notifier) { time.Sleep(time.Until(c.Due.Add(2 * time.Hour))) })
		again := c
		again.Failing = nil
		w.set(again)
		w.run(func(*Notifier) { time.Sleep(time.Hour) })
		w.set(c)
		w.run(func(*Notifier) { time.Sleep(time.Hour) })
		if told := w.toldAt(); len(told) != 1 {
			t.Errorf("%q", told)
		}
	})
}

func TestRenewal_OfAFirstCertificateIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNotifierWorld(t)
		w.every = time.Hour
		c := renewalCertificate(90 * renewalDay)
		c.Missing, c.Due, c.FailingSince = true, time.Now(), time.Now()
		w.set(c)
		w.run(func(*Notifier) { time.Sleep(11 * time.Minute) })
		w.run(func(*Notifier) { time.Sleep(100 * renewalDay) }) // the placeholder's own end is nobody's news
		c = renewalCertificate(90 * renewalDay)
		c.Failing = nil
		w.set(c)
		w.run(func(*Notifier) { time.Sleep(time.Hour) })
		if got := w.toldAt(); !slices.Equal(got, []string{"a.example.com has NO certificate yet", "a.example.com has its certificate"}) {
			t.Errorf("%q", got)
		}
	})
}

func TestRenewal_OfManyNamesIsOneMailForTheirSite(t *testing.T) {
	now := time.Now()
	c := renewalCertificate(90 * renewalDay)
	other := c
	other.Names, other.NotAfter, other.Failing = []string{"www.a.example.com"}, c.NotAfter.Add(-16*renewalDay), []string{"another reason"}
	at := now.Add(61 * renewalDay)
	alarms := certificateAlarms([]Certificate{c, other}, at, english())
	if len(alarms) != 1 || alarms[0].level != 3 || !strings.Contains(alarms[0].body, "another reason") || !strings.Contains(alarms[0].body, "cannot be asked") {
		t.Errorf("%+v", alarms)
	}
	if alarms := certificateAlarms([]Certificate{c}, c.Due.Add(-time.Hour), english()); len(alarms) > 0 {
		t.Errorf("an admin's own try before it was due: %+v", alarms)
	}
}
