package host

import (
	"encoding/json"
	"errors"
	"io"
	"os"
)

// part is as much of a file as was fetched so far, and beside it what the server
// said of the whole, by which a later run knows that it is still the same.
type part struct{ path string }

// origin is where a part comes from.
type origin struct {
	URL       string `json:"url"`
	Validator string `json:"validator"` // a strong ETag or a Last-Modified: RFC 9110, section 13.1.5
}

func (p part) originPath() string { return p.path + ".json" }

// size is the number of bytes that are there.
func (p part) size() int64 {
	info, err := os.Lstat(p.path)
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// resumable is from where to go on with a file of that URL, and what it is known
// by. A part of which that is not known is of no use.
func (p part) resumable(url string) (from int64, validator string) {
	data, err := os.ReadFile(p.originPath())
	if err != nil {
		return 0, ""
	}
	var o origin
	if json.Unmarshal(data, &o) != nil || o.URL != url || o.Validator == "" {
		return 0, ""
	}
	return p.size(), o.Validator
}

// begin empties the part and notes where what follows comes from. The note is
// written last: one that does not fit the part would mix two files.
func (p part) begin(url, validator string) error {
	p.discard()
	f, err := os.OpenFile(p.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	data, err := json.Marshal(origin{URL: url, Validator: validator})
	if err == nil && validator != "" {
		err = os.WriteFile(p.originPath(), data, 0o600)
	}
	return errors.Join(err, f.Close())
}

// open is for writing on at the end.
func (p part) open() (io.WriteCloser, error) {
	return os.OpenFile(p.path, os.O_WRONLY|os.O_APPEND, 0)
}

func (p part) discard() {
	_ = os.Remove(p.originPath())
	_ = os.Remove(p.path)
}
