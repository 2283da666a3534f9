package http2

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"
)

// unitDecode reads a block as any client would.
func unitDecode(t *testing.T, block []byte) (fields []hpack.HeaderField) {
	t.Helper()
	fields, err := hpack.NewDecoder(tableSize, nil).DecodeFull(block)
	if err != nil {
		t.Fatalf("%x: %v", block, err)
	}
	return fields
}

func TestAppendStatus_IsReadAsTheStatus(t *testing.T) {
	for status := 100; status < 1000; status++ {
		fields := unitDecode(t, appendStatus(nil, status))
		if len(fields) != 1 || fields[0].Name != ":status" || fields[0].Value != string([]byte{byte('0' + status/100), byte('0' + status/10%10), byte('0' + status%10)}) {
			t.Errorf("%d: %v", status, fields)
		}
	}
}

func TestStaticIndex_IsThePlaceOfTheName(t *testing.T) {
	decoder := hpack.NewDecoder(tableSize, nil)
	known := 0
	for index := 1; index <= 61; index++ {
		fields, err := decoder.DecodeFull([]byte{0x80 | byte(index)})
		if err != nil {
			t.Fatal(err)
		}
		key := http.CanonicalHeaderKey(fields[0].Name)
		if at := staticIndex(key); at != 0 {
			known++
			if at != index {
				t.Errorf("%s is at %d, not %d", key, index, at)
			}
		}
	}
	if known != 26 {
		t.Errorf("%d names have a place", known)
	}
}

func FuzzAppendField_IsReadAsItWasMeant(f *testing.F) {
	for _, field := range [][2]string{{"Content-Type", "text/plain"}, {"X-Any", " a \t"}, {"X_y", ""}, {"Bad name", "x"}, {"X", "a\r\nB: c"}, {"X", strings.Repeat("x", 300)}, {"Location", strings.Repeat("y", 127)}} {
		f.Add(field[0], field[1])
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		block := appendField([]byte{0x88}, key, value)
		fields := unitDecode(t, block)[1:]
		trimmed := strings.Trim(value, " \t")
		if !httpguts.ValidHeaderFieldName(key) || !httpguts.ValidHeaderFieldValue(trimmed) {
			if len(fields) != 0 {
				t.Fatalf("%q: %q was sent as %v", key, value, fields)
			}
			return
		}
		if len(fields) != 1 || fields[0].Name != strings.ToLower(key) || fields[0].Value != trimmed {
			t.Fatalf("%q: %q was sent as %v", key, value, fields)
		}
	})
}

func TestHead_TakesPseudoFieldsAsTheyMayCome(t *testing.T) {
	sound := []string{":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/"}
	for _, test := range []struct {
		name   string
		fields []string
		want   bool
	}{
		{"a request", sound, true},
		{"with a field", append(sound[:8:8], "x", "y"), true},
		{"CONNECT", []string{":method", "CONNECT", ":authority", "a:443"}, true},
		{"CONNECT with a path", []string{":method", "CONNECT", ":authority", "a:443", ":path", "/"}, false},
		{"CONNECT to nowhere", []string{":method", "CONNECT", ":authority", ""}, false},
		{"a method twice", append(sound[:8:8], ":method", "GET"), false},
		{"a pseudo-header field behind another one", append([]string{"x", "y"}, sound...), false},
		{"an unknown one", append(sound[:8:8], ":version", "2"), false},
		{"that of responses", append(sound[:8:8], ":status", "200"), false},
		{"a capital", append(sound[:8:8], "X", "y"), false},
		{"no name", append(sound[:8:8], "", "y"), false},
		{"a line break", append(sound[:8:8], "x", "a\nb"), false},
		{"a NUL", append(sound[:8:8], "x", "\x00"), false},
		{"a method with a space", append([]string{":method", "GET /"}, sound[2:]...), false},
		{"no scheme", append(sound[:2:2], sound[4:]...), false},
		{"another scheme", append([]string{":method", "GET", ":scheme", "ftp"}, sound[4:]...), false},
	} {
		var h head
		h.reset(1 << 10)
		for i := 0; i < len(test.fields); i += 2 {
			h.add(hpack.HeaderField{Name: test.fields[i], Value: test.fields[i+1]})
		}
		if got := h.isRequest(); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestHead_StopsToGatherBeyondItsLimit(t *testing.T) {
	var h head
	h.reset(100)
	for range 10 {
		h.add(hpack.HeaderField{Name: "x", Value: strings.Repeat("y", 20)})
	}
	if !h.tooLarge || len(h.fields) != 1 {
		t.Errorf("too large: %v, with %d fields", h.tooLarge, len(h.fields))
	}
}

func TestCanonicalName_IsNetHTTPs(t *testing.T) {
	for _, name := range []string{"accept", "x-anything-else", "sec-ch-ua", "www-authenticate", "x_y", "te"} {
		if got := canonicalName(name); got != http.CanonicalHeaderKey(name) {
			t.Errorf("%s: %s", name, got)
		}
	}
	for wire, name := range canonicalNames {
		if http.CanonicalHeaderKey(wire) != name {
			t.Errorf("%s: %s", wire, name)
		}
	}
}
