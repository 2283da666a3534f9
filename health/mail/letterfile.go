package mail

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The file of a letter is made to be read with cat: lines of "Key: value", an
// empty line, and the notice's text as it is.
//
//	Notice: 20261122T171506.123456789Z-5f0c9a
//	Incident: api-20261122T171500Z
//	Raised: 2026-11-22T17:15:06.123456789Z
//	Subject: www api is DOWN
//	Message-ID: 20261122171506.8a1b@www.example.com
//	Delivered: wecom
//	Pending: mail	admin@example.com
//	Tried: mail	2	2026-11-22T17:16:06Z	smtp.example.com:465: connect: connection refused
//
//	The backend api ...
//
// Several values of one line are parted by tabs, which no value contains.

const letterTime = time.RFC3339Nano

// encode returns the letter's file.
func (l *letter) encode() []byte {
	var b bytes.Buffer
	field := func(key string, values ...string) {
		if value := strings.TrimRight(strings.Join(values, "\t"), "\t"); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	field("Notice", l.id)
	field("Incident", l.notice.Incident)
	field("Kind", l.notice.Kind)
	field("Only", strings.Join(l.notice.Only, " "))
	field("Raised", l.raised.UTC().Format(letterTime))
	if !l.notice.Date.IsZero() {
		field("Date", l.notice.Date.Format(letterTime))
	}
	field("Subject", l.notice.Subject)
	field("Message-ID", l.notice.MessageID)
	field("In-Reply-To", l.notice.InReplyTo)
	field("References", strings.Join(l.notice.References, " "))
	for _, to := range l.notice.To {
		field("To", to)
	}
	if d := l.dropped; d.count > 0 {
		field("Dropped", strconv.Itoa(d.count), d.first.UTC().Format(letterTime), d.last.UTC().Format(letterTime))
	}
	l.encodeProgress(field)
	b.WriteByte('\n')
	b.WriteString(l.notice.Body)
	return b.Bytes()
}

func (l *letter) encodeProgress(field func(key string, values ...string)) {
	for _, r := range l.done {
		if r.refused != "" {
			field("Refused", r.channel, orDash(r.target), cleanSubject(r.refused))
		} else {
			field("Delivered", r.channel, r.target)
		}
	}
	for _, e := range l.errands {
		for _, target := range e.pending {
			field("Pending", e.channel, target)
		}
		if e.tries > 0 && len(e.pending) > 0 {
			field("Tried", e.channel, strconv.Itoa(e.tries), e.next.UTC().Format(letterTime), cleanSubject(e.last))
		}
	}
}

// orDash stands in for an empty value that others follow.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func fromDash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// decodeLetter reads a letter's file. Unknown keys are passed over, so that an
// older gateway can read a newer one's folder after a downgrade.
func decodeLetter(content []byte) (*letter, error) {
	head, body, found := strings.Cut(string(content), "\n\n")
	if !found {
		return nil, fmt.Errorf("there is no empty line between the head and the text")
	}
	l := &letter{}
	l.notice.Body = body
	for i, line := range strings.Split(head, "\n") {
		key, value, found := strings.Cut(line, ": ")
		if !found {
			return nil, fmt.Errorf("line %d: %q is not \"Key: value\"", i+1, cutRunes(line, 40))
		}
		if err := l.decodeField(key, value); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", i+1, key, err)
		}
	}
	if l.id == "" || l.raised.IsZero() {
		return nil, fmt.Errorf("the lines Notice and Raised are missing")
	}
	l.notice = l.notice.cleaned()
	return l, nil
}

func (l *letter) decodeField(key, value string) error {
	var err error
	switch key {
	case "Notice":
		l.id = value
	case "Incident":
		l.notice.Incident = value
	case "Kind":
		l.notice.Kind = value
	case "Only":
		l.notice.Only = strings.Fields(value)
	case "Raised":
		l.raised, err = time.Parse(letterTime, value)
	case "Date":
		l.notice.Date, err = time.Parse(letterTime, value)
	case "Subject":
		l.notice.Subject = value
	case "Message-ID":
		l.notice.MessageID = value
	case "In-Reply-To":
		l.notice.InReplyTo = value
	case "References":
		l.notice.References = strings.Fields(value)
	case "To":
		l.notice.To = append(l.notice.To, cleanSubject(value))
	default:
		return l.decodeProgress(key, strings.Split(value, "\t"))
	}
	return err
}

func (l *letter) decodeProgress(key string, values []string) error {
	values = append(values, "", "", "") // so that missing ones read as empty
	switch key {
	case "Dropped":
		return l.decodeDigest(values)
	case "Delivered":
		l.done = append(l.done, receiptLine{channel: values[0], target: cleanSubject(values[1])})
	case "Refused":
		l.done = append(l.done, receiptLine{values[0], cleanSubject(fromDash(values[1])), orDash(cleanSubject(values[2]))})
	case "Pending":
		e := l.errandFor(values[0])
		e.pending = append(e.pending, cleanSubject(values[1]))
	case "Tried":
		return l.decodeTried(values)
	}
	return nil
}

func (l *letter) decodeDigest(values []string) (err error) {
	if l.dropped.count, err = strconv.Atoi(values[0]); err != nil {
		return err
	}
	if l.dropped.first, err = time.Parse(letterTime, values[1]); err != nil {
		return err
	}
	l.dropped.last, err = time.Parse(letterTime, values[2])
	return err
}

func (l *letter) decodeTried(values []string) (err error) {
	e := l.errandFor(values[0])
	if e.tries, err = strconv.Atoi(values[1]); err != nil {
		return err
	}
	if e.next, err = time.Parse(letterTime, values[2]); err != nil {
		return err
	}
	e.last = cleanSubject(values[3])
	return nil
}

// errandFor returns the channel's errand and makes it if there is none.
func (l *letter) errandFor(channel string) *errand {
	for i := range l.errands {
		if l.errands[i].channel == channel {
			return &l.errands[i]
		}
	}
	l.errands = append(l.errands, errand{channel: channel})
	return &l.errands[len(l.errands)-1]
}
