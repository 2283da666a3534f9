package http2

import "encoding/binary"

// The settings that mean something here (RFC 9113, 6.5.2).
const (
	settingPush       = 0x2
	settingStreams    = 0x3
	settingWindow     = 0x4
	settingFrame      = 0x5
	settingHeaderList = 0x6
	settingNoPriority = 0x9 // RFC 9218, 2.1

	settingSize = 6 // of one, in bytes
)

// greet sends the server's preface: its settings, and the window of the connection,
// which is no setting, unless it has been sent. Nothing may come before it (RFC
// 9113, 3.4). c.mu is held.
func (c *Conn) greet() {
	if c.greeted {
		return
	}
	c.greeted = true
	o := c.server.options
	settings := [...]struct {
		id    uint16
		value uint32
	}{
		{settingStreams, uint32(o.MaxStreams)},
		{settingWindow, streamWindow},
		{settingHeaderList, uint32(o.MaxHeaderList)},
		{settingNoPriority, 1},
	}
	c.out.grow(c.server)
	b := appendFrame(c.out.frames, settingSize*len(settings), frameSettings, 0, 0)
	for _, s := range settings {
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, s.id), s.value)
	}
	c.out.frames = appendWindowUpdate(b, 0, connWindow-firstWindow)
}

// takeSettings goes by the client's settings, one after the other: of one that
// comes twice, the last counts (RFC 9113, 6.5.3). c.mu is held.
func (c *Conn) takeSettings(f frame, payload []byte) error {
	switch {
	case f.stream != 0:
		return connError{codeProtocol, "SETTINGS for a stream"}
	case f.has(flagAck) && len(payload) > 0, len(payload)%settingSize != 0:
		return connError{codeFrameSize, "SETTINGS of an impossible length"}
	case f.has(flagAck):
		return nil
	}
	for ; len(payload) > 0; payload = payload[settingSize:] {
		if err := c.set(binary.BigEndian.Uint16(payload), binary.BigEndian.Uint32(payload[2:])); err != nil {
			return err
		}
	}
	c.out.grow(c.server)
	c.out.frames = appendFrame(c.out.frames, 0, frameSettings, flagAck, 0)
	return nil
}

// set goes by one setting. c.mu is held.
func (c *Conn) set(id uint16, value uint32) error {
	switch id {
	case settingPush:
		if value > 1 {
			return connError{codeProtocol, "a setting is neither on nor off"}
		}
	case settingWindow:
		return c.setWindow(value)
	case settingFrame:
		if value < maxFrame || value > 1<<24-1 {
			return connError{codeProtocol, "an impossible size of frames"}
		}
	}
	return nil
}

// setWindow changes the windows of all streams, those that are open too (RFC 9113,
// 6.9.2). They may become negative.
func (c *Conn) setWindow(value uint32) error {
	if value > maxWindow {
		return connError{codeFlowControl, "the window of streams is too wide"}
	}
	change := int64(value) - c.initial
	c.initial = int64(value)
	for _, s := range c.streams {
		if s.window += change; s.window > maxWindow {
			return connError{codeFlowControl, "the window of a stream is too wide"}
		}
		s.signal()
	}
	return nil
}
