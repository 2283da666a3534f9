package certs

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// block is one PEM block. The standard library's decoder skips a block that it
// doesn't like without a word; this one tells what is wrong with it.
type block struct {
	label     string
	der       []byte
	encrypted bool   // "Proc-Type: 4,ENCRYPTED" of RFC 1421
	damage    string // why der is empty
}

const (
	beginMarker = "-----BEGIN "
	endMarker   = "-----END "
	dashes      = "-----"
)

// blocks finds the PEM blocks of a text, whatever stands around them, in between
// or in front of their lines. Labels are as written.
func blocks(text string) []block {
	var found []block
	for {
		_, rest, ok := strings.Cut(text, beginMarker)
		if !ok {
			return found
		}
		label, body, ok := strings.Cut(rest, dashes)
		if !ok || strings.ContainsAny(label, "\n\r") {
			found = append(found, block{damage: "its BEGIN line is broken off"})
			text = rest
			continue
		}
		var b block
		b, text = readBlock(label, body)
		found = append(found, b)
	}
}

// readBlock reads the body of a block and returns the text after it.
func readBlock(label, text string) (b block, rest string) {
	b.label = label
	end := endMarker + label + dashes
	at := strings.Index(text, end)
	next := strings.Index(text, beginMarker)
	if next < 0 {
		next = len(text)
	}
	if at < 0 || next < at {
		b.damage = "it has no line \"" + end + "\": the file was cut off or is still being written"
		return b, text[next:]
	}
	b.encrypted = strings.Contains(text[:at], "4,ENCRYPTED")
	if !b.encrypted {
		b.der, b.damage = decodeBody(text[:at])
	}
	// Two markers may share their dashes where files were glued together.
	return b, text[at+len(end)-len(dashes):]
}

// decodeBody decodes base64 without its headers, line ends, indentation and
// escapes (a PEM copied out of JSON has its line ends written as \n).
func decodeBody(body string) (der []byte, damage string) {
	body = strings.NewReplacer(`\r`, "\n", `\n`, "\n").Replace(body)
	var text strings.Builder
	for line := range strings.Lines(body) {
		if !strings.Contains(line, ":") { // a header of RFC 1421
			text.WriteString(strings.Join(strings.Fields(line), ""))
		}
	}
	packed := strings.TrimRight(text.String(), "=")
	der, err := base64.RawStdEncoding.DecodeString(packed)
	switch {
	case err != nil:
		return nil, "its text is damaged: " + err.Error()
	case len(der) == 0:
		return nil, "it is empty"
	}
	return der, ""
}

// plainText turns what editors and Windows tools make of a text file into UTF-8
// with "\n" line ends: byte order marks, UTF-16, CRLF.
func plainText(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		data = fromUTF16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		data = fromUTF16(data[2:], binary.BigEndian)
	case len(data) > 1 && data[0] == '-' && data[1] == 0:
		data = fromUTF16(data, binary.LittleEndian)
	case len(data) > 1 && data[0] == 0 && data[1] == '-':
		data = fromUTF16(data, binary.BigEndian)
	}
	// A mark stands in the middle too when files were put together with cat.
	return strings.NewReplacer("\ufeff", "", "\r\n", "\n", "\r", "\n").Replace(string(data))
}

func fromUTF16(data []byte, order binary.ByteOrder) []byte {
	text := make([]byte, 0, len(data)/2)
	units := make([]uint16, 0, len(data)/2)
	for ; len(data) >= 2; data = data[2:] {
		units = append(units, order.Uint16(data))
	}
	for _, r := range utf16.Decode(units) {
		text = utf8.AppendRune(text, r)
	}
	return text
}
