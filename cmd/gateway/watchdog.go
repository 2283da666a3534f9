package main

import (
	"context"
	"time"
)

// watchdogShare is how many signs of life are due within the time after which
// the service manager would start gateway anew.
const watchdogShare = 3

// showLife tells the service manager that gateway works for as long as it does:
// a sign of life needs every part to answer, not only a process to be there.
func (g *gateway) showLife(ctx context.Context) error {
	interval := g.manager.WatchdogInterval() / watchdogShare
	if interval <= 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	answered := make(chan struct{}, 1)
	answered <- struct{}{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			g.askParts(answered)
		}
	}
}

// askParts has every part answer for itself, beside the caller: one that hangs
// must not keep gateway from being stopped. The next question waits for the
// answer to this one.
func (g *gateway) askParts(answered chan struct{}) {
	select {
	case <-answered:
	default:
		g.log.Error("a part of gateway does not answer; if that lasts, the service manager starts gateway anew and the backends run on")
		return
	}
	if g.lent.Load() {
		answered <- struct{}{}
		return // another process shows life
	}
	go func() {
		g.status()
		g.manager.Alive()
		answered <- struct{}{}
	}()
}
