package host

import (
	"context"
	"io/fs"
)

// Step is one part of `gateway setup`: sshd, firewall, user, conda, jupyter or
// service. It only reads; what it wants changed it returns as acts, which the
// engine does, journals and takes back.
type Step interface {
	Name() string

	// Plan reads the machine and says what is to be done. A machine that is as
	// it shall be gives a Plan without changes.
	Plan(ctx context.Context, m Machine) (Plan, error)

	// Ready looks again right before the first change of this step is applied,
	// after the steps before it were: the last chance to refuse.
	Ready(ctx context.Context, m Machine) error

	// Verify looks whether the machine does what was wanted, after the last
	// change of this step. An error takes back everything of this run.
	Verify(ctx context.Context, m Machine) error
}

// Plan is what a step would do.
type Plan struct {
	Changes  []Change  `json:"changes,omitempty"`
	Refusals []Refusal `json:"refusals,omitempty"` // a plan with any is not applied
	Notes    []string  `json:"notes,omitempty"`    // what an admin should know, such as a cloud's own firewall
}

// Change is one thing that an admin would have done by hand.
type Change struct {
	What   string `json:"what"`              // "write /etc/ssh/sshd_config.d/00-gateway.conf"
	Why    string `json:"why,omitempty"`     // one sentence
	Diff   string `json:"diff,omitempty"`    // unified diff of the file, or "" where no file changes
	Switch bool   `json:"switch,omitempty"`  // could cut off an admin: watched by the dead man's switch
	NoUndo string `json:"no_undo,omitempty"` // why it cannot be taken back; "": it can
	Acts   []Act  `json:"-"`                 // done in order
}

// Refusal is a reason not to apply a step.
type Refusal struct {
	What    string `json:"what"`    // what is wrong
	Why     string `json:"why"`     // what would happen
	Instead string `json:"instead"` // what to do first
}

// Act is the smallest thing that is done to a machine. The kinds are File, Gone,
// Folder, Attributes, Symlink, Program, Touched and Download: each is written to the
// journal with what was there before, so that a later process can take it back.
type Act interface{ act() }

// Owner is a user and a group by number.
type Owner struct{ UID, GID int }

// File writes a file whole: temporary file, fsync, rename. The journal keeps the
// old content, mode, owner, extended attributes and time. As with sudoedit(8),
// a symbolic link that root made is followed, and the file behind it is written.
// A file with several names (hard links) keeps them all.
type File struct {
	Path  string
	Data  []byte
	Perm  fs.FileMode
	Owner Owner
	// Within is a folder of a user, below which no symbolic link is followed: what
	// a user can replace by a link must not lead root elsewhere. "": no such folder.
	Within string
}

// Gone removes a file or a symbolic link.
type Gone struct{ Path string }

// Folder makes a folder if there is none; the ones above it must be there.
type Folder struct {
	Path   string
	Perm   fs.FileMode
	Owner  Owner
	Within string // as in File
}

// Attributes sets mode and owner of what is there; a symbolic link is not followed.
type Attributes struct {
	Path   string
	Perm   fs.FileMode
	Owner  Owner
	Within string // as in File
}

// Symlink makes Path a symbolic link to Target.
type Symlink struct{ Path, Target string }

// Program runs a program. Undo is run to take it back, once the acts after it
// were taken back; it is run as well when Do was interrupted, so it must succeed
// where there is nothing to do.
//
// Acts are taken back from the last to the first. What must run after a file was
// put back, such as the reload of its reader, is therefore the Undo of a Program
// in front of that file, whose Do has no Argv: nothing is run to do it.
//
// Undo is kept in the journal and must have no Stdin.
type Program struct {
	Do   Command
	Undo []Command
}

func (File) act()       {}
func (Gone) act()       {}
func (Folder) act()     {}
func (Attributes) act() {}
func (Symlink) act()    {}
func (Program) act()    {}

// Report receives one problem of a configuration: the key below the table that
// is validated, what is wrong with it, and what to write instead.
type Report func(key, wrong, instead string)
