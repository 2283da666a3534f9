package http2

import "io"

// An input has a small buffer, which holds the largest frame and any TLS record,
// and a large one while more comes than that.
type (
	smallInput [frameHeaderSize + maxFrame]byte
	largeInput [4 * (frameHeaderSize + maxFrame)]byte
)

// input is what was read from a connection and not used yet. It has a buffer only
// while there is something in it.
type input struct {
	from   io.Reader
	server *Server
	small  *smallInput
	large  *largeInput            // one of the two, or none
	data   []byte                 // within the buffer, or within first
	first  [frameHeaderSize]byte  // of a frame, while there is no buffer
	full   bool                   // the last read could have brought more
	begun  bool                   // something was read whose end must come soon
	wait   func(begun bool) error // called before more is waited for, which an error keeps it from
}

// fill reads until there are n bytes in data. What follows them may come along,
// unless they are the first of all and fit in first.
func (i *input) fill(n int) error {
	for len(i.data) < n {
		if err := i.wait(i.begun || len(i.data) > 0); err != nil {
			return err
		}
		into := i.room(n)
		read, err := i.from.Read(into)
		i.full = read == len(into) && read > len(i.first) || read >= len(smallInput{})
		i.data = i.data[:len(i.data)+read]
		if err != nil && len(i.data) < n {
			return i.ended(err)
		}
	}
	return nil
}

// ended tells a connection that ends between frames from one that ends in one.
func (i *input) ended(err error) error {
	if err == io.EOF && (i.begun || len(i.data) > 0) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// room is where the next bytes go. It moves what there is, if it must.
func (i *input) room(n int) []byte {
	switch {
	case i.buffer() == nil && n <= len(i.first):
		if len(i.data) == 0 {
			i.data = i.first[:0]
		}
		return i.first[len(i.data):n]
	case i.buffer() == nil:
		i.borrow()
	case len(i.data) == 0 || cap(i.data) < n:
		i.data = append(i.buffer()[:0], i.data...)
	}
	return i.data[len(i.data):cap(i.data)]
}

// buffer is the one that is lent, or nil.
func (i *input) buffer() []byte {
	switch {
	case i.small != nil:
		return i.small[:]
	case i.large != nil:
		return i.large[:]
	}
	return nil
}

// borrow gets a buffer for what there is, if there is none.
func (i *input) borrow() {
	switch {
	case i.buffer() != nil:
		return
	case i.full:
		i.large = i.server.largeInputs.Get().(*largeInput)
	default:
		i.small = i.server.smallInputs.Get().(*smallInput)
	}
	i.data = append(i.buffer()[:0], i.data...)
}

// next takes n bytes, which hold until the next call.
func (i *input) next(n int) ([]byte, error) {
	if err := i.fill(n); err != nil {
		return nil, err
	}
	p := i.data[:n]
	i.data = i.data[n:]
	return p, nil
}

// some takes n bytes at most, and waits only if there is none.
func (i *input) some(n int) ([]byte, error) {
	if len(i.data) == 0 {
		i.prepare()
		if err := i.fill(1); err != nil {
			return nil, err
		}
	}
	return i.next(min(n, len(i.data)))
}

// prepare sees to it that there is a buffer, of the size that the last read suggests.
func (i *input) prepare() {
	i.release()
	i.borrow()
}

// release gives the buffer back if it is empty.
func (i *input) release() {
	if len(i.data) > 0 {
		return
	}
	if i.small != nil {
		i.server.smallInputs.Put(i.small)
	} else if i.large != nil {
		i.server.largeInputs.Put(i.large)
	}
	i.data, i.small, i.large = nil, nil, nil
}
