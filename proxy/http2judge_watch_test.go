package proxy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// judgeWatch follows what a server sends on one HTTP/2 connection. It keeps the
// answers, and notes as faults what no client need put up with (RFC 9113).
type judgeWatch struct {
	streams  map[uint32]*judgeStream
	settings map[http2.SettingID]uint32 // that the server has sent
	credit   map[uint32]int64           // what its WINDOW_UPDATEs add up to, 0 being the connection
	goAway   *http2.GoAwayFrame         // the last one
	last     uint32                     // its stream
	pongs    int
	window   int64   // what the server may still send on the connection
	initial  int64   // and on a new stream
	settled  int64   // what of that is certain
	pending  []int64 // what the client's SETTINGS say of it that are not acknowledged
	pings    int     // of the client that are not answered yet
	begun    bool    // the server's first frame has come
	faults   []string
}

// judgeStream is what came back on one stream.
type judgeStream struct {
	method  string
	interim []string // statuses of informational heads
	hints   []hpack.HeaderField
	status  string
	head    []hpack.HeaderField
	body    []byte
	pieces  []int // lengths of its DATA frames
	trailer []hpack.HeaderField
	ended   bool
	reset   *http2.ErrCode
	window  int64
}

func newJudgeWatch() *judgeWatch {
	const window = 65535 // RFC 9113, 6.9.2
	return &judgeWatch{streams: map[uint32]*judgeStream{}, settings: map[http2.SettingID]uint32{}, credit: map[uint32]int64{}, window: window, initial: window, settled: window}
}

// opened tells of a request, or of a stream for which a client has sent anything.
func (w *judgeWatch) opened(id uint32, method string) {
	switch s := w.streams[id]; {
	case s == nil:
		w.streams[id] = &judgeStream{method: method, window: w.initial}
	case s.method == "":
		s.method = method
	}
}

// granted tells of a WINDOW_UPDATE of the client.
func (w *judgeWatch) granted(id uint32, n int64) {
	if id == 0 {
		w.window += n
	} else if s := w.streams[id]; s != nil {
		s.window += n
	}
}

// resized tells of a SETTINGS frame of the client, and of what it says of
// windows; -1 if that is nothing. Until the server has acknowledged it, it may go
// by it or not.
func (w *judgeWatch) resized(to int64) {
	w.pending = append(w.pending, to)
	w.resize()
}

// resize has the streams' windows be as wide as the server may believe.
func (w *judgeWatch) resize() {
	to := slices.Max(append(slices.Clone(w.pending), w.settled))
	for _, s := range w.streams {
		s.window += to - w.initial
	}
	w.initial = to
}

func (w *judgeWatch) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// see takes the next frame that the server has sent.
func (w *judgeWatch) see(f http2.Frame) {
	if _, isSettings := f.(*http2.SettingsFrame); !isSettings && !w.begun {
		w.fault("the server begins with %v and not with SETTINGS (RFC 9113, 3.4)", f)
	}
	w.begun = true
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		w.seeHead(f)
	case *http2.DataFrame:
		w.seeData(f)
	case *http2.RSTStreamFrame:
		if s := w.open(f.StreamID, "RST_STREAM"); s != nil && s.reset == nil {
			s.reset = &f.ErrCode
		}
	case *http2.SettingsFrame:
		w.seeSettings(f)
	case *http2.WindowUpdateFrame:
		w.credit[f.StreamID] += int64(f.Increment)
	case *http2.PingFrame:
		w.seePing(f)
	case *http2.GoAwayFrame:
		if w.goAway != nil && f.LastStreamID > w.last {
			w.fault("GOAWAY names stream %d after %d", f.LastStreamID, w.last)
		}
		w.goAway, w.last = f, f.LastStreamID
	default:
		w.fault("a frame that no server sends: %v", f)
	}
}

func (w *judgeWatch) seeSettings(f *http2.SettingsFrame) {
	if !f.IsAck() {
		_ = f.ForeachSetting(func(s http2.Setting) error { w.settings[s.ID] = s.Val; return s.Valid() })
		return
	}
	if len(w.pending) == 0 {
		w.fault("SETTINGS was acknowledged that nobody sent")
		return
	}
	if w.pending[0] >= 0 {
		w.settled = w.pending[0]
	}
	w.pending = w.pending[1:]
	w.resize()
}

func (w *judgeWatch) seePing(f *http2.PingFrame) {
	if !f.IsAck() {
		return
	}
	w.pongs++
	if w.pings--; w.pings < 0 {
		w.fault("PING was answered that nobody sent")
	}
}

// open gives the stream that a frame is for, if the server may still send it.
func (w *judgeWatch) open(id uint32, kind string) *judgeStream {
	s := w.streams[id]
	switch {
	case s == nil:
		w.fault("%s on stream %d, which nobody opened", kind, id)
	case kind == "RST_STREAM": // also once more, for what the client sent after the first
		return s
	case s.reset != nil:
		w.fault("%s on stream %d after it was reset", kind, id)
	case s.ended:
		w.fault("%s on stream %d after its end", kind, id)
	default:
		return s
	}
	return nil
}

func (w *judgeWatch) seeHead(f *http2.MetaHeadersFrame) {
	s := w.open(f.StreamID, "HEADERS")
	if s == nil {
		return
	}
	status := f.PseudoValue("status")
	for _, field := range f.RegularFields() {
		if slices.Contains([]string{"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}, field.Name) {
			w.fault("stream %d: a response with %s", f.StreamID, field.Name)
		}
	}
	switch {
	case s.status != "":
		if status != "" || !f.StreamEnded() {
			w.fault("stream %d: status %q after the response's head, the end being %v", f.StreamID, status, f.StreamEnded())
		}
		s.trailer = slices.Clone(f.RegularFields())
	case strings.HasPrefix(status, "1") && len(status) == 3:
		if f.StreamEnded() {
			w.fault("stream %d ends with %s", f.StreamID, status)
		}
		s.interim, s.hints = append(s.interim, status), append(s.hints, f.RegularFields()...)
	default:
		s.status, s.head = status, slices.Clone(f.RegularFields())
	}
	s.ended = f.StreamEnded()
}

func (w *judgeWatch) seeData(f *http2.DataFrame) {
	w.window -= int64(f.Length)
	if w.window < 0 {
		w.fault("%d bytes beyond the window of the connection", -w.window)
	}
	s := w.open(f.StreamID, "DATA")
	if s == nil {
		return
	}
	if s.window -= int64(f.Length); s.window < 0 && f.Length > 0 {
		w.fault("stream %d: %d bytes beyond its window", f.StreamID, -s.window)
	}
	if s.status == "" {
		w.fault("stream %d: DATA before the head", f.StreamID)
	}
	if len(f.Data()) > 0 && (s.method == "HEAD" || s.status == "204" || s.status == "304") {
		w.fault("stream %d: a body after %s with status %s", f.StreamID, s.method, s.status)
	}
	s.body, s.pieces, s.ended = append(s.body, f.Data()...), append(s.pieces, len(f.Data())), f.StreamEnded()
}

// over reports whether nothing more can come.
func (s *judgeStream) over() bool { return s.ended || s.reset != nil }

// field joins the values of a field of the head.
func (s *judgeStream) field(name string) string { return judgeField(s.head, name) }

func judgeField(fields []hpack.HeaderField, name string) string {
	var values []string
	for _, f := range fields {
		if f.Name == name {
			values = append(values, f.Value)
		}
	}
	return strings.Join(values, "|")
}

// lengthFits reports whether a whole response has the length that it announced.
func (s *judgeStream) lengthFits() bool {
	length := s.field("content-length")
	return length == "" || !s.ended || s.method == "HEAD" || s.status == "304" || length == strconv.Itoa(len(s.body))
}

// String tells the outcome: `103, 200 "body" (x: 1), end`.
func (s *judgeStream) String() string {
	parts := slices.Clone(s.interim)
	if s.status != "" {
		parts = append(parts, strings.TrimSpace(s.status+" "+s.shown()))
	}
	if len(s.trailer) > 0 {
		var fields []string
		for _, f := range s.trailer {
			fields = append(fields, f.Name+": "+f.Value)
		}
		slices.Sort(fields)
		parts = append(parts, "trailer "+strings.Join(fields, ", "))
	}
	if s.ended {
		parts = append(parts, "end")
	}
	if s.reset != nil {
		parts = append(parts, "reset "+s.reset.String())
	}
	return strings.Join(parts, ", ")
}

func (s *judgeStream) shown() string {
	const most = 80
	switch {
	case len(s.body) == 0:
		return ""
	case len(s.body) > most:
		return fmt.Sprintf("%d bytes", len(s.body))
	}
	return strconv.Quote(string(s.body))
}
