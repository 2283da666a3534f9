package mail

import (
	"fmt"
	"time"
)

// lateAfter is from when on a notice says that it comes late.
const lateAfter = 5 * time.Minute

const localTime = "2006-01-02 15:04:05 MST"

// remarks are the lines below a notice that came late, or that others had to go
// for. A notice that is delivered at once has none.
func remarks(lang string, delay time.Duration, reason string, gone digest) string {
	var text string
	if delay >= lateAfter {
		text += late(lang, delay, reason)
	}
	if gone.count > 0 {
		text += digestText(lang, gone)
	}
	return text
}

func late(lang string, delay time.Duration, reason string) string {
	delay = delay.Round(time.Minute)
	if lang == "zh" {
		text := fmt.Sprintf("\n\n本通知延迟了 %s 才送达。", span(delay))
		if reason != "" {
			text += "\n上一次发送失败的原因:" + reason
		}
		return text + "\n"
	}
	text := fmt.Sprintf("\n\nThis notice was delayed by %s.", span(delay))
	if reason != "" {
		text += "\nThe last try failed with: " + reason
	}
	return text + "\n"
}

func digestText(lang string, d digest) string {
	first, last := d.first.Local().Format(localTime), d.last.Local().Format(localTime)
	if lang == "zh" {
		return fmt.Sprintf("\n\n队列已满,此前有 %d 条通知被丢弃(%s 至 %s)。\n", d.count, first, last)
	}
	noun, verb := "notices", "were"
	if d.count == 1 {
		noun, verb = "notice", "was"
	}
	return fmt.Sprintf("\n\n%d earlier %s %s dropped, because the queue was full (from %s to %s).\n", d.count, noun, verb, first, last)
}

// span writes a duration without the zeros that time.Duration appends.
func span(d time.Duration) string {
	switch days, hours, minutes := d/(24*time.Hour), d%(24*time.Hour)/time.Hour, d%time.Hour/time.Minute; {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	default:
		return fmt.Sprintf("%d min", minutes)
	}
}
