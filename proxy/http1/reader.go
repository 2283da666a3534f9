package http1

import (
	"bytes"
	"errors"
	"io"
)

// directRead is the size from which a read goes past the buffer.
const directRead = 4 << 10

var (
	errHeadTooLarge = errors.New("the head is larger than allowed")
	errLineTooLong  = errors.New("a line is too long")
	errBegin        = errors.New("it does not begin with HTTP/1")
	errBareLF       = errors.New("a line does not end with CR and LF")
)

// reader reads from a connection through a buffer that is lent to it for the
// time of one message. It holds most heads, and with them a body of some KiB, so
// that one read is enough for both.
type reader struct {
	source io.Reader
	buf    []byte
	r, w   int   // what is unread is buf[r:w]
	err    error // the source is at its end
}

func (in *reader) buffered() []byte { return in.buf[in.r:in.w] }

// fill adds at least one byte to what is buffered. The buffer must not be full.
func (in *reader) fill() error {
	if in.err != nil {
		return in.err
	}
	if in.r > 0 {
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	}
	for range 100 { // as bufio: a source that gives nothing for so long never will
		n, err := in.source.Read(in.buf[in.w:])
		in.w += n
		in.err = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// Read gives what is buffered, or else reads past the buffer.
func (in *reader) Read(p []byte) (int, error) {
	if in.r < in.w {
		n := copy(p, in.buf[in.r:in.w])
		in.r += n
		return n, nil
	}
	if in.err != nil {
		return 0, in.err
	}
	if len(p) >= directRead {
		n, err := in.source.Read(p)
		in.err = err
		return n, err
	}
	if err := in.fill(); err != nil {
		return 0, err
	}
	n := copy(p, in.buf[in.r:in.w])
	in.r += n
	return n, nil
}

// line takes a line of up to limit bytes, CR and LF with them, out of the
// buffer. It is good until the next read.
func (in *reader) line(limit int) ([]byte, error) {
	for {
		b := in.buffered()
		i := bytes.IndexByte(b[:min(len(b), limit)], '\n')
		switch {
		case i == 0, i > 0 && b[i-1] != '\r':
			return nil, errBareLF
		case i > 0:
			in.r += i + 1
			return b[:i+1], nil
		case len(b) >= limit:
			return nil, errLineTooLong
		}
		if err := in.fill(); err != nil {
			return nil, unexpected(err)
		}
	}
}

// head takes lines up to an empty one out of the buffer, which grows as far as
// limit. It returns them with their number, the empty one not counted. What does
// not begin as it must is an error before it ends, and so is, with strict, a line
// that LF ends without CR.
//
// The error is io.EOF only if there was nothing at all.
func (in *reader) head(begin string, limit int, strict bool) (head string, lines int, err error) {
	s := scan{strict: strict}
	for {
		b := in.buffered()
		ended, err := s.advance(b)
		switch {
		case err != nil:
			return "", 0, err
		case !beginsWith(b, begin):
			return "", 0, errBegin
		case ended && s.line <= limit:
			in.r += s.line
			return string(b[:s.line]), s.lines - 1, nil
		case ended, len(b) >= limit:
			return "", 0, errHeadTooLarge
		}
		in.makeRoom()
		if err := in.fill(); err != nil {
			if len(b) > 0 {
				err = unexpected(err)
			}
			return "", 0, err
		}
	}
}

// beginsWith looks at as much as there is.
func beginsWith(b []byte, begin string) bool {
	n := min(len(b), len(begin))
	return string(b[:n]) == begin[:n]
}

func (in *reader) makeRoom() {
	if in.w-in.r < len(in.buf) {
		return
	}
	in.buf = append(make([]byte, 0, 2*len(in.buf)), in.buf...)
	in.buf = in.buf[:cap(in.buf)]
}

// scan looks for the end of a head that arrives in pieces.
type scan struct {
	strict bool // CR must stand before LF

	line  int // where the line begins that has not ended yet
	seen  int // no line ends between there and here
	lines int // that have ended
}

func (s *scan) advance(b []byte) (ended bool, err error) {
	for {
		i := bytes.IndexByte(b[s.seen:], '\n')
		if i < 0 {
			s.seen = len(b)
			return false, nil
		}
		i += s.seen
		end := i
		switch {
		case i > s.line && b[i-1] == '\r':
			end--
		case s.strict:
			return false, errBareLF
		}
		empty := end == s.line
		s.line, s.seen = i+1, i+1
		s.lines++
		if empty {
			return true, nil
		}
	}
}

// unexpected is the error of a stream that ends where it must not.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
