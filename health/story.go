package health

import "time"

// How often admins are mailed about one backend.
const (
	// settleAfter is how long a backend must be well before its first recovery is
	// told: the requests that waited for it are counted by then.
	settleAfter = 3 * time.Second
	// remindEvery is between two reminders of the first ones, and remindLater
	// between later ones.
	remindEvery = time.Hour
	remindLater = 24 * time.Hour
	// oftenMails is after how many mails of a story reminders get rare.
	oftenMails = 4
	// restlessWithin and restlessAfter: a backend that had so many stories within
	// that time is restless. Its next incident goes on with the last story, which
	// is told as over when the backend has been well for that time.
	restlessWithin = time.Hour
	restlessAfter  = 2
)

// telling is what a mail about a backend says.
type telling int

const (
	tellNothing   telling = iota
	tellDown              // it began
	tellDownAgain         // it is down again though its recovery was told
	tellStillDown         // a reminder
	tellUp                // it is over
	tellEnded             // it is over, since the backend was stopped by hand
)

// String is the word for programs that get the notice.
func (t telling) String() string {
	return [...]string{"", "opened", "worsened", "reminder", "recovered", "stopped"}[t]
}

// story is what admins were told of one incident, and what they are still to be
// told. Usually it is one incident's; that of a restless backend goes on with
// further ones. It is a value; next is the whole policy of when to mail.
type story struct {
	Root      string    `json:"root,omitempty"` // Message-ID of the first mail
	First     string    `json:"first"`          // identifier of the incident that began it
	Begun     time.Time `json:"begun"`
	Incident  Incident  `json:"incident"` // the latest, as it was when last heard of
	Incidents int       `json:"incidents"`
	Stopped   bool      `json:"stopped,omitempty"` // it closed because the backend was stopped by hand

	Mails    int       `json:"mails"`
	Mailed   time.Time `json:"mailed,omitzero"`    // when the last one was
	ToldUp   bool      `json:"told_up,omitempty"`  // the last one said that the trouble is over
	Relapsed bool      `json:"relapsed,omitempty"` // it was told to be down again
}

func newStory(i Incident) story {
	return story{First: i.ID, Begun: i.Opened, Incident: i, Incidents: 1}
}

// next is what is to be told next, and from when on if nothing else happens.
func (s story) next() (telling, time.Time) {
	switch {
	case s.Mails == 0:
		return tellDown, s.Begun
	case s.Incident.Open() && s.ToldUp:
		return tellDownAgain, s.Mailed
	case s.Incident.Open():
		return tellStillDown, s.Mailed.Add(s.pause())
	case s.ToldUp:
		return tellNothing, time.Time{}
	case s.Stopped:
		return tellEnded, s.Incident.Closed
	}
	return tellUp, s.Incident.Closed.Add(s.settles())
}

func (s story) pause() time.Duration {
	if s.Mails < oftenMails {
		return remindEvery
	}
	return remindLater
}

// settles is how long the backend must be well. After a relapse that is so long
// that the incident cannot be opened again.
func (s story) settles() time.Duration {
	switch {
	case s.Incidents > 1:
		return restlessWithin
	case s.Relapsed:
		return stableAfter
	}
	return settleAfter
}

// told is the story after a mail.
func (s story) told(what telling, now time.Time) story {
	s.Mails++
	s.Mailed = now
	s.ToldUp = what == tellUp || what == tellEnded
	s.Relapsed = s.Relapsed || what == tellDownAgain
	return s
}

// over: nothing is left to tell.
func (s story) over() bool {
	what, _ := s.next()
	return what == tellNothing
}

// follow takes an incident into the stories of all backends, oldest first: it
// goes on with its own, or with that of a restless backend, or begins one.
func follow(stories []story, i Incident, stopped bool) []story {
	last := -1
	for at, s := range stories {
		if s.Incident.Backend == i.Backend {
			last = at
		}
	}
	switch {
	case last < 0 || stories[last].Incident.ID != i.ID && !restless(stories, i):
		return append(stories, newStory(i).stoppedBy(stopped))
	case stories[last].Incident.ID != i.ID:
		stories[last].Incidents++
	}
	stories[last].Incident = i
	stories[last] = stories[last].stoppedBy(stopped)
	return stories
}

// restless tells whether a new incident is one too many for a story of its own:
// the end of the last one is not told yet, or there were several of late.
func restless(stories []story, i Incident) bool {
	recent, waiting := 0, false
	for _, s := range stories {
		if s.Incident.Backend != i.Backend {
			continue
		}
		waiting = !s.over()
		if i.Opened.Sub(s.Begun) < restlessWithin {
			recent++
		}
	}
	return waiting || recent >= restlessAfter
}

func (s story) stoppedBy(hand bool) story {
	s.Stopped = hand
	return s
}
