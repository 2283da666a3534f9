package proxy

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

var gateBounds = bounds{time: 20 * time.Second, requests: 1000, bytes: 1000}

// gateWait queues a request that may wait for the gate's time.
func gateWait(ctx context.Context, g *gate) (<-chan error, *ticket) {
	p, result := &ticket{until: time.Now().Add(g.bounds.time)}, make(chan error, 1)
	go func() { result <- g.wait(ctx, p) }()
	return result, p
}

func TestGate_PassesWithoutAllocation(t *testing.T) {
	known := newHoldKnown(holdUp)
	g := newGate(known.get, gateBounds)
	if n := testing.AllocsPerRun(100, func() {
		if !g.enter() {
			t.Fatal("the gate is shut")
		}
		g.leave()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestGate_EndsTheWaitAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(newHoldKnown(holdComing).get, gateBounds)
		began := time.Now()
		result, _ := gateWait(t.Context(), g)
		err := <-result
		away, ok := errors.AsType[*awayError](err)
		if !ok || time.Since(began) != 20*time.Second || away.retryAfter != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestGate_DoesNotWaitForAStartThatComesTooLate(t *testing.T) {
	for _, c := range []struct {
		next   time.Duration
		waits  bool
		remedy time.Duration
	}{{19 * time.Second, true, 0}, {20 * time.Second, true, 0}, {21 * time.Second, false, 21 * time.Second}, {30 * time.Second, false, 30 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			known := newHoldKnown(Availability{Coming: true, Reason: "it is down", Next: time.Now().Add(c.next)})
			g := newGate(known.get, gateBounds)
			result, _ := gateWait(t.Context(), g)
			synctest.Wait()
			if !c.waits {
				away, _ := errors.AsType[*awayError](<-result)
				if away == nil || away.retryAfter != c.remedy {
					t.Errorf("%v: %v", c.next, away)
				}
				return
			}
			known.set(holdUp)
			if err := <-result; err != nil {
				t.Errorf("%v: %v", c.next, err)
			}
		})
	}
}

func TestGate_LetsOneGoAfterTheOtherIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := newHoldKnown(holdComing)
		g := newGate(known.get, gateBounds)
		var results []<-chan error
		var tickets []*ticket
		for range 5 {
			result, p := gateWait(t.Context(), g)
			results, tickets = append(results, result), append(tickets, p)
			synctest.Wait()
		}
		known.set(holdUp)
		for i, result := range results {
			began := time.Now()
			if err := <-result; err != nil || time.Since(began) > 0 {
				t.Fatalf("request %d: %v after %v", i, err, time.Since(began))
			}
			synctest.Wait()
			if i+1 < len(tickets) && tickets[i+1].going {
				t.Fatalf("request %d goes before %d is sent", i+1, i)
			}
			if g.enter() {
				t.Fatalf("a newcomer passes request %d", i)
			}
			g.sent(tickets[i])
		}
		for _, p := range tickets {
			g.answered(p, true)
			g.leave()
		}
		if !g.enter() {
			t.Error("the gate does not let newcomers pass when the queue is empty")
		}
	})
}

func TestGate_ASlowBackendGetsMoreAndMoreRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := newHoldKnown(holdComing)
		g := newGate(known.get, gateBounds)
		var gone []time.Duration
		for range 500 {
			go func() {
				p := &ticket{until: time.Now().Add(g.bounds.time)}
				if g.wait(t.Context(), p) == nil {
					g.sent(p) // and it is never answered
				}
			}()
		}
		synctest.Wait()
		known.set(holdUp)
		for len(gone) < 8 {
			synctest.Wait()
			gone = append(gone, time.Duration(g.inFlight.Load()))
			time.Sleep(rampStep)
		}
		if want := []time.Duration{32, 64, 128, 256, 500, 500, 500, 500}; !slices.Equal(gone, want) {
			t.Errorf("in flight every %v: %v, want %v", rampStep, gone, want)
		}
	})
}

func TestGate_ARequestThatIsNotSentDoesNotHoldUpTheOthersForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := newHoldKnown(holdComing)
		g := newGate(known.get, gateBounds)
		first, _ := gateWait(t.Context(), g)
		synctest.Wait()
		second, _ := gateWait(t.Context(), g)
		synctest.Wait()
		known.set(holdUp)
		began := time.Now()
		if err := errors.Join(<-first, <-second); err != nil || time.Since(began) != sendPatience {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestGate_TriesABackendThatRefusesAtGrowingIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(presumedUp, gateBounds)
		var pauses []string
		p := &ticket{}
		last := time.Now()
		for g.refused() {
			p.until = last.Add(time.Minute)
			if err := g.wait(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			pauses = append(pauses, strconv.Itoa(int(time.Since(last).Milliseconds())))
			last = time.Now()
			g.answered(p, false)
			g.leave()
		}
		if want := []string{"25", "50", "100", "200", "250", "250"}; !slices.Equal(pauses[:6], want) {
			t.Errorf("pauses in ms: %v", pauses[:6])
		}
		// From then on the outage is old, and whoever comes tries at once.
		p.until = time.Now().Add(time.Minute)
		if err := g.wait(t.Context(), p); err != nil || time.Since(last) > 0 {
			t.Errorf("%v after %v", err, time.Since(last))
		}
	})
}

func TestGate_NewsEndsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := newHoldKnown(holdUp)
		g := newGate(known.get, gateBounds)
		for range 5 {
			g.refused()
			time.Sleep(time.Second)
		}
		g.refused()
		result, _ := gateWait(t.Context(), g)
		synctest.Wait()
		began := time.Now()
		known.set(holdComing)
		synctest.Wait()
		known.set(holdUp)
		if err := <-result; err != nil || time.Since(began) > 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestGate_AnEndedRequestLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := newHoldKnown(holdComing)
		g := newGate(known.get, gateBounds)
		gone := errors.New("client gone")
		for range 100 {
			ctx, cancel := context.WithCancelCause(t.Context())
			result, _ := gateWait(ctx, g)
			synctest.Wait()
			go cancel(gone)
			go known.set(holdUp) // at the same moment
			if err := <-result; err == nil {
				g.leave()
			} else if !errors.Is(err, gone) {
				t.Fatal(err)
			}
			synctest.Wait()
			if g.inFlight.Load() != 0 || !g.queue.empty() {
				t.Fatalf("%d in flight, %d waiting", g.inFlight.Load(), len(g.queue.tickets))
			}
			g.mu.Lock()
			g.ramp = ramp{patience: sendPatience}
			g.mu.Unlock()
			known.set(holdComing)
		}
	})
}

func TestWaitlist_KeepsTheOrderOfArrivalAlsoOfThoseThatComeBack(t *testing.T) {
	var list waitlist
	tickets := make([]*ticket, 6)
	for i := range tickets {
		tickets[i] = &ticket{bytes: int64(i)}
		list.add(tickets[i])
	}
	one, two := list.next(), list.next()
	list.remove(tickets[3])
	list.remove(tickets[3])
	list.add(two)
	list.add(one)
	var order []uint64
	for !list.empty() {
		order = append(order, list.next().number)
	}
	if !slices.Equal(order, []uint64{1, 2, 3, 5, 6}) || list.bytes != 0 {
		t.Errorf("%v, %d bytes left", order, list.bytes)
	}
}

func TestGate_ARequestThatComesBackNeitherLosesItsPlaceNorCostsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := newHoldKnown(holdComing)
		g := newGate(known.get, bounds{time: time.Minute, requests: 1, bytes: 1})
		first, ticket := gateWait(t.Context(), g)
		synctest.Wait()
		known.set(holdUp)
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		known.set(holdComing)
		second, _ := gateWait(t.Context(), g)
		synctest.Wait()
		g.answered(ticket, false) // it died before the request was sent
		g.leave()
		back := make(chan error, 1)
		go func() { back <- g.wait(t.Context(), ticket) }()
		synctest.Wait()
		third, _ := gateWait(t.Context(), g)
		if err := <-third; err == nil {
			t.Error("the queue takes more than its bound")
		}
		known.set(holdComing)
		synctest.Wait()
		known.set(holdUp)
		if err := <-back; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(second) > 0 {
			t.Error("the second goes before the first is sent")
		}
		g.sent(ticket)
		if err := <-second; err != nil {
			t.Error(err)
		}
	})
}
