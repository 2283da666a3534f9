package health

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gateway/health/mail"
)

func TestExpiry_IsToldOnceAtEachStep(t *testing.T) {
	end := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	var told []string
	level := 0
	for now := end.Add(-60 * 24 * time.Hour); now.Before(end.Add(24 * time.Hour)); now = now.Add(30 * time.Minute) {
		if next := expiryLevel(Certificate{NotAfter: end}, now); next != level {
			level = next
			told = append(told, fmt.Sprint(end.Sub(now).Hours()/24))
		}
	}
	if got := strings.Join(told, " "); got != "21 14 7 3 1 0" {
		t.Errorf("told at %s days before the end", got)
	}
}

// A certificate of six days is renewed by gateway itself, long before its end.
func TestExpiry_OfARenewedCertificateIsToldOnlyWhenTheRenewalIsLate(t *testing.T) {
	now := time.Now()
	c := Certificate{NotAfter: now.Add(6 * 24 * time.Hour), Due: now.Add(2 * 24 * time.Hour)}
	if level := expiryLevel(c, now); level != 0 {
		t.Errorf("level %d while the renewal is not due", level)
	}
	if level := expiryLevel(c, c.Due.Add(30*time.Minute)); level != 0 {
		t.Errorf("level %d while the renewal is under way", level)
	}
	if level := expiryLevel(c, c.Due.Add(2*time.Hour)); level == 0 {
		t.Error("a late renewal is not told")
	}
}

func TestExpiry_OfOneCertificateForTwoSitesIsToldOnce(t *testing.T) {
	now := time.Now()
	c := Certificate{Site: "a.example.com", SHA256: strings.Repeat("a", 64), NotAfter: now.Add(time.Hour)}
	other := c
	other.Site = "b.example.com"
	if alarms := certificateAlarms([]Certificate{c, other}, now, english()); len(alarms) != 1 || alarms[0].level != 5 {
		t.Errorf("got %+v", alarms)
	}
}

func TestRefusal_IsToldOnceTheFilesHadTimeToArrive(t *testing.T) {
	now := time.Now()
	c := Certificate{Site: "a.example.com", NotAfter: now.Add(90 * 24 * time.Hour), Refused: []string{"key k.pem: torn"}, Since: now}
	if alarms := certificateAlarms([]Certificate{c}, now.Add(5*time.Second), english()); len(alarms) != 0 {
		t.Errorf("told at once: %+v", alarms)
	}
	alarms := certificateAlarms([]Certificate{c}, now.Add(time.Minute), english())
	if len(alarms) != 1 || alarms[0].subject != "the new certificate of a.example.com is NOT in use" || !strings.Contains(alarms[0].body, "- key k.pem: torn") {
		t.Errorf("got %+v", alarms)
	}
}

func TestDisk_IsFullBelowEitherBoundAndHasRoomOnlyWellAboveBoth(t *testing.T) {
	const mb = 1 << 20
	for _, check := range []struct {
		name         string
		disk         disk
		raised, want bool
	}{
		{"much room", disk{total: 100_000 * mb, free: 50_000 * mb}, false, false},
		{"below the share", disk{total: 100_000 * mb, free: 4_900 * mb}, false, true},
		{"below the least", disk{total: 1000 * mb, free: 190 * mb}, false, true},
		{"just above the share", disk{total: 100_000 * mb, free: 5_100 * mb}, false, false},
		{"just above the share, after it was below", disk{total: 100_000 * mb, free: 5_100 * mb}, true, true},
		{"well above the share", disk{total: 100_000 * mb, free: 7_600 * mb}, true, false},
		{"no more files", disk{total: 100_000 * mb, free: 50_000 * mb, files: 1000, spare: 10}, false, true},
		{"a file system without a limit of files", disk{total: 100_000 * mb, free: 50_000 * mb}, false, false},
	} {
		t.Run(check.name, func(t *testing.T) {
			if got := check.disk.full(check.raised); got != check.want {
				t.Errorf("full: %v", got)
			}
		})
	}
}

func TestDisk_IsReadForAFolderThatIsStillToBeMade(t *testing.T) {
	d, err := readDisk(t.TempDir() + "/not/yet")
	if err != nil || d.total == 0 || d.device == 0 {
		t.Errorf("got %+v, %v", d, err)
	}
	if d.free > d.total {
		t.Errorf("%d free of %d", d.free, d.total)
	}
}

func TestReceiver_ThatIsRefusedIsToldToThoseWhoAreReached(t *testing.T) {
	item := mail.Item{Kind: "opened", Subject: "www1: api is DOWN", Targets: []mail.ItemTarget{
		{Channel: "mail", Target: "admin@example.com", State: "delivered"},
		{Channel: "mail", Target: "gone@example.com", State: "refused", Error: "550 no such user"},
	}}
	a := receiverAlarm(item, time.Now(), english())
	if a == nil || a.subject != "gone@example.com gets NO notices" || !strings.Contains(a.body, "- gone@example.com: 550 no such user") ||
		fmt.Sprint(a.to, a.only) != "[admin@example.com] [mail]" {
		t.Fatalf("got %+v", a)
	}
	item.Kind = a.kind
	if a := receiverAlarm(item, time.Now(), english()); a != nil {
		t.Errorf("a notice of that kind brings another: %+v", a)
	}
	item.Kind, item.Targets[0].State = "opened", "refused"
	if a := receiverAlarm(item, time.Now(), english()); a != nil {
		t.Errorf("nobody is reached, and yet: %+v", a)
	}
}
