package http2

import "time"

// What a client may do on one connection that costs the server more than the
// client. A browser stays an order of magnitude below.
const (
	// maxResets is the number of streams beyond the answered ones that a client
	// may give up at once, or have reset by breaking the rules: "rapid reset"
	// (CVE-2023-44487) and "made you reset" (CVE-2025-8671).
	maxResets       = 500
	resetsPerSecond = 20

	// maxControl is the number of frames that carry nothing: PING, SETTINGS,
	// PRIORITY, WINDOW_UPDATE, empty DATA and unknown ones (CVE-2019-9512,
	// -9513, -9515, -9518 and others). A SETTINGS frame counts as ten.
	maxControl       = 2000
	controlPerSecond = 200
	settingsCost     = 10

	// bytesPerUpdate of response earn a WINDOW_UPDATE: some clients send one for
	// every few KiB that they read.
	bytesPerUpdate = 512

	// controlPerStream is what opening a stream earns.
	controlPerStream = 4

	// maxContinuations frames may follow a HEADERS frame (CVE-2024-27316). With
	// frames of 16 KiB they carry more than a request head may hold.
	maxContinuations = 16
)

// calmness judges how much work a client makes without getting anything done.
// Reads and writes both count.
type calmness struct {
	resets  budget
	control budget
	sentFor int // bytes of response that have not earned anything yet
}

func newCalmness() calmness {
	return calmness{
		resets:  budget{burst: maxResets, perSecond: resetsPerSecond},
		control: budget{burst: maxControl, perSecond: controlPerSecond},
	}
}

// opened counts a stream that the client opened.
func (c *calmness) opened() { c.control.earn(controlPerStream) }

// received counts a frame of the client that is no part of a header block. It
// returns an error if the connection must be cut.
func (c *calmness) received(f frame, now func() time.Time) error {
	switch {
	case f.kind == frameReset:
		if !c.resets.spend(1, now()) {
			return cutResets
		}
	case f.kind == frameData && (f.has(flagEndStream) || !mayBeEmpty(f)):
	case !c.control.spend(controlCost(f), now()):
		return cutControl
	}
	return nil
}

// mayBeEmpty reports whether a DATA frame has no data, or so little of anything
// that padding may be all of it.
func mayBeEmpty(f frame) bool {
	const mostPadding = 1 + 255
	return f.length == 0 || f.has(flagPadded) && f.length <= mostPadding
}

func controlCost(f frame) int {
	if f.kind == frameSettings && !f.has(flagAck) {
		return settingsCost
	}
	return 1
}

// sent counts the bytes of a response.
func (c *calmness) sent(body int) {
	c.sentFor += body
	c.control.earn(c.sentFor / bytesPerUpdate)
	c.sentFor %= bytesPerUpdate
}

// answered counts a response that is complete.
func (c *calmness) answered() { c.resets.earn(1) }

// blamed counts a stream that was reset because the client broke a rule.
func (c *calmness) blamed(now time.Time) error {
	if !c.resets.spend(1, now) {
		return cutResets
	}
	return nil
}
