package http1

import (
	"strconv"
	"sync"
)

const (
	// chunkHead is room for the size of a chunk and CRLF before a piece, and
	// chunkTail for CRLF and a last chunk behind it.
	chunkHead = 8
	chunkTail = 8

	// smallPiece is what a slow body waits in, and the most that a TLS record
	// carries. A body that fills it gets a largePiece, which takes a quarter of the
	// system calls and wakes the backend less often.
	smallPiece = 16 << 10
	largePiece = 64 << 10
)

// Pieces of a request body, with room for the framing around them.
type (
	smallBuffer [chunkHead + smallPiece + chunkTail]byte
	largeBuffer [chunkHead + largePiece + chunkTail]byte
)

// pieces lends out the buffers of pieces.
type pieces struct{ small, large sync.Pool }

func (p *pieces) get(isLarge bool) []byte {
	if isLarge {
		if b, ok := p.large.Get().(*largeBuffer); ok {
			return b[:]
		}
		return new(largeBuffer)[:]
	}
	if b, ok := p.small.Get().(*smallBuffer); ok {
		return b[:]
	}
	return new(smallBuffer)[:]
}

func (p *pieces) put(b []byte) {
	if len(b) == len(largeBuffer{}) {
		p.large.Put((*largeBuffer)(b))
	} else {
		p.small.Put((*smallBuffer)(b))
	}
}

// piece is the part of a body that is under way.
type piece struct {
	lender *pieces
	buffer []byte // nil before the first part
	n      int    // bytes of the last part
}

// next gives room for the next part: more if the last one could have used it.
func (p *piece) next() []byte {
	isLarge := p.n >= smallPiece
	if p.buffer == nil || isLarge != (len(p.buffer) == len(largeBuffer{})) {
		p.giveBack()
		p.buffer = p.lender.get(isLarge)
	}
	return p.buffer[chunkHead : len(p.buffer)-chunkTail]
}

func (p *piece) giveBack() {
	if p.buffer != nil {
		p.lender.put(p.buffer)
		p.buffer = nil
	}
}

// bytes is the part.
func (p *piece) bytes() []byte { return p.buffer[chunkHead : chunkHead+p.n] }

// chunk is the part with the framing of a chunk around it.
func (p *piece) chunk() []byte {
	if p.n == 0 {
		return p.buffer[:0]
	}
	var digits [chunkHead]byte
	size := append(strconv.AppendInt(digits[:0], int64(p.n), 16), "\r\n"...)
	start := chunkHead - len(size)
	copy(p.buffer[start:], size)
	return append(p.buffer[start:chunkHead+p.n], "\r\n"...)
}
