package proxy

import (
	"cmp"
	"slices"
	"time"
)

// ticket is a request's place in the queue of its backend. A request that was let
// go and comes back, because it could not be sent, has its old place again.
type ticket struct {
	number  uint64 // order of arrival, from 1; 0: never queued
	bytes   int64  // of its gathered body
	until   time.Time
	turn    chan struct{} // closed when it may go
	going   bool          // it was let go, and has not come back
	sending bool          // going, and nothing says yet that it was sent
}

// waitlist holds requests in the order of their arrival.
type waitlist struct {
	tickets []*ticket
	bytes   int64 // of the gathered bodies of all
	last    uint64
}

// add puts a newcomer at the end, and one that was here before at its old place.
func (q *waitlist) add(t *ticket) {
	if t.number == 0 {
		q.last++
		t.number = q.last
	}
	i, _ := q.find(t)
	q.tickets = slices.Insert(q.tickets, i, t)
	q.bytes += t.bytes
}

func (q *waitlist) remove(t *ticket) {
	if i, found := q.find(t); found {
		q.tickets = slices.Delete(q.tickets, i, i+1)
		q.bytes -= t.bytes
	}
}

// next takes the first out.
func (q *waitlist) next() *ticket {
	t := q.tickets[0]
	q.tickets[0] = nil
	q.tickets = q.tickets[1:]
	q.bytes -= t.bytes
	return t
}

func (q *waitlist) find(t *ticket) (int, bool) {
	return slices.BinarySearchFunc(q.tickets, t, func(a, b *ticket) int { return cmp.Compare(a.number, b.number) })
}

func (q *waitlist) empty() bool { return len(q.tickets) == 0 }
