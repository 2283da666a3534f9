package main

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// memoryLab plays the heap that memory.run looks at.
type memoryLab struct {
	collected chan struct{}

	mu       sync.Mutex
	used     heapUse
	given    int
	percents []int
}

func (lab *memoryLab) locked(do func()) {
	lab.mu.Lock()
	defer lab.mu.Unlock()
	do()
}

func (lab *memoryLab) use() (used heapUse) {
	lab.locked(func() { used = lab.used })
	return used
}

func (lab *memoryLab) allocate(bytes uint64) {
	lab.locked(func() { lab.used.allocated += bytes })
}

// wasTold is how often memory was given back, and by how much the heap may have
// grown, in the order in which it was told.
func (lab *memoryLab) wasTold() (given int, percents []int) {
	synctest.Wait()
	lab.mu.Lock()
	defer lab.mu.Unlock()
	return lab.given, lab.percents
}

func memoryStart(t *testing.T) *memoryLab {
	lab := &memoryLab{collected: make(chan struct{})}
	m := &memory{
		usage:      lab.use,
		afterEach:  func(context.Context) <-chan struct{} { return lab.collected },
		giveBack:   func() { lab.locked(func() { lab.given++ }) },
		setPercent: func(percent int) { lab.locked(func() { lab.percents = append(lab.percents, percent) }) },
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- m.run(ctx) }()
	t.Cleanup(func() {
		if cancel(); <-ended != nil {
			t.Error("run ended with an error")
		}
	})
	return lab
}

// collect is a garbage collection after so much was allocated.
func (lab *memoryLab) collect(allocated, kept uint64) {
	lab.locked(func() { lab.used = heapUse{lab.used.allocated + allocated, kept} })
	lab.collected <- struct{}{}
}

func TestMemory_IsGivenBackOnceWhenABurstIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := memoryStart(t)
		for range 100 { // a minute and a half under load
			lab.allocate(1 << 20)
			time.Sleep(time.Second)
		}
		if given, _ := lab.wasTold(); given != 0 {
			t.Errorf("given back %d times while gateway was at work", given)
		}
		time.Sleep(time.Hour)
		if given, _ := lab.wasTold(); given != 1 {
			t.Errorf("given back %d times after the burst, want once", given)
		}
		lab.allocate(quietBytes)
		time.Sleep(time.Hour)
		if given, _ := lab.wasTold(); given != 2 {
			t.Errorf("given back %d times after the second burst, want twice in all", given)
		}
	})
}

func TestMemory_IsLeftAloneWhereLittleHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := memoryStart(t)
		for range 3 { // what Go does by itself every two minutes
			time.Sleep(2 * time.Minute)
			lab.collect(1<<20, 5<<20)
		}
		if given, percents := lab.wasTold(); given != 0 || len(percents) != 0 {
			t.Errorf("given back %d times, room %v; want nothing", given, percents)
		}
	})
}

func TestMemory_HasRoomToGrowWhileGatewayIsAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := memoryStart(t)
		lab.collect(5<<20, 8<<20) // within the first second of a load
		lab.collect(32<<20, 8<<20+100<<10)
		lab.collect(32<<20, 16<<20)
		lab.collect(32<<20, 200<<20)
		if _, percents := lab.wasTold(); !slices.Equal(percents, []int{400, 200, 100}) {
			t.Errorf("the heap may grow by %v percent, want 400, 200, 100", percents)
		}
	})
}

func TestMemory_TakesTheRoomBackWhenGatewayIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := memoryStart(t)
		lab.collect(5<<20, 8<<20)
		time.Sleep(3 * quietFor)
		if given, percents := lab.wasTold(); given != 1 || !slices.Equal(percents, []int{400, 100}) {
			t.Errorf("the heap may grow by %v percent, want 400, 100; given back %d times, want once", percents, given)
		}
	})
}

func TestHeapUsage_GrowsWithWhatIsAllocated(t *testing.T) {
	before := heapUsage()
	kept := make([]byte, 8<<20)
	runtime.GC()
	after := heapUsage()
	runtime.KeepAlive(kept)
	if after.allocated < before.allocated+8<<20 || after.kept < 8<<20 {
		t.Errorf("before %+v, after 8 MiB %+v", before, after)
	}
}

func TestAfterEachCollection_TellsOfThemUntilItsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	told := afterEachCollection(ctx)
	for i := range 3 {
		runtime.GC()
		select {
		case <-told:
		case <-time.After(30 * time.Second):
			t.Fatalf("collection %d was not told of", i+1)
		}
	}
	cancel()
	c := &collections{ctx: ctx, ended: make(chan struct{}, 1)}
	c.found()
	if len(c.ended) != 0 {
		t.Error("told of a collection after its end")
	}
}
