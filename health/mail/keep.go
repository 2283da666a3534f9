package mail

import (
	"errors"
	"io/fs"
)

// load reads the folder: at the start all of it, because another process may have
// delivered in the meantime what this one put there; later only what is new.
// Letters of which this process has the only copy stay.
func (o *Outbox) load(afresh bool) {
	before := o.storedIDs()
	ids, err := o.spool.list(queueFolder)
	if err != nil {
		o.log.Error("the folder of queued notices cannot be read", "error", err)
		return
	}
	fresh := map[string]*letter{}
	for _, id := range ids {
		if !before[id] || afresh {
			fresh[id] = o.loadOne(id)
		}
	}
	o.merge(fresh, before, afresh)
	o.removeGone()
	o.storeAgain()
}

// storedIDs returns the letters that should be in the folder by now, and those
// whose files are only to be removed.
func (o *Outbox) storedIDs() map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	ids := map[string]bool{}
	for id, l := range o.letters {
		if l.stored || l.gone {
			ids[id] = true
		}
	}
	return ids
}

// loadOne returns a letter without its text, or nil if it cannot be read.
func (o *Outbox) loadOne(id string) *letter {
	l, err := o.spool.read(queueFolder, id)
	if err != nil {
		o.unreadable(&letter{id: id}, err)
		return nil
	}
	l.notice.Body = ""
	return l
}

// merge takes over what was read, in one step. What was put since the reading
// began stays as it is; what was known before follows the folder when afresh.
func (o *Outbox) merge(fresh map[string]*letter, before map[string]bool, afresh bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id := range before {
		if l := o.letters[id]; afresh && l != nil && !l.gone {
			delete(o.letters, id)
		}
	}
	for id, l := range fresh {
		if l != nil && o.letters[id] == nil {
			o.letters[id] = l
			o.nudge(l)
		}
	}
}

// storeAgain writes down what the disk did not take before.
func (o *Outbox) storeAgain() {
	o.mu.Lock()
	var unstored []*letter
	for _, l := range o.letters {
		if !l.stored && !l.gone {
			unstored = append(unstored, l)
		}
	}
	o.mu.Unlock()
	for _, l := range unstored {
		o.keep(l)
	}
}

// removeGone tries again to remove or bury the files of finished letters, which
// failed if the disk was full or read-only.
func (o *Outbox) removeGone() {
	o.mu.Lock()
	var gone, unburied []*letter
	for _, l := range o.letters {
		switch {
		case l.gone && l.unburied:
			unburied = append(unburied, l)
		case l.gone && !l.busy():
			gone = append(gone, l)
		}
	}
	o.mu.Unlock()
	for _, l := range gone {
		o.discard(l)
	}
	for _, l := range unburied {
		o.keep(l)
	}
}

// orphans buries what waits for channels that are configured no more.
func (o *Outbox) orphans() {
	o.mu.Lock()
	var orphaned []*letter
	for _, l := range o.letters {
		if o.disown(l) {
			orphaned = append(orphaned, l)
		}
	}
	o.mu.Unlock()
	for _, l := range orphaned {
		o.keep(l)
	}
}

func (o *Outbox) disown(l *letter) (changed bool) {
	for i := range l.errands {
		e := &l.errands[i]
		if o.lanes[e.channel] == nil && !e.busy && len(e.pending) > 0 {
			l.giveUp(e.channel, "the channel is no longer configured")
			changed = true
		}
	}
	return changed
}

// keep writes down where a letter stands: it is rewritten, removed or buried. The
// lock makes the last state the one that stays, when two channels end at once.
func (o *Outbox) keep(l *letter) {
	o.disk.Lock()
	defer o.disk.Unlock()
	body, err := o.body(l)
	if errors.Is(err, fs.ErrNotExist) {
		o.forget(l)
		return
	}
	state, finished := o.snapshot(l, body)
	switch {
	case !finished:
		o.rewrite(l, state)
	case state.refused():
		o.bury(l, state)
	default:
		o.discard(l)
	}
}

// body returns the letter's text, which for a stored letter is in its file.
func (o *Outbox) body(l *letter) (string, error) {
	o.mu.Lock()
	stored, body := l.stored, l.notice.Body
	o.mu.Unlock()
	if !stored {
		return body, nil
	}
	onDisk, err := o.spool.read(queueFolder, l.id)
	if err != nil {
		return "", err
	}
	return onDisk.notice.Body, nil
}

// snapshot returns the letter as it is to be written.
func (o *Outbox) snapshot(l *letter, body string) (state *letter, finished bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	state = l.clone()
	state.notice.Body = body
	return state, l.finished() || l.gone
}

// rewrite keeps the progress. If the disk does not take it, the memory has it; a
// crash then sends a second copy, with the same Message-ID.
func (o *Outbox) rewrite(l, state *letter) {
	if err := o.spool.write(queueFolder, state.id, state.encode()); err != nil {
		o.log.Error("the progress of a queued notice cannot be written; after a crash it would be sent again", "error", err)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	l.stored, l.notice.Body = true, ""
}

// bury moves a letter to the dead letters, with the reasons in it. If the disk does
// not take them, a letter that has a file is remembered, so that it is not delivered
// again, and tried later.
func (o *Outbox) bury(l, state *letter) {
	err := o.spool.write(queueFolder, state.id, state.encode())
	hasFile := state.stored || err == nil
	if err == nil {
		err = o.spool.bury(state.id)
	}
	if err != nil && !state.unburied {
		o.log.Error("a notice that was given up cannot be kept among the dead letters", "subject", state.notice.Subject, "error", err)
	}
	if err != nil && hasFile {
		o.mu.Lock()
		l.stored, l.gone, l.unburied = true, true, true
		o.mu.Unlock()
	} else {
		o.forget(l)
	}
	if o.opts.Buried != nil && !state.unburied {
		item := state.item()
		item.Dead = true
		o.opts.Buried(item)
	}
}

// discard removes a letter that is done with. If its file cannot be removed, the
// letter is remembered, so that it is not delivered again, and tried later.
func (o *Outbox) discard(l *letter) {
	o.mu.Lock()
	stored, told := l.stored, l.stuck
	o.mu.Unlock()
	var err error
	if stored {
		err = o.spool.remove(queueFolder, l.id)
	}
	if err == nil {
		o.forget(l)
		return
	}
	o.mu.Lock()
	l.gone, l.stuck = true, true
	o.mu.Unlock()
	if !told {
		o.log.Error("the file of a delivered notice cannot be removed; after a restart it would be sent again", "error", err)
	}
}

func (o *Outbox) forget(l *letter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.letters, l.id)
}
