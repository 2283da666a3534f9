package mail

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	netmail "net/mail"
	"strings"
	"time"

	gomail "github.com/emersion/go-message/mail"
)

// Message is one mail. Its texts may hold anything: what a mail cannot carry is
// cleaned or cut when it is composed.
type Message struct {
	To         []string  // receivers as shown; left out: those of the configuration
	Subject    string    // one line; the first words matter most on a phone
	Body       string    // plain text in UTF-8
	MessageID  string    // identifier without angle brackets; see NewMessageID
	InReplyTo  string    // identifier of the message that this one answers
	References []string  // identifiers of the thread, oldest first
	Date       time.Time // when the notice was raised; the zero time: now
}

// NewMessageID returns an identifier that no other message has (RFC 5322, 3.6.4).
// Two messages with the same identifier are copies of one.
func NewMessageID(hostname string) string {
	return MessageID(time.Now().UTC().Format("20060102150405")+"."+randomHex(12), hostname)
}

// MessageID returns the identifier of what name tells apart from everything else
// that this host sends: the same for the same name, so that a message which is
// made anew after a crash is known to be a copy.
func MessageID(name, hostname string) string {
	host := strings.Trim(cleanHost(hostname), "[]")
	if host == "" {
		host = "gateway.invalid"
	}
	return strings.Join(cleanIDs([]string{strings.ReplaceAll(name, "@", ".") + "@" + host}), "")
}

func randomHex(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // crypto/rand.Read never fails since Go 1.24
	return hex.EncodeToString(raw)
}

// Compose returns the message as it goes over the wire: RFC 5322 with CRLF line
// ends, 7-bit clean but for addresses that need SMTPUTF8.
func Compose(from string, m Message) ([]byte, error) {
	header, err := composeHeader(from, m)
	if err != nil {
		return nil, err
	}
	body := strings.ReplaceAll(cleanBody(m.Body), "\n", "\r\n")
	if !strings.HasSuffix(body, "\r\n") {
		body += "\r\n"
	}
	header.Set("Content-Transfer-Encoding", transferEncoding(body))

	var out bytes.Buffer
	w, err := gomail.CreateSingleInlineWriter(&out, header)
	if err != nil {
		return nil, fmt.Errorf("compose the mail: %w", err)
	}
	if _, err := io.WriteString(w, body); err != nil {
		return nil, fmt.Errorf("compose the mail: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compose the mail: %w", err)
	}
	return out.Bytes(), nil
}

// composeHeader sets the header fields. go-message writes the last one first, so
// they stand here in reverse of what a reader of the source of a mail sees.
func composeHeader(from string, m Message) (gomail.Header, error) {
	var h gomail.Header
	sender, err := parseAddress(from)
	if err != nil {
		return h, fmt.Errorf("sender: %w", err)
	}
	receivers, err := parseAddresses(m.To)
	if err != nil {
		return h, fmt.Errorf("receiver: %w", err)
	}
	date := m.Date
	if date.IsZero() {
		date = time.Now()
	}
	h.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
	// RFC 3834, 5: keeps vacation answers away. Exchange knows its own field only.
	h.Set("X-Auto-Response-Suppress", "All")
	h.Set("Auto-Submitted", "auto-generated")
	setIDs(&h, m)
	h.SetSubject(cleanSubject(m.Subject))
	h.SetAddressList("To", receivers)
	h.SetAddressList("From", []*netmail.Address{sender})
	h.SetDate(date)
	return h, nil
}

func setIDs(h *gomail.Header, m Message) {
	if ids := cleanIDs(m.References); len(ids) > 0 {
		h.SetMsgIDList("References", ids)
	}
	if ids := cleanIDs([]string{m.InReplyTo}); len(ids) > 0 {
		h.SetMsgIDList("In-Reply-To", ids)
	}
	if ids := cleanIDs([]string{m.MessageID}); len(ids) > 0 {
		h.SetMessageID(ids[0])
	}
}

// maxReferences bounds a thread's header: RFC 5537, 3.4.4 keeps the first and the
// last ones, and so do mail programs.
const maxReferences = 20

// cleanIDs keeps of each identifier what RFC 5322's msg-id may hold.
func cleanIDs(ids []string) []string {
	var clean []string
	for _, id := range ids {
		id = strings.Map(func(r rune) rune {
			if r <= ' ' || r >= 0x7f || strings.ContainsRune("<>()[],;:\\\"", r) {
				return -1
			}
			return r
		}, id)
		if id != "" {
			clean = append(clean, cutBytes(id, 250))
		}
	}
	if n := len(clean); n > maxReferences {
		clean = append(clean[:1:1], clean[n-maxReferences+1:]...)
	}
	return clean
}

func parseAddresses(written []string) ([]*netmail.Address, error) {
	var addresses []*netmail.Address
	for _, one := range written {
		address, err := parseAddress(one)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

// transferEncoding chooses the shorter of the two encodings that every server
// carries: a quoted-printable mail stays legible in its source, but Chinese text
// triples in it.
func transferEncoding(body string) string {
	other := 0
	for i := range len(body) {
		if body[i] >= 0x80 {
			other++
		}
	}
	if other > len(body)/6 {
		return "base64"
	}
	return "quoted-printable"
}
