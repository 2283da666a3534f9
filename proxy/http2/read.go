package http2

import (
	"encoding/binary"
	"errors"
	"time"
)

// begin reads the client's preface and sends the server's (RFC 9113, 3.4).
func (c *Conn) begin() error {
	c.mu.Lock()
	c.startIdling()
	c.greet()
	c.flush()
	c.mu.Unlock()
	c.in.begun = true
	sent, err := c.in.next(len(preface))
	if err != nil {
		return c.stopped(err)
	}
	if string(sent) != preface {
		return connError{codeProtocol, "the client does not speak HTTP/2"}
	}
	f, err := c.readHeader()
	switch {
	case err != nil:
		return err
	case f.kind != frameSettings || f.has(flagAck):
		return connError{codeProtocol, "the client does not begin with SETTINGS"}
	}
	return c.take(f)
}

// readFrame reads a frame and does what it says.
func (c *Conn) readFrame() error {
	if len(c.in.data) == 0 && !c.data.open {
		c.pause()
	}
	return c.goOn()
}

// goOn reads the next frame, or the rest of the last one.
func (c *Conn) goOn() error {
	if c.data.open && !c.lead.isFor(c.data.frame) {
		return errOthers
	}
	if c.data.open {
		return c.conclude(c.goOnWithData())
	}
	f, err := c.readHeader()
	if err != nil {
		return err
	}
	return c.take(f)
}

// pause is called before the next frame is waited for.
func (c *Conn) pause() {
	c.in.release()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushElsewhere()
	for c.out.room() < -outputSize && c.failed == nil { // the client lets nothing in
		c.out.idle.Wait()
	}
}

// readHeader reads the header of a frame.
func (c *Conn) readHeader() (frame, error) {
	if err := c.in.fill(frameHeaderSize); err != nil {
		return frame{}, c.stopped(err)
	}
	f := parseFrame(c.in.data)
	if !c.lead.isFor(f) {
		return f, errOthers
	}
	_, _ = c.in.next(frameHeaderSize)
	if f.length > maxFrame {
		return f, connError{codeFrameSize, "a frame is too large"}
	}
	c.in.begun = f.kind != frameData && f.length > 0
	return f, nil
}

// take does what a frame says.
func (c *Conn) take(f frame) error { return c.conclude(c.dispatch(f)) }

// conclude ends a frame. A fault that concerns one stream ends that.
func (c *Conn) conclude(err error) error {
	if fault, ok := errors.AsType[streamError](err); ok {
		c.mu.Lock()
		err = c.blame(fault, ErrStreamReset)
		c.mu.Unlock()
	}
	if err == nil {
		c.relax()
	}
	return err
}

// dispatch sees a frame through.
func (c *Conn) dispatch(f frame) error {
	switch f.kind {
	case frameHeaders:
		return c.takeHeaders(f)
	case frameData:
		c.relax() // the data may take its time
		return c.takeData(f)
	}
	payload, err := c.in.next(f.length)
	if err != nil {
		return c.stopped(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.calm.received(f, time.Now); err != nil {
		return err
	}
	return c.takeControl(f, payload)
}

// blame ends a stream on which the client has broken a rule, which its handler is
// told as err. c.mu is held.
func (c *Conn) blame(fault streamError, err error) error {
	if s := c.streams[fault.stream]; s != nil {
		c.reset(s, fault.code, err)
	} else {
		c.out.grow(c.server)
		c.out.frames = appendReset(c.out.frames, fault.stream, fault.code)
		c.given.add(fault.stream)
	}
	return c.calm.blamed(time.Now())
}

// takeControl does what a frame says that is neither HEADERS nor DATA. c.mu is held.
func (c *Conn) takeControl(f frame, payload []byte) error {
	switch f.kind {
	case framePriority:
		return takePriority(f, payload)
	case frameReset:
		return c.takeReset(f)
	case frameSettings:
		return c.takeSettings(f, payload)
	case framePush:
		return connError{codeProtocol, "clients don't push"}
	case framePing:
		return c.takePing(f, payload)
	case frameGoAway:
		return c.takeGoAway(f)
	case frameWindowUpdate:
		return c.takeWindowUpdate(f, payload)
	case frameContinuation:
		return connError{codeProtocol, "CONTINUATION without HEADERS"}
	}
	return nil // RFC 9113, 4.1: unknown frames mean nothing
}

// takePriority ignores priorities, but not malformed ones (RFC 9113, 6.3).
func takePriority(f frame, payload []byte) error {
	switch {
	case f.stream == 0:
		return connError{codeProtocol, "PRIORITY for no stream"}
	case len(payload) != 5:
		return streamError{f.stream, codeFrameSize}
	}
	return checkDependency(f.stream, payload)
}

// checkDependency refuses a stream that depends on itself (RFC 7540, 5.3.1).
func checkDependency(stream uint32, priority []byte) error {
	if binary.BigEndian.Uint32(priority)&^(1<<31) == stream {
		return streamError{stream, codeProtocol}
	}
	return nil
}

// isIdle reports whether the client has not opened a stream yet. c.mu is held.
func (c *Conn) isIdle(stream uint32) bool {
	return stream > c.last && c.leaving != left || stream%2 == 0
}

// isForgiven reports whether the client may send on a stream that is over. c.mu is held.
func (c *Conn) isForgiven(stream uint32) bool {
	return c.given.has(stream) || stream > c.last && c.leaving == left
}

func (c *Conn) takeReset(f frame) error {
	switch {
	case f.length != 4:
		return connError{codeFrameSize, "RST_STREAM is not 4 bytes long"}
	case f.stream == 0 || c.isIdle(f.stream):
		return connError{codeProtocol, "RST_STREAM for a stream that is not open"}
	}
	delete(c.parting, f.stream)
	if s := c.streams[f.stream]; s != nil {
		c.close(s, ErrStreamReset)
	}
	return nil
}

func (c *Conn) takePing(f frame, payload []byte) error {
	switch {
	case f.stream != 0:
		return connError{codeProtocol, "PING for a stream"}
	case len(payload) != 8:
		return connError{codeFrameSize, "PING is not 8 bytes long"}
	case !f.has(flagAck):
		c.out.grow(c.server)
		c.out.frames = appendPing(c.out.frames, flagAck, [8]byte(payload))
	case c.leaving == warned && [8]byte(payload) == goodbyePing:
		c.leave()
	}
	return nil
}

// takeGoAway takes the client at its word: it opens no more streams.
func (c *Conn) takeGoAway(f frame) error {
	switch {
	case f.stream != 0:
		return connError{codeProtocol, "GOAWAY for a stream"}
	case f.length < 8:
		return connError{codeFrameSize, "GOAWAY is too short"}
	}
	c.leave()
	return nil
}

func (c *Conn) takeWindowUpdate(f frame, payload []byte) error {
	if len(payload) != 4 {
		return connError{codeFrameSize, "WINDOW_UPDATE is not 4 bytes long"}
	}
	increment := int64(binary.BigEndian.Uint32(payload) &^ (1 << 31))
	if f.stream == 0 {
		return c.widen(increment)
	}
	if c.isIdle(f.stream) {
		return connError{codeProtocol, "WINDOW_UPDATE for a stream that is not open"}
	}
	s := c.streams[f.stream]
	switch {
	case increment == 0:
		return streamError{f.stream, codeProtocol}
	case s == nil:
		return nil
	case s.window+increment > maxWindow:
		return streamError{f.stream, codeFlowControl}
	}
	s.window += increment
	s.signal()
	return nil
}

// widen widens the window of the connection.
func (c *Conn) widen(increment int64) error {
	switch {
	case increment == 0:
		return connError{codeProtocol, "WINDOW_UPDATE by nothing"}
	case c.window+increment > maxWindow:
		return connError{codeFlowControl, "the window is too wide"}
	}
	c.window += increment
	c.pass()
	return nil
}
