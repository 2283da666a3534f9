package http2

import "time"

// budget is a token bucket: so many events at once, so many a second for good.
// Its zero value with limits set is full.
type budget struct {
	burst, perSecond int
	spent            float64
	last             time.Time
}

// spend takes n tokens and reports whether the budget is kept.
func (b *budget) spend(n int, now time.Time) bool {
	if !b.last.IsZero() {
		b.spent = max(0, b.spent-now.Sub(b.last).Seconds()*float64(b.perSecond))
	}
	b.last = now
	b.spent += float64(n)
	return b.spent <= float64(b.burst)
}

// earn gives n tokens back.
func (b *budget) earn(n int) { b.spent = max(0, b.spent-float64(n)) }
