package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gateway/health/mail"
)

// Certificate is what a notice needs to know of a certificate that is served.
type Certificate struct {
	Site     string
	Names    []string
	Origin   string // "files", "acme" or "local"
	File     string // of the certificate; "" when gateway keeps it by itself
	SHA256   string // tells it from its successor
	NotAfter time.Time
	Due      time.Time // when gateway is to renew it by itself; zero: it does not
	Renew    time.Time // when it tries to, next; zero: it does not
	Missing  bool      // there never was one that clients accept

	Failing      []string  // why gateway could not renew it; empty: nothing is known to be in the way
	FailingSince time.Time // the first try in vain

	Refused []string  // why a replacement is not in use, or not what is shown; empty: there is none
	Since   time.Time // when that was first seen
}

// alarm is a condition that admins should hear of, and may hear of again when it
// gets worse.
type alarm struct {
	kind    string // for programs: "certificate-expiring", ...
	key     string // tells it from others of its kind, also across restarts
	level   int    // from 1; a higher one is told anew; 0: nothing to tell, but not over either
	since   time.Time
	subject string // after the host's name
	body    string
	over    string   // subject of the notice that it is over
	only    []string // channels to tell it on; nil: all
	to      []string // receivers of the mail; nil: all
}

// id tells an alarm apart.
func (a alarm) id() string { return a.kind + "/" + a.key }

const (
	kindExpiring = "certificate-expiring"
	kindRefused  = "certificate-refused"
	kindRenewal  = "certificate-not-renewed"
	kindDisk     = "disk-full"
	kindChannel  = "channel-failing"
	kindReceiver = "receiver-refused"
)

// expirySteps are the days left at which a certificate's end is told, most urgent
// last.
func expirySteps() []int { return []int{21, 14, 7, 3, 1, 0} }

// refusedFor is how long a replacement must have been refused: files are often
// copied one after the other.
const refusedFor = 15 * time.Second

// expiryLevel is how many steps have been passed; 0: none.
func expiryLevel(c Certificate, now time.Time) int {
	if !c.Due.IsZero() && now.Before(c.Due.Add(patience(c, c.Due))) {
		return 0
	}
	left := c.NotAfter.Sub(now)
	level := 0
	for i, days := range expirySteps() {
		if left <= time.Duration(days)*24*time.Hour {
			level = i + 1
		}
	}
	return level
}

// certificateAlarms are the alarms of all certificates, each once however many
// sites it serves.
func certificateAlarms(all []Certificate, now time.Time, p phrases) []alarm {
	var alarms []alarm
	seen := map[string]bool{}
	for _, c := range all {
		if level := expiryLevel(c, now); level > 0 && c.Due.IsZero() && !seen[c.SHA256] {
			seen[c.SHA256] = true
			alarms = append(alarms, expiryAlarm(c, level, now, p))
		}
		if len(c.Refused) > 0 && now.Sub(c.Since) >= refusedFor {
			alarms = append(alarms, refusalAlarm(c, p))
		}
	}
	alarms = append(alarms, renewalAlarms(all, now, p)...)
	slices.SortFunc(alarms, func(a, b alarm) int { return strings.Compare(a.id(), b.id()) })
	return slices.CompactFunc(alarms, func(a, b alarm) bool { return a.id() == b.id() })
}

func expiryAlarm(c Certificate, level int, now time.Time, p phrases) alarm {
	ends := p.expiresIn
	if !now.Before(c.NotAfter) {
		ends = p.expired
	}
	left := c.NotAfter.Sub(now).Abs()
	var t text
	t.line(p.certificateOf, strings.Join(c.Names, "\n"))
	t.line(p.validUntil, c.NotAfter.Local().Format(noticeTime))
	if c.File != "" {
		t.line(p.inFile, c.File)
	}
	t.blank()
	t.line(p.replaceFiles)
	return alarm{
		kind: kindExpiring, key: c.SHA256[:min(16, len(c.SHA256))], level: level, since: c.NotAfter,
		subject: fmt.Sprintf(ends, c.Site, p.span(left)), body: t.String(),
		over: fmt.Sprintf(p.replaced, c.Site),
	}
}

func refusalAlarm(c Certificate, p phrases) alarm {
	subject, before, after := p.refused, p.wrongWithIt, p.correctFiles
	var t text
	if c.Due.IsZero() {
		t.line(p.stillServed, c.NotAfter.Local().Format(noticeTime))
		t.blank()
	} else { // no files of the admin's
		subject, before, after = p.wrongOne, p.inTheWay, p.looksAgain
	}
	t.line(before)
	for _, problem := range c.Refused {
		t.line("- %s", problem)
	}
	t.blank()
	t.line("%s", after)
	return alarm{
		kind: kindRefused, key: c.Site, level: 1, since: c.Since,
		subject: fmt.Sprintf(subject, c.Site), body: t.String(),
		over: fmt.Sprintf(p.refusedOver, c.Site),
	}
}

// channelAlarm tells that a way to reach admins fails, on the others.
func channelAlarm(channel string, since time.Time, err error, advice, others []string, p phrases) alarm {
	var t text
	t.line(p.channelFails, channel, since.Local().Format(noticeTime))
	t.line(p.why, err)
	t.blank()
	t.line(p.keptAndTried)
	t.blank()
	t.line(p.next)
	for _, line := range advice {
		t.line("- %s", line)
	}
	t.line("- %s", p.tryMail)
	return alarm{
		kind: kindChannel, key: channel, level: 1, since: since, only: others,
		subject: fmt.Sprintf(p.channelDown, channel), body: t.String(),
		over: fmt.Sprintf(p.channelWorks, channel),
	}
}

// receiverAlarm tells those who got a notice that another receiver is not reached;
// nil if there is nobody to tell, or if it was such a notice that was refused.
func receiverAlarm(item mail.Item, now time.Time, p phrases) *alarm {
	var refused, reasons, reached, channels []string
	for _, t := range item.Targets {
		switch {
		case t.State == "refused" && t.Target != "":
			refused, reasons = append(refused, t.Target), append(reasons, t.Error)
		case t.State == "delivered":
			channels = append(channels, t.Channel)
			if t.Target != "" {
				reached = append(reached, t.Target)
			}
		}
	}
	if len(refused) == 0 || len(channels) == 0 || item.Kind == kindReceiver {
		return nil
	}
	var t text
	t.line(p.receiverMissed, item.Subject)
	for i, one := range refused {
		t.line("- %s: %s", one, reasons[i])
	}
	t.blank()
	t.line(p.receiverHint)
	return &alarm{
		kind: kindReceiver, key: strings.Join(refused, ","), level: 1, since: now,
		subject: fmt.Sprintf(p.receiverRefused, strings.Join(refused, ", ")), body: t.String(),
		only: slices.Compact(slices.Sorted(slices.Values(channels))), to: reached,
	}
}
