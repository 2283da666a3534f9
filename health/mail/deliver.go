package mail

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"
)

const (
	rescanEvery = time.Minute      // for letters that another process put into the folder
	stopGrace   = 5 * time.Second  // a delivery under way may take so long when Run is to end
	idleWait    = 10 * time.Minute // a worker with nothing to do looks again after this
)

// Run delivers until ctx ends. It waits first for another process that delivers
// from the same folder. When it returns, nothing of it is left running, and what
// was not delivered is in the folder.
func (o *Outbox) Run(ctx context.Context) error {
	release, err := o.spool.lock(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		// Without its folder the outbox still sends what it has in memory.
		o.log.Error("the folder of queued notices cannot be used; notices are sent, but not kept over a restart", "folder", o.spool.dir, "error", err)
	default:
		defer release()
	}
	o.spool.sweep(time.Now())
	o.load(true)
	o.work(ctx)
	return nil
}

// work runs a worker for each channel and keeps up with changes of both.
func (o *Outbox) work(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	rescan := time.NewTicker(rescanEvery)
	defer rescan.Stop()
	running := map[string]job{}
	for {
		o.employ(ctx, &workers, running)
		o.orphans()
		select {
		case <-ctx.Done():
			return
		case <-o.changed:
		case <-rescan.C:
			o.spool.sweep(time.Now())
			o.load(false)
		}
	}
}

// job is a worker at its post.
type job struct {
	lane   *lane
	cancel context.CancelFunc
}

// employ starts workers for new channels and lets those of vanished ones go.
func (o *Outbox) employ(ctx context.Context, workers *sync.WaitGroup, running map[string]job) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, job := range running {
		if o.lanes[name] != job.lane {
			job.cancel()
			delete(running, name)
		}
	}
	for name, lane := range o.lanes {
		if _, ok := running[name]; ok {
			continue
		}
		own, cancel := context.WithCancel(ctx)
		running[name] = job{lane, cancel}
		workers.Go(func() { defer cancel(); o.worker(own, name, lane) })
	}
}

// worker delivers over one channel, one letter after the other.
func (o *Outbox) worker(ctx context.Context, name string, own *lane) {
	for ctx.Err() == nil {
		l, wait := o.take(name, time.Now())
		if l != nil {
			o.deliver(ctx, name, l)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-own.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take returns the next letter for a channel and marks it as being delivered, or
// how long there is nothing to do.
func (o *Outbox) take(name string, now time.Time) (*letter, time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lane := o.lanes[name]
	if lane == nil {
		return nil, idleWait
	}
	var first *letter
	var due time.Time
	for _, l := range o.letters {
		e := l.errandOf(name)
		if e == nil || e.busy || l.gone {
			continue
		}
		if first == nil || e.next.Before(due) || e.next.Equal(due) && l.id < first.id {
			first, due = l, e.next
		}
	}
	if first == nil {
		return nil, idleWait
	}
	if lane.paused.After(due) {
		due = lane.paused
	}
	if wait := due.Sub(now); wait > 0 {
		return nil, wait
	}
	first.errandOf(name).busy = true
	return first, 0
}

// deliver tries one letter over one channel and keeps what came of it.
func (o *Outbox) deliver(ctx context.Context, name string, l *letter) {
	t, stored := o.open(name, l)
	if t.channel == nil { // a reload has just taken it away
		o.putBack(name, l)
		return
	}
	if stored {
		onDisk, err := o.spool.read(queueFolder, l.id)
		if err != nil {
			o.unreadable(l, err)
			return
		}
		t.notice.Body = onDisk.notice.Body
	}
	t.notice.Body += t.remarks
	outcome := o.attempt(ctx, t)
	if ctx.Err() != nil && outcome.Failed() != nil {
		o.putBack(name, l) // gateway stops: the try does not count
		return
	}
	o.settle(name, l, outcome, time.Now())
}

// try is what is handed to a channel.
type try struct {
	channel Channel
	notice  Notice
	targets []string
	remarks string // added below the notice's text
}

// open gathers what is to be sent. When stored, the text is in the letter's file.
func (o *Outbox) open(name string, l *letter) (t try, stored bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if lane := o.lanes[name]; lane != nil {
		t.channel = lane.channel
	}
	t.notice = l.notice
	if e := l.errandOf(name); e != nil {
		t.targets = slices.Clone(e.pending)
		t.remarks = remarks(o.opts.Lang, time.Since(l.raised), e.last, l.dropped)
	}
	return t, l.stored
}

// attempt delivers within the channel's own limits; once ctx ended, within a
// short grace, because a message that is cut off in the middle arrives twice.
func (o *Outbox) attempt(ctx context.Context, t try) Outcome {
	sending, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(stopGrace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(errors.New("gateway is stopping"))
		case <-sending.Done():
		}
	})
	defer stop()
	return t.channel.Deliver(sending, t.notice, t.targets)
}

// putBack lets other workers, Drop and orphans have the letter again.
func (o *Outbox) putBack(name string, l *letter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l.errandFor(name).busy = false
	o.reconsider()
}

// reconsider has Run compare workers and letters with the channels again.
func (o *Outbox) reconsider() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// unreadable handles a letter whose file is gone or is no letter any more.
func (o *Outbox) unreadable(l *letter, err error) {
	if !errors.Is(err, fs.ErrNotExist) {
		o.log.Error("a queued notice cannot be read; it is moved to the dead letters", "error", err)
		if err := o.spool.bury(l.id); err != nil {
			o.log.Error("a queued notice cannot be moved to the dead letters", "error", err)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.letters, l.id)
}
