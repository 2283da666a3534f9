package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"time"
)

// A journal is the record of one run, a file of lines that only grows. Each line
// is a checksum, a space and a record in JSON, and is on the disk before what it
// announces is done. A last line that is torn was never announced to anybody, so
// that nothing was done for it.

// What a record tells.
const (
	recordBegin     = "begin"     // a run begins
	recordIntent    = "intent"    // an act is about to be done
	recordDone      = "done"      // it was
	recordApplied   = "applied"   // all acts of the run were done and found good
	recordConfirmed = "confirmed" // an admin has confirmed it by a new login
	recordUndoing   = "undoing"   // acts are about to be taken back
	recordUndone    = "undone"    // an act was taken back
	recordSettled   = "settled"   // all that were to be taken back were
)

type record struct {
	Kind string    `json:"kind"`
	Time time.Time `json:"time"`

	By     string       `json:"by,omitempty"`     // begin: who
	Steps  []string     `json:"steps,omitempty"`  // begin, undoing: which; undoing: none is all
	Reason string       `json:"reason,omitempty"` // undoing: why
	Until  time.Time    `json:"until,omitzero"`   // begin, applied: taken back then unless confirmed
	Intent *intent      `json:"intent,omitempty"`
	Act    int          `json:"act,omitempty"`        // done, undone: number of the intent
	Folder time.Time    `json:"folder_time,omitzero"` // done: when the folder was last changed
	Looks  map[int]look `json:"looks,omitempty"`      // applied: how the paths were in the end, by intent
	Gave   string       `json:"gave_up_on,omitempty"` // undone: what could not be taken back
}

// intent is an act with all that it takes to undo it.
type intent struct {
	Act    int    `json:"act"` // from 1
	Step   string `json:"step"`
	Change string `json:"change"`
	NoUndo string `json:"no_undo,omitempty"`

	Path   string    `json:"path,omitempty"` // of a fileAct, its links followed
	Within string    `json:"within,omitempty"`
	Before *snapshot `json:"before,omitempty"`
	After  *look     `json:"after,omitempty"`
	Folder time.Time `json:"folder_time,omitzero"` // when the folder was last changed before
	Side   string    `json:"side,omitempty"`       // of a Touched: the file whose content decides

	Argv []string  `json:"argv,omitempty"` // of a Program, to be told
	Undo []Command `json:"undo,omitempty"`
}

// journalFile is what a journal is written to.
type journalFile interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// openJournal opens a journal for more records.
func openJournal(folder *os.Root, name string) (journalFile, error) {
	return folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// journal appends records. A record that was not written whole leaves nothing.
type journal struct {
	file journalFile
	size int64
}

// continueAt cuts off what a crash has left behind the last whole record.
func (j *journal) continueAt(size int64) error {
	j.size = size
	return j.file.Truncate(size)
}

func (j *journal) write(r record) error {
	line, err := encodeRecord(r)
	if err != nil {
		return err
	}
	_, err = j.file.Write(line)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("the journal: %w", err), j.file.Truncate(j.size))
	}
	j.size += int64(len(line))
	return nil
}

// checksum is CRC-32C, for which processors have an instruction.
func checksum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

func encodeRecord(r record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", checksum(text), text), nil
}

var errDamaged = errors.New("does not fit its checksum")

func decodeRecord(line []byte) (record, error) {
	sum, text, found := bytes.Cut(line, []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !found || err != nil || uint32(want) != checksum(text) {
		return record{}, errDamaged
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, err
	}
	return r, nil
}

// readRecords reads the whole records of a journal, and how many bytes they
// take. A damaged line before the last is an error that names the line.
func readRecords(text []byte) (records []record, size int64, err error) {
	for number := 1; ; number++ {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return records, size, nil
		}
		r, err := decodeRecord(line)
		if err != nil && len(rest) == 0 {
			return records, size, nil // torn, though a line feed came through
		}
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", number, err)
		}
		records, size, text = append(records, r), size+int64(len(line))+1, rest
	}
}
