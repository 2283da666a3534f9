package proxy

import (
	"bytes"
	"encoding/binary"
)

// The frame types of RFC 9113, section 6, that the guard tells from the rest.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	frameGoAway       = 0x7
	frameContinuation = 0x9
)

const (
	flagEndStream  = 0x1 // of DATA and HEADERS
	flagAck        = 0x1 // of SETTINGS and PING
	flagEndHeaders = 0x4
	flagPadded     = 0x8
)

const frameHeaderSize = 9

// Error codes (RFC 9113, 7).
const (
	errorProtocol = 0x1
	errorCalm     = 0xb // ENHANCE_YOUR_CALM
)

// goAwayFrame ends a connection (RFC 9113, 6.8).
func goAwayFrame(last, code uint32) []byte {
	b := []byte{0, 0, 8, frameGoAway, 0, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, last)
	return binary.BigEndian.AppendUint32(b, code)
}

// resetFrame ends a stream (RFC 9113, 6.4).
func resetFrame(stream, code uint32) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0, 4, frameReset, 0}, stream)
	return binary.BigEndian.AppendUint32(b, code)
}

// frame is a frame's header.
type frame struct {
	length int // of the payload
	kind   byte
	flags  byte
	stream uint32
}

func parseFrame(h [frameHeaderSize]byte) frame {
	return frame{
		length: int(h[0])<<16 | int(h[1])<<8 | int(h[2]),
		kind:   h[3],
		flags:  h[4],
		stream: binary.BigEndian.Uint32(h[5:]) &^ (1 << 31),
	}
}

func (f frame) has(flag byte) bool { return f.flags&flag != 0 }

// frameReader follows the frames in a stream of bytes, however it is cut.
type frameReader struct {
	header [frameHeaderSize]byte
	have   int   // bytes of header; 0 between frames
	frame  frame // of the last header
	left   int   // bytes of its payload
}

// next follows p to the end of a frame's header or payload at most. begun tells
// that a header is complete, which is then in frame. What p holds beyond the
// first n bytes is for the next call.
func (r *frameReader) next(p []byte) (n int, begun bool) {
	if r.have < frameHeaderSize {
		n = copy(r.header[r.have:], p)
		r.have += n
		begun = r.have == frameHeaderSize
		if begun {
			r.frame = parseFrame(r.header)
			r.left = r.frame.length
		}
	} else {
		n = min(len(p), r.left)
		r.left -= n
	}
	if r.have == frameHeaderSize && r.left == 0 {
		r.have = 0
	}
	return n, begun
}

// between reports whether the last frame is over and the next has not begun.
func (r *frameReader) between() bool { return r.have == 0 }

// inPayload reports whether a payload of this kind has begun and is not over.
func (r *frameReader) inPayload(kind byte) bool {
	return r.have == frameHeaderSize && r.frame.kind == kind
}

// mostNotice is the longest payload of a malformed notice, in bytes.
const mostNotice = 96

// wantsPayload reports whether the guard must see the payload of a frame that
// the server sends.
func wantsPayload(f frame) bool {
	return f.kind == frameReset || f.kind == frameData && f.has(flagEndStream) && f.length <= mostNotice
}

// blamesClient reports whether a frame resets a stream because the client broke
// a rule.
func blamesClient(f frame, payload []byte) bool {
	if f.kind != frameReset || len(payload) != 4 {
		return false
	}
	switch binary.BigEndian.Uint32(payload) {
	case errorProtocol, 0x3, 0x5, 0x6, 0x7: // FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM
		return true
	}
	return false
}

// endedWithOpenHead reports whether what was read ends with the head of a message
// that goes on.
func (r *frameReader) endedWithOpenHead() bool {
	return r.between() && r.frame.kind == frameHeaders && r.frame.has(flagEndHeaders) && !r.frame.has(flagEndStream)
}

// isMalformedNotice reports whether a frame is http2's own answer to a request
// with a field that HTTP/2 does not have, such as Connection. http2 leaves it at
// that answer; RFC 9113, 8.1.1, wants the stream to be reset after it.
func isMalformedNotice(f frame, payload []byte) bool {
	return f.kind == frameData && bytes.HasPrefix(payload, []byte(`request header "`)) && bytes.HasSuffix(payload, []byte("in HTTP/2\n"))
}

// voidRepeatedSettings replaces the identifier of every setting that comes again
// later in the payload of a SETTINGS frame by one that has no meaning.
func voidRepeatedSettings(payload []byte) {
	const size = 6                // of one setting: 2 bytes of identifier, 4 of value
	meaningless := uint16(0xff00) // high in the range that nobody has assigned
	seen := make(map[uint16]bool, len(payload)/size)
	for at := len(payload)/size*size - size; at >= 0; at -= size {
		id := binary.BigEndian.Uint16(payload[at:])
		if seen[id] {
			binary.BigEndian.PutUint16(payload[at:], meaningless)
			meaningless++
		}
		seen[id] = true
	}
}
