package health

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// record is what the next gateway must know to adopt a backend.
type record struct {
	Process identity  `json:"process"`
	Marker  string    `json:"marker"`
	Command []string  `json:"command"`
	Started time.Time `json:"started"`
}

// Recorded is the process that a gateway with this state folder started last for
// a backend, 0 if there is none. It may be gone by now; if it is not, a Monitor
// adopts it.
func Recorded(state, backend string) (pid int) {
	r, err := places{state, backend}.load()
	if err != nil {
		return 0
	}
	return r.Process.PID
}

// places are the files of one backend under the state folder.
type places struct{ dir, name string }

// file escapes the name, so that no name leaves the folder.
func (p places) file(suffix string) string {
	name := strings.ReplaceAll(url.PathEscape(p.name), ".", "%2E")
	return filepath.Join(p.dir, "backends", name+suffix)
}

func (p places) record() string { return p.file(".json") }
func (p places) pipe() string   { return p.file(".out") }
func (p places) log() string    { return p.file(".log") }

// prepare makes the folder. Only gateway's own account enters it.
func (p places) prepare() error {
	return os.MkdirAll(filepath.Join(p.dir, "backends"), 0o700)
}

// instance reads the random name of this state folder, and makes it the first
// time. It is what tells our processes from those of another gateway. All
// backends have the same one, though their monitors begin at the same moment.
func (p places) instance() (string, error) {
	path := filepath.Join(p.dir, "backends", "instance")
	id, err := readInstance(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	own := p.file(".instance.new")
	if err := writeFile(own, []byte(rand.Text()+"\n")); err != nil {
		return "", err
	}
	defer os.Remove(own)
	if err := os.Link(own, path); err != nil && !errors.Is(err, fs.ErrExist) { // unlike a rename, it keeps what is there
		return "", err
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return "", err
	}
	return readInstance(path)
}

func readInstance(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(text))
	if id == "" {
		return "", fmt.Errorf("%s is empty: remove it, and gateway makes a new one", path)
	}
	return id, nil
}

func (p places) save(r record) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(p.record(), append(text, '\n'))
}

// load returns the record; a missing one is not an error and names no process.
func (p places) load() (record, error) {
	text, err := os.ReadFile(p.record())
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, fmt.Errorf("%s: %w", p.record(), err)
	}
	return r, nil
}

func (p places) forget() error {
	if err := os.Remove(p.record()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
