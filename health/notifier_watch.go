package health

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gateway/health/mail"
)

// watcher looks at disks and certificates every so often. It has a goroutine of
// its own, since a disk that hangs must not keep incidents from being told.
type watcher struct {
	options NotifierOptions
	phrases phrases
	raised  map[string]bool   // disks that were told to be nearly full, by alarm.id
	shown   map[string]string // fingerprints of each site's certificates
}

func (n *Notifier) newWatcher() *watcher {
	w := &watcher{options: n.options, phrases: n.phrases, raised: map[string]bool{}}
	for id := range n.book.Alarms {
		w.raised[id] = true
	}
	return w
}

func (w *watcher) run(ctx context.Context, seen chan<- []alarm) {
	ticker := time.NewTicker(w.options.Every)
	defer ticker.Stop()
	for {
		alarms := w.look(time.Now())
		select {
		case <-ctx.Done():
			return
		case seen <- alarms:
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *watcher) look(now time.Time) []alarm {
	var alarms []alarm
	if w.options.Certificates != nil {
		all := w.options.Certificates()
		w.noteChanges(all)
		alarms = certificateAlarms(all, now, w.phrases)
	}
	for _, d := range w.disks() {
		a := d.alarm(now, w.phrases)
		if w.raised[a.id()] = d.full(w.raised[a.id()]); w.raised[a.id()] {
			alarms = append(alarms, a)
		}
	}
	return alarms
}

// disks are the file systems of our folders, each once.
func (w *watcher) disks() []disk {
	var all []disk
	for _, folder := range w.options.Folders {
		d, err := readDisk(folder)
		if err != nil {
			w.options.Log.Debug("looking at a disk", "error", err)
			continue
		}
		if !slices.ContainsFunc(all, func(other disk) bool { return other.device == d.device }) {
			all = append(all, d)
		}
	}
	return all
}

// noteChanges remembers that a site shows another certificate.
func (w *watcher) noteChanges(all []Certificate) {
	shown := map[string]string{}
	for _, c := range all {
		shown[c.Site] += c.SHA256
	}
	for _, site := range slices.Sorted(maps.Keys(shown)) {
		if before, known := w.shown[site]; known && before != shown[site] {
			w.options.Changes.Note(CertificateChanged, site)
		}
	}
	w.shown = shown
}

// compare tells alarms that are new or worse, and those that are over.
func (n *Notifier) compare(alarms []alarm, now time.Time) {
	current := map[string]bool{}
	for _, a := range alarms {
		current[a.id()] = true
		n.raise(a, now)
	}
	for _, id := range slices.Sorted(maps.Keys(n.book.Alarms)) {
		switch told := n.book.Alarms[id]; {
		case told.Kind == kindReceiver && now.Sub(told.Since) > receiverAgain:
			delete(n.book.Alarms, id)
		case !current[id] && told.Kind != kindChannel && told.Kind != kindReceiver:
			n.clear(id, now)
		}
	}
}

// receiverAgain is after how long a receiver that is refused is told again.
const receiverAgain = 24 * time.Hour

// channelChanged follows a way to admins. One that failed when an earlier gateway
// ended is not in the outbox's memory, so that its working is told, too.
func (n *Notifier) channelChanged(a alarm, now time.Time) {
	switch {
	case a.level == 0:
		n.clear(a.id(), now)
	case len(a.only) == 0 && a.kind == kindChannel:
		n.options.Log.Error("no other way to admins is configured: nobody is told that notices do not arrive", "channel", a.key)
	default:
		n.raise(a, now)
	}
}

func (n *Notifier) raise(a alarm, now time.Time) {
	told, known := n.book.Alarms[a.id()]
	if a.level <= told.Level {
		return // told already, or nothing to tell
	}
	if !known {
		told = toldAlarm{Since: a.since, Kind: a.kind, Only: a.only}
	}
	notice := mail.Notice{
		Message: mail.Message{
			To: a.to, Subject: n.options.Host + ": " + a.subject, Body: a.body, Date: now,
			MessageID: mail.MessageID(alarmName(a.id(), told.Since)+"."+strconv.Itoa(a.level), n.options.Host),
		},
		Incident: a.id(), Kind: a.kind, Only: a.only,
	}
	n.thread(&notice, &told)
	told.Level, told.Over = a.level, a.over
	n.put(notice)
	n.book.Alarms[a.id()] = told
	n.save()
}

// clear tells that an alarm is over, if it was told.
func (n *Notifier) clear(id string, now time.Time) {
	told, known := n.book.Alarms[id]
	if !known {
		return
	}
	var t text
	t.line("%s", n.phrases.alarmIsOver)
	if now.After(told.Since) {
		t.line(n.phrases.lasted, n.phrases.span(now.Sub(told.Since)))
	}
	notice := mail.Notice{
		Message: mail.Message{
			Subject: n.options.Host + ": " + told.Over, Body: t.String(), Date: now,
			MessageID: mail.MessageID(alarmName(id, told.Since)+".over", n.options.Host),
		},
		Incident: id, Kind: told.Kind + "-over", Only: told.Only,
	}
	n.thread(&notice, &told)
	n.put(notice)
	delete(n.book.Alarms, id)
	n.save()
}

// thread makes a notice the first of its thread, or an answer to that.
func (n *Notifier) thread(notice *mail.Notice, told *toldAlarm) {
	if told.Root == "" {
		told.Root = notice.MessageID
		return
	}
	notice.InReplyTo, notice.References = told.Root, []string{told.Root}
}

// alarmName is the part of a Message-ID that tells an alarm apart from all
// others, also from a later one of the same kind and place.
func alarmName(id string, since time.Time) string {
	return strings.ReplaceAll(id, "/", ".") + "." + strconv.FormatInt(since.Unix(), 10)
}
