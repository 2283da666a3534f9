package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// judgeScript is what a client sends, cut into steps. After each the server has
// the time to answer.
type judgeScript struct {
	steps [][]byte
}

// judgeComposer makes a script of bytes that a fuzzer has chosen: whatever they
// are, they mean something, and mostly something that a server has to think about.
type judgeComposer struct {
	choices []byte
	steps   [][]byte
	step    bytes.Buffer
	framer  *http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
	opened  uint32 // the highest stream so far
}

const judgeMostSteps = 40

func judgeCompose(choices []byte) judgeScript {
	c := &judgeComposer{choices: choices}
	c.framer = http2.NewFramer(&c.step, nil)
	c.framer.AllowIllegalWrites = true
	c.encoder = hpack.NewEncoder(&c.block)
	c.step.WriteString(http2.ClientPreface)
	_ = c.framer.WriteSettings(c.settings(int(c.pick(3)))...)
	_ = c.framer.WriteSettingsAck()
	_ = c.framer.WriteWindowUpdate(0, 1<<24) // so that a stream has what another one leaves
	c.cut()
	for len(c.choices) > 0 && len(c.steps) < judgeMostSteps {
		c.frame()
		c.cut()
	}
	return judgeScript{c.steps}
}

func (c *judgeComposer) cut() {
	c.steps = append(c.steps, bytes.Clone(c.step.Bytes()))
	c.step.Reset()
}

// next is the next choice, 0 when there is none left.
func (c *judgeComposer) next() byte {
	if len(c.choices) == 0 {
		return 0
	}
	b := c.choices[0]
	c.choices = c.choices[1:]
	return b
}

// pick chooses one of n.
func (c *judgeComposer) pick(n int) int { return int(c.next()) % n }

// choose is one of several values.
func judgeChoose[T any](c *judgeComposer, of ...T) T { return of[c.pick(len(of))] }

// stream is mostly one that was opened.
func (c *judgeComposer) stream() uint32 {
	choice := c.pick(20)
	if choice < 16 && c.opened > 0 {
		return c.opened - 2*min(uint32(choice)/4, c.opened/2)
	}
	return judgeChoose[uint32](c, 0, 1, 2, 3, 5, 101, c.opened+2)
}

// fresh is mostly the next that a client would open.
func (c *judgeComposer) fresh() uint32 {
	if c.pick(6) == 0 {
		return c.stream()
	}
	if c.opened == 0 {
		c.opened = 1
	} else {
		c.opened += 2
	}
	return c.opened
}

func (c *judgeComposer) some(n int) []byte {
	b := make([]byte, c.pick(n))
	for i := range b {
		b[i] = c.next()
	}
	return b
}

func (c *judgeComposer) frame() {
	switch c.pick(20) {
	case 0, 1, 2, 3, 4, 5:
		c.headers()
	case 6, 7, 8, 9:
		c.data()
	case 10:
		_ = c.framer.WriteRSTStream(c.stream(), http2.ErrCode(c.pick(14)))
	case 11, 12:
		_ = c.framer.WriteWindowUpdate(c.stream(), judgeChoose[uint32](c, 1, 10, 1000, 70_000, 1<<20, 0, 1<<31-1, 1<<31-70_000))
	case 13:
		_ = c.framer.WriteSettings(c.settings(c.pick(4))...)
	case 14:
		_ = c.framer.WritePing(c.pick(3) == 0, [8]byte{c.next()})
	case 15:
		_ = c.framer.WritePriority(c.stream(), http2.PriorityParam{StreamDep: 99, Weight: c.next()})
	case 16:
		_ = c.framer.WriteContinuation(c.stream(), c.pick(2) == 0, c.some(20))
	case 17:
		if c.pick(4) == 0 {
			_ = c.framer.WriteGoAway(c.stream(), http2.ErrCode(c.pick(14)), c.some(5))
		}
	case 18: // any frame
		_ = c.framer.WriteRawFrame(http2.FrameType(c.pick(20)), http2.Flags(c.next()), c.stream(), c.some(40))
	case 19: // a head that nobody has encoded
		_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream(), BlockFragment: c.some(60), EndStream: c.pick(2) == 0, EndHeaders: c.pick(8) > 0})
	}
}

func (c *judgeComposer) settings(n int) (settings []http2.Setting) {
	for range n {
		settings = append(settings, http2.Setting{
			ID:  judgeChoose(c, http2.SettingInitialWindowSize, http2.SettingInitialWindowSize, http2.SettingHeaderTableSize, http2.SettingMaxFrameSize, http2.SettingEnablePush, http2.SettingMaxHeaderListSize, http2.SettingID(0x99)),
			Val: judgeChoose[uint32](c, 0, 1, 100, 16384, 65535, 70_000, 1<<31-1, 1<<31),
		})
	}
	return settings
}

func (c *judgeComposer) headers() {
	p := http2.HeadersFrameParam{StreamID: c.fresh(), EndStream: c.pick(2) == 0, EndHeaders: true}
	block := c.request()
	switch c.pick(8) {
	case 0:
		p.PadLength = c.next()
	case 1:
		p.Priority = http2.PriorityParam{StreamDep: c.stream(), Weight: c.next()}
	case 2: // a head in pieces, mostly whole
		at := c.pick(len(block) + 1)
		p.BlockFragment, p.EndHeaders = block[:at], false
		_ = c.framer.WriteHeaders(p)
		_ = c.framer.WriteContinuation(p.StreamID, c.pick(8) > 0, block[at:])
		return
	}
	p.BlockFragment = block
	_ = c.framer.WriteHeaders(p)
}

// judgeFields are what a request may have besides what it needs, sound or not.
var judgeFields = [][2]string{
	{"x-a", "1"}, {"x-a", "2"}, {"content-length", "5"}, {"content-length", "0"}, {"content-length", "16384"}, {"trailer", "x-sum, x-other"},
	{"x-sum", "42"}, {"expect", "100-continue"}, {"cookie", "a=1"}, {"cookie", "b=2"}, {"te", "trailers"}, {"x-b", "3"}, {"host", "example.com"},
	{"X-Upper", "1"}, {"connection", "close"}, {"te", "gzip"}, {"transfer-encoding", "chunked"}, {"upgrade", "h2c"}, {"keep-alive", "1"}, {"proxy-connection", "close"},
	{"content-length", "x"}, {"content-length", "+5"}, {"content-length", "5, 5"}, {"x-bad", "a\nb"}, {"x-blank", " a "}, {"x a", "1"}, {"", "1"},
	{":path", "/again"}, {":other", "1"}, {":status", "200"}, {":protocol", "websocket"}, {"host", "other.example.com"}, {"x-long", strings.Repeat("l", 1000)},
	{"connection", "x-a"}, {"x-ctl", "a\x7fb"}, {"x-high", "caf\xe9"},
}

// request encodes a head: mostly a request, now and then trailers or neither.
func (c *judgeComposer) request() []byte {
	pairs := [][2]string{{":method", judgeChoose(c, "GET", "POST", "POST", "HEAD")}, {":scheme", "https"}, {":authority", "example.com"}, {":path", judgeChoose(c, judgePathsOf...)}}
	switch c.pick(8) {
	case 0:
		pairs = nil // trailers
	case 1:
		at := c.pick(len(pairs))
		pairs = append(pairs[:at], pairs[at+1:]...)
	case 2:
		at := c.pick(len(pairs))
		pairs[at][1] = judgeChoose(c, "", "http", "ftp", "example.com:443", "a b", "u@example.com", "*", "other", "/a%2fb?c", "/a b", "/\x01", "/%zz", "OPTIONS", "CONNECT", "G ET", "/#", "//a")
	}
	for range max(0, c.pick(6)-2) {
		pairs = append(pairs, judgeFields[c.pick(len(judgeFields))])
	}
	c.block.Reset()
	for _, p := range pairs {
		_ = c.encoder.WriteField(hpack.HeaderField{Name: p[0], Value: p[1]})
	}
	return bytes.Clone(c.block.Bytes())
}

func (c *judgeComposer) data() {
	id, end := c.stream(), c.pick(2) == 0
	data := bytes.Repeat([]byte{'d'}, judgeChoose(c, 5, 5, 0, 1, 100, 16384, 16379, 3000))
	if c.pick(4) == 0 {
		_ = c.framer.WriteDataPadded(id, end, data[:min(len(data), 16000)], make([]byte, c.pick(100)))
		return
	}
	_ = c.framer.WriteData(id, end, data)
}

// judgeFrame is a frame as it was sent.
type judgeFrame struct {
	http2.FrameHeader
	payload []byte
}

// judgeFramesOf cuts what was sent into frames, and gives what is left over.
func judgeFramesOf(p []byte) (frames []judgeFrame, rest []byte) {
	const size = 9 // of a frame's header
	for len(p) >= size {
		h, err := http2.ReadFrameHeader(bytes.NewReader(p))
		if err != nil || len(p) < size+int(h.Length) {
			break
		}
		frames = append(frames, judgeFrame{h, p[size : size+int(h.Length)]})
		p = p[size+int(h.Length):]
	}
	return frames, p
}

// judgeFramesIn are the frames of a step.
func judgeFramesIn(step []byte) []judgeFrame {
	frames, _ := judgeFramesOf(bytes.TrimPrefix(step, []byte(http2.ClientPreface)))
	return frames
}

// judgeModel is what the bytes of a client mean, as far as they mean anything.
type judgeModel struct {
	streams map[uint32]*judgeSent
	decoder *hpack.Decoder
	rest    []byte // of a frame that is not whole
	fields  []hpack.HeaderField
	highest uint32 // stream that HEADERS were sent on
	goodbye bool   // the client has sent GOAWAY
}

// judgeSent is what the client sent on a stream.
type judgeSent struct {
	heads [][]hpack.HeaderField
	data  int
	ended bool
	late  bool // more came after the end
}

func newJudgeModel() *judgeModel {
	m := &judgeModel{streams: map[uint32]*judgeSent{}}
	m.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) { m.fields = append(m.fields, f) })
	return m
}

// take follows what is sent, and tells the watch what it must know.
func (m *judgeModel) take(step []byte, w *judgeWatch) {
	var frames []judgeFrame
	frames, m.rest = judgeFramesOf(append(m.rest, bytes.TrimPrefix(step, []byte(http2.ClientPreface))...))
	for _, f := range frames {
		m.whole(f, w)
	}
}

func (m *judgeModel) sent(id uint32) *judgeSent {
	s := m.streams[id]
	if s == nil {
		s = &judgeSent{}
		m.streams[id] = s
	}
	return s
}

func (m *judgeModel) whole(f judgeFrame, w *judgeWatch) {
	s := m.sent(f.StreamID)
	w.opened(f.StreamID, "")
	switch f.Type {
	case http2.FrameHeaders:
		block := f.unpadded()
		if f.Flags.Has(http2.FlagHeadersPriority) && len(block) >= 5 {
			block = block[5:]
		}
		s.late = s.late || s.ended
		m.fields, s.ended, m.highest = nil, s.ended || f.Flags.Has(http2.FlagHeadersEndStream), max(m.highest, f.StreamID)
		m.head(f, block, s, w)
	case http2.FrameContinuation:
		m.head(f, f.payload, s, w)
	case http2.FrameData:
		if s.late = s.late || s.ended; !s.late {
			s.data += len(f.unpadded())
		}
		s.ended = s.ended || f.Flags.Has(http2.FlagDataEndStream)
	default:
		m.control(f, w)
	}
}

func (m *judgeModel) control(f judgeFrame, w *judgeWatch) {
	switch f.Type {
	case http2.FrameWindowUpdate:
		if len(f.payload) == 4 {
			w.granted(f.StreamID, int64(binary.BigEndian.Uint32(f.payload)&^(1<<31)))
		}
	case http2.FramePing:
		if !f.Flags.Has(http2.FlagPingAck) {
			w.pings++
		}
	case http2.FrameGoAway:
		m.goodbye = true
	case http2.FrameSettings:
		if !f.Flags.Has(http2.FlagSettingsAck) {
			w.resized(judgeInitialOf(f.payload))
		}
	}
}

func (m *judgeModel) head(f judgeFrame, block []byte, s *judgeSent, w *judgeWatch) {
	_, _ = m.decoder.Write(block) // what can't be decoded ends the connection
	if !f.Flags.Has(http2.FlagHeadersEndHeaders) {
		return
	}
	_ = m.decoder.Close()
	s.heads = append(s.heads, m.fields)
	w.opened(f.StreamID, judgeField(m.fields, ":method"))
}

// unpadded takes padding off, if it is sound.
func (f judgeFrame) unpadded() []byte {
	if !f.Flags.Has(http2.FlagDataPadded) || len(f.payload) == 0 || int(f.payload[0]) >= len(f.payload) {
		return f.payload
	}
	return f.payload[1 : len(f.payload)-int(f.payload[0])]
}

// judgeInitialOf is the last initial window of a SETTINGS frame, -1 for none.
func judgeInitialOf(payload []byte) int64 {
	to := int64(-1)
	for ; len(payload) >= 6; payload = payload[6:] {
		if binary.BigEndian.Uint16(payload) == uint16(http2.SettingInitialWindowSize) {
			to = int64(binary.BigEndian.Uint32(payload[2:]))
		}
	}
	return to
}

// String shows a script for the log.
func (s judgeScript) String() string {
	var b strings.Builder
	for i, step := range s.steps {
		for _, f := range judgeFramesIn(step) {
			fmt.Fprintf(&b, "%d: %v %.60q\n", i, f.FrameHeader, f.payload)
		}
	}
	return b.String()
}
