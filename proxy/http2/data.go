package http2

import "time"

// dataFrame is a DATA frame of which not all has been read. It is kept here, and
// not by who reads it, because another may read on.
type dataFrame struct {
	frame
	open    bool // it was begun, and did not end
	padded  bool // the length of its padding is still to be read
	left    int  // bytes that are still to be read of its data,
	padding int  // and of its padding
	waste   int  // bytes of it that are no data
	wanted  bool // its stream may have it
}

// takeData reads the body of a request, as it comes.
func (c *Conn) takeData(f frame) error {
	wanted, err := c.beginData(f)
	if err != nil {
		return err
	}
	c.data = dataFrame{frame: f, open: true, padded: f.has(flagPadded), left: f.length, wanted: wanted}
	return c.goOnWithData()
}

// goOnWithData reads the rest of the DATA frame that was begun.
func (c *Conn) goOnWithData() error {
	d := &c.data
	if d.padded {
		if err := c.readPadding(); err != nil {
			return err
		}
	}
	for d.left > 0 {
		p, err := c.in.some(d.left)
		if err != nil {
			return c.stopped(err)
		}
		d.left -= len(p)
		if err := c.addData(d.frame, p, d.wanted); err != nil {
			return err
		}
	}
	if _, err := c.in.next(d.padding); err != nil {
		return c.stopped(err)
	}
	d.open = false
	return c.endData(d.frame, d.waste)
}

// readPadding reads how long the padding is (RFC 9113, 6.1).
func (c *Conn) readPadding() error {
	d := &c.data
	if d.left == 0 {
		return connError{codeFrameSize, "a padded frame is empty"}
	}
	p, err := c.in.next(1)
	if err != nil {
		return c.stopped(err)
	}
	if d.padding = int(p[0]); d.padding > d.left-1 {
		return connError{codeProtocol, "a frame has more padding than payload"}
	}
	d.padded, d.waste, d.left = false, 1+d.padding, d.left-1-d.padding
	return nil
}

// beginData checks a DATA frame by its header, and counts it against the windows.
func (c *Conn) beginData(f frame) (wanted bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.calm.received(f, time.Now); err != nil {
		return false, err
	}
	if f.stream == 0 || c.isIdle(f.stream) {
		return false, connError{codeProtocol, "DATA for a stream that is not open"}
	}
	if !c.received.take(f.length) {
		return false, connError{codeFlowControl, "more DATA than the window of the connection"}
	}
	s := c.streams[f.stream]
	return s != nil && !s.remoteEnded && s.received.take(f.length), nil
}

// addData gives a piece of a body to its stream, if that is still there and may
// have it.
func (c *Conn) addData(f frame, p []byte, wanted bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[f.stream]
	if s == nil || !wanted {
		c.giveBack(nil, len(p))
		return nil
	}
	if s.body.left >= 0 && s.body.left < int64(len(p)) {
		c.giveBack(nil, len(p))
		return c.blame(streamError{f.stream, codeProtocol}, errBodyLength)
	}
	if !s.body.add(p) {
		c.giveBack(nil, len(p))
	}
	return nil
}

// endData is called when the whole of a frame was read. waste is what of it was
// no data.
func (c *Conn) endData(f frame, waste int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[f.stream]
	c.giveBack(s, waste)
	switch {
	case s == nil && c.isForgiven(f.stream):
		c.takeLate(f)
		return nil
	case s == nil || s.remoteEnded:
		return streamError{f.stream, codeClosed}
	case s.received.left < 0:
		return streamError{f.stream, codeFlowControl}
	case f.has(flagEndStream):
		return c.endRemote(s, nil)
	}
	return nil
}
