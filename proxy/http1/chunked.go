package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	chunkLineSize = 4 << 10 // most bytes of a chunk's size with its extensions, CR and LF with them
	trailerSize   = 4 << 10 // most bytes of a trailer section

	// Framing that exceeds what honest small chunks need: so many bytes for each
	// chunk and twice as many as there is data are granted, and so many in all.
	overheadPerChunk = 16
	overheadPerByte  = 2
	overheadInAll    = 16 << 10
)

var (
	errChunkSize     = errors.New("a chunk has no valid size")
	errChunkEnd      = errors.New("a chunk does not end where its size says")
	errChunkOverhead = errors.New("the chunks are too small for their framing")
)

// chunkPart is what comes next in a chunked body.
type chunkPart int

const (
	chunkSize chunkPart = iota
	chunkData
	chunkEnd
	chunkTrailer
)

// chunkReader reads a body in the chunked transfer coding (RFC 9112, section
// 7.1) and the trailer section behind it. It never waits for more once it has
// data to give, and gives the end together with the last data if it is there.
type chunkReader struct {
	in      *reader
	next    chunkPart
	left    uint64 // of the current chunk
	excess  int64  // bytes of framing beyond what is granted
	trailer http.Header
}

// Read gives io.EOF behind the trailer section. It must not be called again after
// an error.
func (c *chunkReader) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	for err == nil {
		switch {
		case n > 0 && !c.isHere(), n == len(p) && c.next == chunkData:
			return n, nil
		case c.next == chunkData:
			var m int
			m, err = c.data(p[n:])
			n += m
		default:
			err = c.frame()
		}
	}
	return n, err
}

// isHere reports whether what comes next can be read without waiting.
func (c *chunkReader) isHere() bool {
	b := c.in.buffered()
	switch c.next {
	case chunkData:
		return len(b) > 0
	case chunkEnd:
		return len(b) >= 2
	case chunkTrailer:
		return bytes.HasPrefix(b, []byte("\r\n")) || bytes.Contains(b, []byte("\r\n\r\n"))
	default:
		return bytes.IndexByte(b, '\n') >= 0
	}
}

func (c *chunkReader) data(p []byte) (int, error) {
	if uint64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.in.Read(p)
	c.left -= uint64(n)
	if c.left == 0 {
		c.next = chunkEnd
		return n, nil
	}
	return n, unexpected(err)
}

// frame reads what is not data.
func (c *chunkReader) frame() error {
	switch c.next {
	case chunkSize:
		return c.size()
	case chunkEnd:
		return c.end()
	default:
		return c.trailers()
	}
}

func (c *chunkReader) size() error {
	line, err := c.in.line(chunkLineSize)
	if err != nil {
		return err
	}
	line = line[:len(line)-2]
	if !isValue(line) {
		return errChunkSize
	}
	digits, _, _ := bytes.Cut(bytes.TrimRight(line, " \t"), []byte(";"))
	if c.left, err = parseHex(digits); err != nil {
		return err
	}
	c.excess = max(0, c.excess+int64(len(line))+2-overheadPerChunk-overheadPerByte*int64(min(c.left, 1<<32)))
	if c.excess > overheadInAll {
		return errChunkOverhead
	}
	c.next = chunkData
	if c.left == 0 {
		c.next = chunkTrailer
	}
	return nil
}

// parseHex reads the size of a chunk. One beyond 15 digits would be an exabyte,
// or an attempt to make the sum of sizes overflow somewhere.
func parseHex(digits []byte) (n uint64, err error) {
	if len(digits) == 0 || len(digits) > 16 {
		return 0, errChunkSize
	}
	for _, c := range digits {
		d, ok := hexDigit(c)
		if !ok {
			return 0, errChunkSize
		}
		n = n<<4 | uint64(d)
	}
	if n > 1<<60 {
		return 0, errChunkSize
	}
	return n, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	default:
		return 0, false
	}
}

// end reads CR and LF behind the data of a chunk.
func (c *chunkReader) end() error {
	for len(c.in.buffered()) < 2 {
		if err := c.in.fill(); err != nil {
			return unexpected(err)
		}
	}
	if b := c.in.buffered(); b[0] != '\r' || b[1] != '\n' {
		return errChunkEnd
	}
	c.in.r += 2
	c.next = chunkSize
	return nil
}

// trailers reads what is behind the last chunk, and gives io.EOF.
func (c *chunkReader) trailers() error {
	section, n, err := c.in.head("", trailerSize, true)
	if err != nil {
		return fmt.Errorf("in the trailer section: %w", unexpected(err))
	}
	if n == 0 {
		return io.EOF
	}
	trailer, err := parseFields(section, n, nil)
	if err != nil {
		return fmt.Errorf("in the trailer section: %w", err)
	}
	for name := range trailer {
		if framesMessage(name) {
			return fmt.Errorf("in the trailer section: %s is not allowed there", name)
		}
	}
	c.trailer = trailer
	return io.EOF
}

// framesMessage reports the fields on which depends where a message ends. In a
// trailer section they come too late, and whoever takes them in nevertheless
// sees another message.
func framesMessage(name string) bool {
	return name == "Transfer-Encoding" || name == "Content-Length" || name == "Trailer"
}
