package mail

import "time"

// The pauses between tries. RFC 5321, 4.5.4.1 recommends half an hour and more
// for mail between servers; a notice that a backend is down is more urgent, so
// the first tries come quickly.
const (
	firstPause = 15 * time.Second
	setupPause = 5 * time.Minute // a wrong password tried too often locks the account
	longPause  = time.Hour
)

// backoff returns how long to wait after so many failed tries in a row.
func backoff(tries int, kind Kind) time.Duration {
	pause := firstPause
	if kind != Temporary {
		pause = setupPause
	}
	for ; tries > 1 && pause < longPause; tries-- {
		pause *= 2
	}
	return min(pause, longPause)
}
