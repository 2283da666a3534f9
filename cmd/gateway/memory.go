package main

import (
	"context"
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
	"time"
)

// quietFor is how long no garbage collection must have begun before gateway
// counts as quiet. At work it begins several in a second.
const quietFor = 5 * time.Second

// memory gives memory back to the system when gateway has fallen quiet. What a
// burst of requests or connections has needed would stay otherwise: Go collects
// garbage when the heap has doubled, which may be hours later, at the latest after
// two minutes, and even then keeps room for the next burst.
type memory struct {
	collections func() uint64 // so many garbage collections there were
	giveBack    func()
}

func newMemory() memory { return memory{collections: collections, giveBack: giveBack} }

// run looks every now and then until ctx ends.
func (m memory) run(ctx context.Context) error {
	look := time.NewTicker(quietFor)
	defer look.Stop()
	var seen, clean uint64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		before := seen
		if seen = m.collections(); seen == before && seen != clean {
			m.giveBack()
			seen = m.collections()
			clean = seen
		}
	}
}

// giveBack collects twice, because a goroutine's stack shrinks by half each time.
func giveBack() {
	runtime.GC()
	debug.FreeOSMemory()
}

// collections is cheap: it stops nothing.
func collections() uint64 {
	sample := []gometrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	gometrics.Read(sample)
	return sample[0].Value.Uint64()
}
