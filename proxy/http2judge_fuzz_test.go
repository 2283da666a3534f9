package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// show is all of an answer that must be the same.
func (s *judgeStream) show() string {
	if s == nil {
		return "nothing"
	}
	var fields []string
	for _, f := range s.head {
		if f.Name != "date" {
			fields = append(fields, f.Name+": "+f.Value)
		}
	}
	slices.Sort(fields)
	// Which rule a client has broken first is a matter of opinion, and what becomes
	// of a request after its answer concerns nobody.
	outcome := strings.NewReplacer("PROTOCOL_ERROR", "ERROR", "STREAM_CLOSED", "ERROR", "FRAME_SIZE_ERROR", "ERROR").Replace(s.String())
	if s.ended {
		outcome, _, _ = strings.Cut(outcome, ", reset ")
	}
	return outcome + " " + strings.Join(fields, ", ")
}

// judgeCompare plays a script to two servers and tells where the second one does
// other than the first, but for what the rules allow.
func judgeCompare(t *testing.T, x, ours judgeServe, script judgeScript) (differences []string) {
	t.Helper()
	differ := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	script = script.untilGoodbye()
	a, b := judgePlay(t, x, script, false), judgePlay(t, ours, script, false)
	for _, fault := range b.faults {
		differ("it broke a rule: %s", fault)
	}
	if at := min(a.ended, b.ended); a.ended != b.ended {
		until := judgePlay(t, ours, judgeScript{script.steps[:at+1]}, false)
		if !judgeEndAllowed(a, b, until, script.steps[at]) {
			differ("the connection ends with step %d and %d", a.ended, b.ended)
		}
		script = judgeScript{script.steps[:at]}
		a, b = judgePlay(t, x, script, false), judgePlay(t, ours, script, false)
	}
	stricter := false
	for id := range a.answers {
		stricter = stricter || b.streams[id].refused()
		if a.answers[id] == b.answers[id] {
			continue
		}
		if !judgeAllowed(a.streams[id], b.streams[id], a.model.streams[id]) {
			differ("stream %d:\n  %s\n  %s", id, a.answers[id], b.answers[id])
		}
	}
	for _, seen := range b.seen {
		if !slices.Contains(a.seen, seen) && !(stricter && judgeBrokenOff(seen)) {
			differ("a handler saw %s", seen)
		}
	}
	if len(a.seen) != len(b.seen) && !stricter {
		differ("handlers saw %q and %q", a.seen, b.seen)
	}
	slices.Sort(differences)
	return differences
}

// untilGoodbye ends a script with the first GOAWAY: servers may take their time over it.
func (s judgeScript) untilGoodbye() judgeScript {
	for i, step := range s.steps {
		for _, f := range judgeFramesIn(step) {
			if f.Type == http2.FrameGoAway {
				return judgeScript{s.steps[:i+1]}
			}
		}
	}
	return s
}

// judgeEndAllowed tells whether one server may end a connection over a step and
// the other one not. until is how the second one is right after that step.
func judgeEndAllowed(x, ours, until judgeTrace, step []byte) bool {
	frames := judgeFramesIn(step)
	first, last := frames[0], frames[len(frames)-1]
	kind := first.Type
	switch {
	case ours.ended < x.ended:
		return until.model.goodbye || // which x/net takes its time over
			kind == http2.FrameHeaders && first.StreamID <= until.model.highest || // x/net forgets the numbers of streams that it finds malformed early
			kind == http2.FrameWindowUpdate && first.StreamID > until.model.highest || // for a stream that is idle, by nothing
			first.StreamID%2 == 0 || // which x/net looks at last
			kind == http2.FrameHeaders && first.Flags.Has(http2.FlagHeadersPadded) // beyond its end, which RFC 9113, 6.2, has the connection end for
	case (kind == http2.FrameHeaders || kind == http2.FrameContinuation) && !last.Flags.Has(http2.FlagHeadersEndHeaders):
		return true // there is time to refuse a head when it is whole
	case kind > http2.FrameContinuation:
		return true // x/net knows PRIORITY_UPDATE (RFC 9218), and this one need not
	case kind == http2.FrameSettings && first.Flags.Has(http2.FlagSettingsAck):
		return true // x/net takes an acknowledgement too many for an error
	case kind == http2.FrameSettings && judgeRepeats(step):
		return true // x/net takes a setting that is given twice for an error, against RFC 9113, 6.5.3
	}
	s := until.streams[first.StreamID]
	if s != nil && s.status == "" && first.StreamID < until.model.highest {
		return true // idle for x/net, which forgets the numbers of streams that it finds malformed early
	}
	return s != nil && s.over() // the stream alone has ended, which is as good (RFC 9113, 5.4.2)
}

// judgeRepeats reports whether a step has a setting twice.
func judgeRepeats(step []byte) bool {
	framer := http2.NewFramer(nil, strings.NewReader(strings.TrimPrefix(string(step), http2.ClientPreface)))
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return false
		}
		if f, ok := f.(*http2.SettingsFrame); ok && f.HasDuplicates() {
			return true
		}
	}
}

// judgeAllowed tells whether the answer to a request may differ from that of
// x/net's server.
func judgeAllowed(x, ours *judgeStream, sent *judgeSent) bool {
	if ours == nil || x == nil {
		return false
	}
	for _, rule := range judgeRules {
		if rule(x, ours, sent) {
			return true
		}
	}
	return false
}

// refused reports whether the server has ended a stream for an error.
func (s *judgeStream) refused() bool {
	return s != nil && s.reset != nil && *s.reset != http2.ErrCodeNo
}

// judgeRules tell where a server may do other than x/net's. Each has its reason.
var judgeRules = []func(x, ours *judgeStream, sent *judgeSent) bool{
	// A malformed request is reset, and not answered with 400 (RFC 9113, 8.1.1).
	func(x, ours *judgeStream, _ *judgeSent) bool { return ours.refused() && x.status == "400" },
	// So is one whose body has another length than announced.
	func(_, ours *judgeStream, sent *judgeSent) bool {
		length := judgeField(sent.head(), "content-length")
		return ours.refused() && length != "" && length != fmt.Sprint(sent.data)
	},
	// Trailers have no fields that HTTP/2 does not have (RFC 9113, 8.2.2).
	func(_, ours *judgeStream, sent *judgeSent) bool {
		return ours.refused() && len(sent.heads) > 1 && slices.ContainsFunc(sent.heads[1], judgeOfHTTP1)
	},
	// x/net keeps a reset back behind what the client's window has no room for.
	func(_, ours *judgeStream, sent *judgeSent) bool { return ours.refused() && sent.late },
	// A method is a token (RFC 9110, 9.1).
	func(_, ours *judgeStream, sent *judgeSent) bool {
		return ours.refused() && !httpguts.ValidHeaderFieldName(judgeField(sent.head(), ":method"))
	},
	// Nobody waits for 100 who has no body to send (RFC 9110, 10.1.1).
	func(x, ours *judgeStream, sent *judgeSent) bool {
		return slices.Contains(x.interim, "100") && strings.Replace(x.show(), "100, ", "", 1) == ours.show()
	},
	// What is shorter than it says must not look complete (RFC 9113, 8.1.1).
	func(x, ours *judgeStream, _ *judgeSent) bool {
		return x.field("x-path") == "/short" && ours.reset != nil && *ours.reset == http2.ErrCodeInternal
	},
	// Requests beyond the limit may be sent again: the server says so (RFC 9113, 8.7).
	func(x, ours *judgeStream, _ *judgeSent) bool {
		return x.refused() && x.status == "" && ours.status == "" && ours.reset != nil && *ours.reset == http2.ErrCodeRefusedStream
	},
}

// judgeOfHTTP1 reports whether a field means something between HTTP/1 neighbours only.
func judgeOfHTTP1(f hpack.HeaderField) bool {
	return slices.Contains([]string{"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}, f.Name) || f.Name == "te" && f.Value != "trailers"
}

// head is the first head that was sent on a stream.
func (s *judgeSent) head() []hpack.HeaderField {
	if s == nil || len(s.heads) == 0 {
		return nil
	}
	return s.heads[0]
}

// judgeBrokenOff reports what a handler says whose request was refused midway.
func judgeBrokenOff(seen string) bool {
	return strings.Contains(seen, "whole false") || strings.HasSuffix(seen, context.Canceled.Error())
}

// judgeSeeds are scripts to begin with.
func judgeSeeds(f *testing.F) {
	random := rand.New(rand.NewPCG(9113, 7541))
	for range 100 {
		choices := make([]byte, 20+random.IntN(200))
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		f.Add(choices)
	}
}

// Whatever a client sends, this server does as x/net's does, or is stricter by a
// rule that has a name.
func FuzzHTTP2_DoesWhatXNetsServerDoes(f *testing.F) {
	judgeSeeds(f)
	f.Fuzz(func(t *testing.T, choices []byte) {
		script := judgeCompose(choices)
		for _, difference := range judgeCompare(t, judgeXNet, judgeOwn, script) {
			t.Errorf("%s\n%s", difference, script)
		}
	})
}

// The same at once, as fast as it can be read: nobody knows then what comes of it,
// but the rules hold, and everything ends.
func FuzzHTTP2_KeepsToTheRulesWhateverComesAtOnce(f *testing.F) {
	judgeSeeds(f)
	f.Fuzz(func(t *testing.T, choices []byte) {
		script := judgeCompose(choices)
		for _, fault := range judgePlay(t, judgeOwn, script, true).faults {
			t.Errorf("it broke a rule: %s\n%s", fault, script)
		}
	})
}
