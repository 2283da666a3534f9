package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync/atomic"
	"time"
)

// handshakers is how many clients shake hands at a time.
const handshakers = 8

// handshakes is a load of new connections with one request each, all with full
// handshakes, or all but each client's first with a resumed session.
func handshakes(resumed bool) load {
	return func(ctx context.Context, w *workshop, s *server, much effort) (int, error) {
		var done atomic.Int64
		until := time.Now().Add(much.time)
		err := inParallel(ctx, handshakers, func(ctx context.Context, _ int) error {
			settings := w.clientTLS()
			if resumed {
				settings.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			}
			for first := true; time.Now().Before(until); first = false {
				if err := shakeHands(ctx, s.address(), settings, resumed && !first); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
		return int(done.Load()), err
	}
}

func shakeHands(ctx context.Context, address string, settings *tls.Config, resume bool) error {
	c, err := dial(ctx, address, settings)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.ConnectionState().DidResume != resume {
		return fmt.Errorf("resumed the session: %v, want %v", !resume, resume)
	}
	return c.ask(1<<10, true)
}
