package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// longestPatience is for how long gateway may fail to renew a certificate before an
// admin hears of it: by then it has been tried five times.
const longestPatience = time.Hour

// patience is how long that may take where the certificate ends sooner: a tenth of
// what was left at that time.
func patience(c Certificate, at time.Time) time.Duration {
	return min(longestPatience, max(c.NotAfter.Sub(at)/10, 0))
}

// renewalLevel is how bad it is that gateway has not renewed a certificate: 1: it has
// failed for some time; from 2 on, the steps of expiryLevel. -1: it need not yet.
func renewalLevel(c Certificate, now time.Time) int {
	wait := patience(c, c.FailingSince)
	if c.Missing {
		wait = refusedFor
	}
	failing := len(c.Failing) > 0 && now.Sub(c.FailingSince) >= wait
	switch steps := expiryLevel(c, now); {
	case now.Before(c.Due):
		return -1 // an admin's own try in vain has been told to that admin
	case steps > 0 && !c.Missing:
		return 1 + steps
	case failing:
		return 1
	}
	return 0
}

// renewalAlarms are those of the certificates that gateway renews by itself, one for
// each site: they tell the end, the reason and that it is over in one thread. While
// a renewal is due, the alarm is never over: a restart, too, takes the reason away.
func renewalAlarms(all []Certificate, now time.Time, p phrases) []alarm {
	late := map[string][]Certificate{}
	for _, c := range all {
		if !c.Due.IsZero() && renewalLevel(c, now) >= 0 {
			late[c.Site] = append(late[c.Site], c)
		}
	}
	var alarms []alarm
	for _, of := range late {
		slices.SortStableFunc(of, func(a, b Certificate) int {
			return cmp.Or(renewalLevel(b, now)-renewalLevel(a, now), a.NotAfter.Compare(b.NotAfter))
		})
		alarms = append(alarms, renewalAlarm(of, now, p))
	}
	return alarms
}

// renewalAlarm words it for the certificates of one site, the worst first.
func renewalAlarm(of []Certificate, now time.Time, p phrases) alarm {
	worst := of[0]
	a := alarm{kind: kindRenewal, key: worst.Site, level: renewalLevel(worst, now), since: worst.Due,
		over: fmt.Sprintf(p.renewed, worst.Site)}
	var t text
	t.line(p.certificateOf, strings.Join(worst.Names, "\n"))
	left := p.span(worst.NotAfter.Sub(now).Abs())
	switch {
	case worst.Missing:
		a.subject, a.over = fmt.Sprintf(p.noneYet, worst.Site), fmt.Sprintf(p.hasOne, worst.Site)
		t.line(p.refusedMeanwhile)
	case now.Before(worst.NotAfter):
		a.subject = fmt.Sprintf(p.notRenewed, worst.Site, left)
		t.line(p.validUntil, worst.NotAfter.Local().Format(noticeTime))
	default:
		a.subject = fmt.Sprintf(p.expired, worst.Site, left)
		t.line(p.endedAt, worst.NotAfter.Local().Format(noticeTime))
	}
	t.blank()
	renewalReasons(of, &t, p)
	a.body = t.String()
	return a
}

// renewalReasons tells what is in the way, and how it goes on.
func renewalReasons(of []Certificate, t *text, p phrases) {
	var reasons []string
	for _, c := range of {
		for _, reason := range c.Failing {
			if !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
	}
	if len(reasons) == 0 {
		t.line(p.renewalLate, of[0].Due.Local().Format(noticeTime))
		return
	}
	t.line(p.inTheWay)
	for _, reason := range reasons {
		t.line("- %s", reason)
	}
	t.blank()
	t.line(p.triesOn, of[0].Renew.Local().Format(noticeTime))
}
