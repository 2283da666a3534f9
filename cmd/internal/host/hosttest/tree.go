package hosttest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Tree describes files of a host: mode, owner, time and content by path.
type Tree map[string]string

// treeFolders are where a preparation of a host has something to write.
var treeFolders = []string{"etc", "home", "opt", "root", "srv", "usr/local", "usr/lib/systemd/system", "var/lib", "var/mail", "var/spool"}

// lively is what changes without anybody's doing.
var lively = []string{"/var/lib/systemd/timers", "/var/lib/systemd/random-seed", "/var/lib/systemd/timesync", "/var/lib/logrotate", "/etc/.pwd.lock", selfPath, GatewayPath}

// Tree reads everything below /etc, the homes, /opt, /usr/local, the units of
// systemd and the state below /var, but what is below a path in except. A folder
// is described without its time: to make a file in it and to remove it again
// leaves the folder as it was for everybody but a clock.
func (h *Host) Tree(t testing.TB, except ...string) Tree {
	t.Helper()
	h.Run(t, "sync")
	tree, ignored := Tree{}, slices.Concat(lively, except)
	for _, folder := range treeFolders {
		err := filepath.WalkDir(filepath.Join(h.root(), folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			inside := strings.TrimPrefix(path, h.root())
			if slices.Contains(ignored, inside) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			tree[inside], err = describe(path)
			return err
		})
		must(t, err)
	}
	return tree
}

func describe(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	who := info.Sys().(*syscall.Stat_t)
	text := fmt.Sprintf("%s %d:%d", info.Mode(), who.Uid, who.Gid)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return text + " -> " + target, err
	case info.Mode().IsRegular():
		content, err := os.ReadFile(path)
		sum := sha256.Sum256(content)
		return fmt.Sprintf("%s %s %d bytes %s", text, info.ModTime().UTC().Format("2006-01-02T15:04:05.000000000"), len(content), hex.EncodeToString(sum[:8])), err
	}
	return text, nil
}

// Diff lists what is different in another tree, a line for every path and side.
func (before Tree) Diff(after Tree) string {
	paths := maps.Clone(before)
	maps.Copy(paths, after)
	var lines strings.Builder
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if before[path] == after[path] {
			continue
		}
		for sign, text := range map[string]string{"-": before[path], "+": after[path]} {
			if text != "" {
				fmt.Fprintf(&lines, "%s %s %s\n", sign, path, text)
			}
		}
	}
	return lines.String()
}
