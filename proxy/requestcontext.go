package proxy

import (
	"context"
	"sync"
	"time"
)

// requestContext is the context of one request. To wait for the end of a context
// costs memory and a place in its parent's list; here both are taken when
// somebody asks for Done, which few requests last long enough for.
type requestContext struct {
	mu        sync.Mutex
	parent    context.Context
	full      context.Context // which can be waited for; nil: nobody has asked
	end       context.CancelFunc
	cancelled bool
}

// begin makes it a new context. Nobody may know the one that it was before.
func (c *requestContext) begin(parent context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parent, c.full, c.end, c.cancelled = parent, nil, nil, false
}

// cancel ends the context.
func (c *requestContext) cancel() {
	c.mu.Lock()
	c.cancelled = true
	end := c.end
	c.mu.Unlock()
	if end != nil {
		end()
	}
}

// isAwaited reports whether anybody has asked for Done, and so may know the
// context for longer than the request lasts.
func (c *requestContext) isAwaited() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.full != nil
}

// Deadline is the parent's.
func (c *requestContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Done is closed when the context ends.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full == nil {
		c.full, c.end = context.WithCancel(c.parent)
		if c.cancelled {
			c.end()
		}
	}
	return c.full.Done()
}

// Err tells whether and why the context has ended.
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.full != nil:
		return c.full.Err()
	case c.cancelled:
		return context.Canceled
	}
	return c.parent.Err()
}

// Value is the parent's, but for what package context looks for once somebody
// waits. Where nobody has and both have ended, context.Cause so tells the parent's.
func (c *requestContext) Value(key any) any {
	c.mu.Lock()
	asked := c.parent
	if c.full != nil {
		asked = c.full
	}
	c.mu.Unlock()
	return asked.Value(key)
}
