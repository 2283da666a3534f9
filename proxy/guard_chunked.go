package proxy

// Bounds of what a chunked body may carry besides data. net/http reads trailers
// from a buffer of 4 KiB, so longer ones could not be passed on.
const (
	maxChunkDigits     = 15         // of a chunk's size: fits an int64
	maxChunkExtensions = 1 << 10    // bytes of chunk extensions in a body
	maxTrailers        = 4<<10 - 64 // bytes of trailer lines after a body
	maxTrailerName     = 64         // longer names are passed on without a look at what they are
)

// malformedBody is the error of reading a request body whose framing is broken.
// No reader of the body takes what came before for the whole.
type malformedBody string

// Error says what is wrong, in words for the client and the log.
func (m malformedBody) Error() string { return string(m) }

const (
	errChunkSize    = malformedBody("the size of a chunk of the request body is malformed")
	errChunkEnd     = malformedBody("a chunk of the request body does not end where its size says")
	errChunkExt     = malformedBody("the extensions of the chunked request body are malformed or too long")
	errTrailer      = malformedBody("the trailers of the request body are malformed or too long")
	errTrailerField = malformedBody("a trailer of the request body is a field that must stand in the head")
)

type chunkState uint8

const (
	chunkSizeFirst chunkState = iota // the first digit of a size
	chunkSizeMore
	chunkExtension
	chunkSizeEnd // the line feed after a size
	chunkData
	chunkDataCR
	chunkDataLF
	trailerFirst // the first byte of a trailer line, or of the empty line
	trailerName
	trailerValue
	trailerLF
	trailerEnd // the line feed of the empty line
	chunkedDone
)

// chunkedBody follows the framing of a chunked body (RFC 9112, 7.1) byte by byte.
// It is a value: a copy can look ahead.
type chunkedBody struct {
	state      chunkState
	digits     int
	left       int64 // of the present chunk's data
	extensions int
	trailers   int
	name       [maxTrailerName]byte
	nameLength int
}

// next follows the bytes of p. It returns how many of them belong to the body;
// fewer than len(p) only when the body is done or an error is found.
func (c *chunkedBody) next(p []byte) (n int, err error) {
	for n < len(p) && c.state != chunkedDone {
		if c.state == chunkData {
			take := min(c.left, int64(len(p)-n))
			c.left -= take
			n += int(take)
			if c.left == 0 {
				c.state = chunkDataCR
			}
			continue
		}
		if err := c.step(p[n]); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (c *chunkedBody) done() bool { return c.state == chunkedDone }

func (c *chunkedBody) step(b byte) error {
	switch c.state {
	case chunkSizeFirst, chunkSizeMore:
		return c.stepSize(b)
	case chunkExtension:
		return c.stepExtension(b)
	case chunkSizeEnd:
		return c.expect(b, '\n', c.afterSize(), errChunkSize)
	case chunkDataCR:
		return c.expect(b, '\r', chunkDataLF, errChunkEnd)
	case chunkDataLF:
		c.digits = 0
		return c.expect(b, '\n', chunkSizeFirst, errChunkEnd)
	default:
		return c.stepTrailer(b)
	}
}

func (c *chunkedBody) expect(b, want byte, next chunkState, err error) error {
	if b != want {
		return err
	}
	c.state = next
	return nil
}

func (c *chunkedBody) afterSize() chunkState {
	if c.left == 0 {
		return trailerFirst
	}
	return chunkData
}

func (c *chunkedBody) stepSize(b byte) error {
	if digit, ok := hexDigit(b); ok && c.digits < maxChunkDigits {
		c.left = c.left<<4 | digit
		c.digits++
		c.state = chunkSizeMore
		return nil
	}
	switch {
	case c.digits == 0:
		return errChunkSize
	case b == '\r':
		c.state = chunkSizeEnd
	case b == ';':
		c.state = chunkExtension
	default:
		return errChunkSize
	}
	return nil
}

func hexDigit(b byte) (int64, bool) {
	switch {
	case '0' <= b && b <= '9':
		return int64(b - '0'), true
	case 'a' <= b && b <= 'f':
		return int64(b-'a') + 10, true
	case 'A' <= b && b <= 'F':
		return int64(b-'A') + 10, true
	}
	return 0, false
}

func (c *chunkedBody) stepExtension(b byte) error {
	if b == '\r' {
		c.state = chunkSizeEnd
		return nil
	}
	c.extensions++
	if isControl(b) || b > '~' || c.extensions > maxChunkExtensions {
		return errChunkExt
	}
	return nil
}

func (c *chunkedBody) stepTrailer(b byte) error {
	if c.trailers++; c.trailers > maxTrailers {
		return errTrailer
	}
	switch c.state {
	case trailerFirst:
		if b == '\r' {
			c.state = trailerEnd
			return nil
		}
		c.state, c.nameLength = trailerName, 0
		return c.stepTrailerName(b)
	case trailerName:
		return c.stepTrailerName(b)
	case trailerValue:
		if b == '\r' {
			c.state = trailerLF
		} else if isControl(b) {
			return errTrailer
		}
		return nil
	case trailerLF:
		return c.expect(b, '\n', trailerFirst, errTrailer)
	default:
		return c.expect(b, '\n', chunkedDone, errTrailer)
	}
}

func (c *chunkedBody) stepTrailerName(b byte) error {
	switch {
	case b == ':' && c.nameLength > 0:
		c.state = trailerValue
		if c.nameLength <= maxTrailerName && framesMessage(string(c.name[:c.nameLength])) {
			return errTrailerField
		}
		return nil
	case !isTokenByte(b):
		return errTrailer
	}
	if c.nameLength < maxTrailerName {
		c.name[c.nameLength] = b
	}
	c.nameLength++
	return nil
}
