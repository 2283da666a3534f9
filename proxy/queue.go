package proxy

// queue is a list whose places are part of what it lists. Its zero value is empty.
type queue struct{ head, tail *place }

// place is a client's place in a queue.
type place struct {
	before, after *place
	client        *client
}

func (q *queue) first() *client {
	if q.head == nil {
		return nil
	}
	return q.head.client
}

func (q *queue) push(p *place) {
	p.before, p.after = q.tail, nil
	if q.tail == nil {
		q.head = p
	} else {
		q.tail.after = p
	}
	q.tail = p
}

func (q *queue) remove(p *place) {
	if p.before == nil {
		q.head = p.after
	} else {
		p.before.after = p.after
	}
	if p.after == nil {
		q.tail = p.before
	} else {
		p.after.before = p.before
	}
	p.before, p.after = nil, nil
}
