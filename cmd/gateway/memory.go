package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
	"time"
)

const (
	// quietFor and quietBytes: gateway is quiet while it allocates less than this in
	// such a time. Each request takes some kilobytes, each handshake some tens.
	quietFor   = 5 * time.Second
	quietBytes = 4 << 20

	// heapRoom is how much the heap may grow between two garbage collections while
	// gateway is at work. Go's own rule is that it may double, which a small heap does
	// several times in a second: each time all processors are busy for milliseconds,
	// and the slowest hundredth of the answers is the one that met it.
	heapRoom = 32 << 20

	// goPercent is Go's own rule, and what a large heap has anyway.
	goPercent = 100
)

// memory chooses when garbage is collected: rarely while gateway is at work, and
// when it has fallen quiet at once, since what a burst of requests or connections
// has needed would stay otherwise. Go would do it when the heap has doubled, which
// may be hours later, at the latest after two minutes, and even then keeps room for
// the next burst.
type memory struct {
	usage      func() heapUse
	afterEach  func(ctx context.Context) <-chan struct{} // tells of each garbage collection
	giveBack   func()
	setPercent func(percent int) // as debug.SetGCPercent

	// Of run.
	percent int
	working bool
	looked  uint64 // allocated at the last look
	clean   uint64 // allocated when memory was given back
}

// heapUse is of the heap since the program began.
type heapUse struct {
	allocated uint64
	kept      uint64 // what the last garbage collection has found in use, and went through
}

func newMemory() *memory {
	m := &memory{usage: heapUsage, afterEach: afterEachCollection, giveBack: giveBack, setPercent: func(int) {}}
	if os.Getenv("GOGC") == "" { // else an admin has chosen
		m.setPercent = func(percent int) { debug.SetGCPercent(percent) }
	}
	return m
}

// run adapts until ctx ends.
func (m *memory) run(ctx context.Context) error {
	m.percent = goPercent
	collected := m.afterEach(ctx)
	look := time.NewTicker(quietFor)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-collected:
			m.adapt(m.usage())
		case <-look.C:
			m.look(m.usage())
		}
	}
}

// adapt is called after each garbage collection.
func (m *memory) adapt(now heapUse) {
	if now.allocated-m.looked >= quietBytes {
		m.working = true // it need not wait for the next look
	}
	m.choose(now)
}

// look is called every quietFor.
func (m *memory) look(now heapUse) {
	m.working = now.allocated-m.looked >= quietBytes
	m.looked = now.allocated
	m.choose(now)
	if !m.working && now.allocated-m.clean >= quietBytes {
		m.giveBack()
		m.clean = now.allocated
	}
}

// choose sets the percentage by which the heap may grow, unless it is about what
// it is.
func (m *memory) choose(now heapUse) {
	percent := goPercent
	if m.working {
		percent = growth(now.kept)
	}
	if percent > m.percent*9/8 || percent < m.percent*7/8 {
		m.percent = percent
		m.setPercent(percent)
	}
}

// growth is the percentage that gives a heap its room.
func growth(kept uint64) int {
	return max(goPercent, int(100*heapRoom/max(kept, 1<<20)))
}

// heapUsage is cheap: it stops nothing. What Go's rule goes by is not the heap
// alone, but stacks and global variables too.
func heapUsage() heapUse {
	samples := []gometrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	gometrics.Read(samples)
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	return heapUse{allocated: value(0), kept: value(1) + value(2) + value(3)}
}

// giveBack collects twice, because a goroutine's stack shrinks by half each time.
func giveBack() {
	runtime.GC()
	debug.FreeOSMemory()
}

// afterEachCollection tells of garbage collections until ctx ends. Several in a
// row may be told of as one.
func afterEachCollection(ctx context.Context) <-chan struct{} {
	c := &collections{ctx: ctx, ended: make(chan struct{}, 1)}
	c.await()
	return c.ended
}

type collections struct {
	ctx   context.Context
	ended chan struct{}
}

// await leaves something behind for the next collection to find.
func (c *collections) await() {
	left := &struct{ pointers *collections }{} // without a pointer, Go may put it together with others
	runtime.AddCleanup(left, (*collections).found, c)
}

func (c *collections) found() {
	if c.ctx.Err() != nil {
		return
	}
	select {
	case c.ended <- struct{}{}:
	default:
	}
	c.await()
}
