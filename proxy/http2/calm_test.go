package http2

import (
	"testing"
	"time"
)

func TestBudget_RefillsWithTime(t *testing.T) {
	b, now := budget{burst: 10, perSecond: 2}, time.Now()
	for range 10 {
		if !b.spend(1, now) {
			t.Fatal("the burst is not kept")
		}
	}
	if b.spend(1, now) {
		t.Error("more than the burst was spent")
	}
	if !b.spend(1, now.Add(time.Second)) || b.spend(3, now.Add(time.Second)) {
		t.Error("a second does not bring two")
	}
}
