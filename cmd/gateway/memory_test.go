package main

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// memoryLab counts what memory.run does. Giving back is two collections, as in
// the real thing.
type memoryLab struct{ collections, given atomic.Uint64 }

func memoryStart(t *testing.T) *memoryLab {
	lab := &memoryLab{}
	m := memory{collections: lab.collections.Load, giveBack: func() { lab.given.Add(1); lab.collections.Add(2) }}
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

func TestMemory_IsGivenBackOnceWhenABurstIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := memoryStart(t)
		for range 100 { // a minute and a half under load
			lab.collections.Add(1)
			time.Sleep(time.Second)
		}
		if got := lab.given.Load(); got != 0 {
			t.Errorf("given back %d times while gateway was at work", got)
		}
		time.Sleep(time.Hour)
		if got := lab.given.Load(); got != 1 {
			t.Errorf("given back %d times after the burst, want once", got)
		}
		lab.collections.Add(1)
		time.Sleep(time.Hour)
		if got := lab.given.Load(); got != 2 {
			t.Errorf("given back %d times after the second burst, want twice in all", got)
		}
	})
}

func TestMemory_IsLeftAloneWhereNothingWasCollected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := memoryStart(t)
		time.Sleep(time.Hour)
		if got := lab.given.Load(); got != 0 {
			t.Errorf("given back %d times, want never", got)
		}
	})
}

func TestCollections_CountsThem(t *testing.T) {
	before := collections()
	giveBack()
	if after := collections(); after < before+2 {
		t.Errorf("%d collections, then %d: giving back makes two at least", before, after)
	}
}
