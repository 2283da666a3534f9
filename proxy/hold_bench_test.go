package proxy

import "testing"

func BenchmarkHold_Gate(b *testing.B) {
	g := newGate(newHoldKnown(holdUp).get, gateBounds)
	b.ReportAllocs()
	for b.Loop() {
		if g.enter() {
			g.leave()
		}
	}
}
