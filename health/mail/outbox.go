package mail

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// maxUnstored bounds the notices that are kept in memory because the disk takes
// none: with maxBody each they stay below 32 MB.
const maxUnstored = 100

// Errors of Put.
var (
	// ErrNotStored means that the disk did not take the notice. It is kept in
	// memory and sent from there, but a crash would lose it.
	ErrNotStored = errors.New("the notice is kept in memory only, because it could not be written to the disk")
	// ErrNoChannel means that nothing is configured that could carry the notice.
	ErrNoChannel = errors.New("there is no channel for the notice: configure [mail] or [[webhook]]")
)

// Options are an outbox's settings.
type Options struct {
	Dir      string        // folder for the letters, made when it is missing
	MaxQueue int           // most notices waiting; 0: 1000
	RetryFor time.Duration // how long a notice is tried; 0: 5 days
	Lang     string        // language of the lines that the outbox adds: "en" or "zh"
	Log      *slog.Logger  // nil: nothing is logged

	// Failing is called once when a channel stops working, and Working once when
	// it works again. They may call Put, with Only naming the other channels; they
	// must not wait for the outbox.
	Failing func(channel string, since time.Time, err error)
	Working func(channel string, after time.Duration)
	// Buried is called when a notice was given up for some receiver.
	Buried func(Item)
}

// Outbox keeps notices until they are delivered. Put may be called at any time,
// by any goroutine, also while Run is not running.
type Outbox struct {
	opts  Options
	spool spool
	log   *slog.Logger

	changed chan struct{} // the channels changed; Run starts and stops workers
	disk    sync.Mutex    // held while a letter's file is rewritten; before mu

	mu      sync.Mutex // guards all below; never held while a file or the network is used
	letters map[string]*letter
	lanes   map[string]*lane
}

// NewOutbox returns an outbox for a folder. It touches nothing; see Run.
func NewOutbox(opts Options, channels ...Channel) *Outbox {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	o := &Outbox{
		opts: opts, spool: spool{opts.Dir}, log: opts.Log,
		changed: make(chan struct{}, 1),
		letters: map[string]*letter{}, lanes: map[string]*lane{},
	}
	o.Configure(Config{MaxQueue: opts.MaxQueue, RetryFor: opts.RetryFor, Lang: opts.Lang})
	o.SetChannels(channels...)
	return o
}

// Configure sets what [mail] says of the queue, as a reload does.
func (o *Outbox) Configure(c Config) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defaults := DefaultConfig()
	o.opts.MaxQueue = cmp.Or(c.MaxQueue, defaults.MaxQueue)
	o.opts.RetryFor = cmp.Or(c.RetryFor, defaults.RetryFor)
	o.opts.Lang = c.Lang
}

// SetChannels replaces the channels, as a reload does. What waits for a channel of
// the same name waits for the new one, which is tried at once; what waits for a
// channel that is gone is buried.
func (o *Outbox) SetChannels(channels ...Channel) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lanes := map[string]*lane{}
	for _, channel := range channels {
		l := o.lanes[channel.Name()]
		if l == nil {
			l = newLane(channel)
		}
		l.channel, l.paused, l.failures = channel, time.Time{}, 0
		lanes[channel.Name()] = l
		l.nudge()
	}
	o.lanes = lanes
	o.reconsider()
}

// Put takes a notice. When it returns nil, the notice is on the disk and survives
// any crash. It waits for the disk, never for the network. With ErrNotStored the
// notice is sent all the same, unless gateway dies before.
func (o *Outbox) Put(n Notice) error {
	l := o.newLetter(n.cleaned(), time.Now())
	victim, err := o.prepare(l)
	if err != nil {
		return err
	}
	err = o.spool.write(queueFolder, l.id, l.encode())
	o.admit(l, err == nil)
	if victim != nil {
		o.discard(victim)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotStored, err)
	}
	return nil
}

// prepare gives the letter its errands, and chooses the one that has to go for it.
func (o *Outbox) prepare(l *letter) (victim *letter, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.address(l)
	if len(l.errands) == 0 {
		return nil, ErrNoChannel
	}
	return o.makeRoom(l), nil
}

// newLetter makes a letter of a notice. The identifier sorts by time.
func (o *Outbox) newLetter(n Notice, now time.Time) *letter {
	if n.Date.IsZero() {
		n.Date = now
	}
	if n.MessageID == "" {
		n.MessageID = NewMessageID("")
	}
	return &letter{id: now.UTC().Format("20060102T150405.000000000Z") + "-" + randomHex(4), notice: n, raised: now}
}

// address gives the letter an errand for each channel that is to carry it. A
// fallback comes in later, unless there is nothing that it could fall back from.
func (o *Outbox) address(l *letter) {
	for _, fallbacks := range []bool{false, true} {
		for _, lane := range o.lanes {
			if lane.channel.Fallback() == fallbacks {
				o.addErrand(l, lane.channel)
			}
		}
		if len(l.errands) > 0 {
			return
		}
	}
}

func (o *Outbox) addErrand(l *letter, channel Channel) {
	name := channel.Name()
	if l.knows(name) || len(l.notice.Only) > 0 && !slices.Contains(l.notice.Only, name) {
		return
	}
	if targets := channel.Targets(l.notice); len(targets) > 0 {
		l.errands = append(l.errands, errand{channel: name, pending: slices.Clone(targets), next: l.raised})
	}
}

// makeRoom chooses the letter that has to go for l when the queue is full, and
// notes it in l. The caller removes its file once l is on the disk.
func (o *Outbox) makeRoom(l *letter) *letter {
	if len(o.letters) < o.opts.MaxQueue {
		return nil
	}
	victim := chooseVictim(o.letters, l.notice.Incident)
	if victim == nil {
		return nil
	}
	l.dropped = l.dropped.including(victim)
	victim.gone = true
	return victim
}

// admit puts the letter among those to be delivered. A letter that is not stored
// has few companions: the oldest of them go.
func (o *Outbox) admit(l *letter, stored bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l.stored = stored
	if stored {
		l.notice.Body = ""
	} else {
		o.boundUnstored(l)
	}
	if o.letters[l.id] == nil { // else Run has just read it from the folder
		o.letters[l.id] = l
	}
	o.nudge(l)
}

func (o *Outbox) boundUnstored(newcomer *letter) {
	unstored := map[string]*letter{}
	for id, l := range o.letters {
		if !l.stored && !l.gone {
			unstored[id] = l
		}
	}
	if len(unstored) < maxUnstored {
		return
	}
	if victim := chooseVictim(unstored, newcomer.notice.Incident); victim != nil {
		newcomer.dropped = newcomer.dropped.including(victim)
		delete(o.letters, victim.id)
	}
}

// nudge wakes the workers that have something to do for l.
func (o *Outbox) nudge(l *letter) {
	for _, e := range l.errands {
		if lane := o.lanes[e.channel]; lane != nil {
			lane.nudge()
		}
	}
}

// chooseVictim returns the oldest letter of the incident, or else the oldest of
// the incident with the most letters. One that is being delivered stays.
func chooseVictim(letters map[string]*letter, incident string) *letter {
	oldest, count := map[string]*letter{}, map[string]int{}
	for _, l := range letters {
		if l.gone || l.busy() {
			continue
		}
		key := l.notice.Incident
		count[key]++
		if oldest[key] == nil || l.id < oldest[key].id {
			oldest[key] = l
		}
	}
	if victim := oldest[incident]; victim != nil {
		return victim
	}
	var victim *letter
	for key, l := range oldest {
		if victim == nil || count[key] > count[victim.notice.Incident] || count[key] == count[victim.notice.Incident] && l.id < victim.id {
			victim = l
		}
	}
	return victim
}
