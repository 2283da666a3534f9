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

// Started tells whether a gateway with this state folder started that process for
// a backend: whether a Monitor would adopt it. The record may not be on disk yet
// when a gateway is killed; on Linux the process itself tells then.
func Started(state, backend string, pid int) bool {
	at := places{state, backend}
	if r, err := at.load(); err == nil && r.Process.PID == pid && r.Process.lives() {
		return true
	}
	instance, err := readInstance(at.instanceFile())
	return err == nil && strings.HasPrefix(markerOf(pid), marker{name: backend, instance: instance}.prefix())
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

// instanceFile is of all backends.
func (p places) instanceFile() string { return filepath.Join(p.dir, "backends", "instance") }

// prepare makes the folder. Only gateway's own account enters it.
func (p places) prepare() error {
	return os.MkdirAll(filepath.Join(p.dir, "backends"), 0o700)
}

// instance reads the random name of this state folder, and makes it the first
// time. It is what tells our processes from those of another gateway. All
// backends have the same one, though their monitors begin at the same moment.
func (p places) instance() (string, error) {
	path := p.instanceFile()
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
