package http2

import "encoding/binary"

// frameKind is the type of a frame (RFC 9113, 6).
type frameKind uint8

const (
	frameData         frameKind = 0x0
	frameHeaders      frameKind = 0x1
	framePriority     frameKind = 0x2
	frameReset        frameKind = 0x3
	frameSettings     frameKind = 0x4
	framePush         frameKind = 0x5
	framePing         frameKind = 0x6
	frameGoAway       frameKind = 0x7
	frameWindowUpdate frameKind = 0x8
	frameContinuation frameKind = 0x9
)

const (
	flagEndStream  = 0x01 // of DATA and HEADERS
	flagAck        = 0x01 // of SETTINGS and PING
	flagEndHeaders = 0x04 // of HEADERS and CONTINUATION
	flagPadded     = 0x08 // of DATA and HEADERS
	flagPriority   = 0x20 // of HEADERS
)

// code says why a stream or a connection ends (RFC 9113, 7).
type code uint32

const (
	codeNone        code = 0x0
	codeProtocol    code = 0x1
	codeInternal    code = 0x2
	codeFlowControl code = 0x3
	codeClosed      code = 0x5
	codeFrameSize   code = 0x6
	codeRefused     code = 0x7
	codeCompression code = 0x9
	codeCalm        code = 0xb
)

const (
	// preface is what a client sends first (RFC 9113, 3.4).
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

	frameHeaderSize = 9
	// maxFrame is the largest payload of a frame, in bytes, both ways: the least
	// that everybody takes. It is also what fits in a TLS record.
	maxFrame = 16 << 10
	// maxStreamID is the highest number that a stream can have.
	maxStreamID = 1<<31 - 1
	// maxWindow is the largest window of flow control (RFC 9113, 6.9.1).
	maxWindow = 1<<31 - 1
	// firstWindow is what a window is before anybody has said anything of it.
	firstWindow = 1<<16 - 1
)

// frame is the header of a frame.
type frame struct {
	length int // of the payload
	kind   frameKind
	flags  uint8
	stream uint32
}

func parseFrame(h []byte) frame {
	return frame{
		length: int(h[0])<<16 | int(h[1])<<8 | int(h[2]),
		kind:   frameKind(h[3]),
		flags:  h[4],
		stream: binary.BigEndian.Uint32(h[5:]) &^ (1 << 31),
	}
}

func (f frame) has(flag uint8) bool { return f.flags&flag != 0 }

// appendFrame appends the header of a frame.
func appendFrame(b []byte, length int, kind frameKind, flags uint8, stream uint32) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), byte(kind), flags)
	return binary.BigEndian.AppendUint32(b, stream)
}

func appendReset(b []byte, stream uint32, c code) []byte {
	b = appendFrame(b, 4, frameReset, 0, stream)
	return binary.BigEndian.AppendUint32(b, uint32(c))
}

func appendWindowUpdate(b []byte, stream, increment uint32) []byte {
	b = appendFrame(b, 4, frameWindowUpdate, 0, stream)
	return binary.BigEndian.AppendUint32(b, increment)
}

func appendGoAway(b []byte, last uint32, c code) []byte {
	b = appendFrame(b, 8, frameGoAway, 0, 0)
	b = binary.BigEndian.AppendUint32(b, last)
	return binary.BigEndian.AppendUint32(b, uint32(c))
}

func appendPing(b []byte, flags uint8, data [8]byte) []byte {
	return append(appendFrame(b, len(data), framePing, flags, 0), data[:]...)
}

// appendHead appends the block of a header section, in as many frames as it takes.
func appendHead(b, block []byte, stream uint32, end bool) []byte {
	kind, flags := frameHeaders, uint8(0)
	if end {
		flags = flagEndStream
	}
	for len(block) > maxFrame {
		b = append(appendFrame(b, maxFrame, kind, flags, stream), block[:maxFrame]...)
		block, kind, flags = block[maxFrame:], frameContinuation, 0
	}
	return append(appendFrame(b, len(block), kind, flags|flagEndHeaders, stream), block...)
}

// unpad takes the padding off a payload (RFC 9113, 6.1).
func unpad(f frame, payload []byte) ([]byte, error) {
	if !f.has(flagPadded) {
		return payload, nil
	}
	if len(payload) == 0 {
		return nil, connError{codeFrameSize, "a padded frame is empty"}
	}
	padding := int(payload[0])
	if payload = payload[1:]; padding > len(payload) {
		return nil, connError{codeProtocol, "a frame has more padding than payload"}
	}
	return payload[:len(payload)-padding], nil
}
