package host

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Machine is the host that the steps of `gateway setup` look at and change. All
// access goes through it, so that a test can give them a folder for the root
// file system and a function for the programs.
type Machine struct {
	Root string // the folder that stands for "/"; "" is the host itself
	OS   string // "linux" or "darwin", as runtime.GOOS
	UID  int    // the effective user
	// Run runs one program on the machine and waits for it. A program that ran
	// and exited with another status than 0 is an *ExitError.
	Run func(ctx context.Context, c Command) (Result, error)
	// Progress, if set, is told how far a long act has come, such as a download:
	// often, and from the goroutine that does the act. total is 0 if it is not known.
	Progress func(what string, done, total int64)
}

// Command is one program to be run.
type Command struct {
	Argv  []string // Argv[0] is looked up in the system's PATH; nothing is given to a shell
	Stdin []byte   `json:"-"` // secrets go this way, never into Argv, never into the journal
	Env   []string // added to a small fixed environment (PATH, LANG=C.UTF-8) and our own HTTPS_PROXY and its like
	UID   *int     // another user to be
	Dir   string
}

// Result is what a program printed, each cut at 1 MiB.
type Result struct {
	Stdout, Stderr []byte
}

// This is the host that gateway runs on.
func This() Machine {
	return Machine{OS: runtime.GOOS, UID: os.Geteuid(), Run: runHere}
}

// Path is where a path of the machine is found from here.
func (m Machine) Path(path string) string {
	return filepath.Join("/", m.Root, path)
}

// ReadFile reads a file of the machine.
func (m Machine) ReadFile(path string) ([]byte, error) { return os.ReadFile(m.Path(path)) }

// Lstat describes a file of the machine; a symbolic link is not followed.
func (m Machine) Lstat(path string) (fs.FileInfo, error) { return os.Lstat(m.Path(path)) }

// Stat describes a file of the machine.
func (m Machine) Stat(path string) (fs.FileInfo, error) { return os.Stat(m.Path(path)) }

// ReadDir lists a folder of the machine.
func (m Machine) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(m.Path(path)) }
