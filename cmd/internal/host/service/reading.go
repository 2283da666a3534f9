package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"gateway/cmd/internal/host"
)

// planReading lets gateway read what its file names. Below a folder that is
// called after it, such as /etc/gateway, it is given to gateway's group; elsewhere
// it is others' to decide, and a refusal.
func (d *draft) planReading(context.Context) error {
	if _, err := d.Stat(d.around.File); errors.Is(err, fs.ErrNotExist) {
		d.refuse("there is no "+d.around.File, "the service runs what that file says", "write it, or name another one with -c")
	}
	r := reading{draft: d, own: ownFolder(d.around.File)}
	for _, name := range append([]string{d.around.File}, d.around.Reads...) {
		if err := r.look(name); err != nil {
			return err
		}
	}
	if len(r.given) > 0 {
		d.change(host.Change{What: "let gateway read " + quotedList(r.given), Why: "it is not root any more; its group may read, and nobody else", Acts: r.acts})
	}
	return nil
}

// ownFolder is the folder of the file if it is gateway's own by its name; "" where
// other programs may have their files there, too.
func ownFolder(file string) string {
	if folder := path.Dir(file); strings.Contains(path.Base(folder), "gateway") && path.Dir(folder) != "/home" {
		return folder
	}
	return ""
}

// reading gathers what gateway can't read yet.
type reading struct {
	*draft
	own     string
	given   []string // what is given to gateway's group
	refused []string
	acts    []host.Act
}

// look follows one path from the root and sees whether gateway gets to its end.
// What is not there is told by the check that is made before the start.
func (r *reading) look(name string) error {
	real, err := r.RealPath(name)
	if err != nil {
		return r.unseen(name, err)
	}
	for at := range ancestors(real) {
		info, err := r.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return r.unseen(at, err)
		}
		r.judge(at, info, at == real)
		if at == real && info.IsDir() {
			return r.lookInside(at)
		}
	}
	return nil
}

// lookInside judges the files of a folder that is named as a whole, such as that
// of the certificates.
func (r *reading) lookInside(folder string) error {
	entries, err := r.ReadDir(folder)
	if err != nil {
		return r.unseen(folder, err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && below(folder, r.own) {
			r.judge(path.Join(folder, entry.Name()), info, true)
		}
	}
	return nil
}

// judge sees whether gateway may pass a folder, or read what is at the end.
func (r *reading) judge(at string, info fs.FileInfo, end bool) {
	wanted := fs.FileMode(4)
	if info.IsDir() {
		wanted = 1
		if end {
			wanted = 5
		}
	}
	if r.may(info, wanted) || slices.Contains(r.given, at) || slices.Contains(r.refused, at) {
		return
	}
	if below(at, r.own) {
		r.give(at, info)
		return
	}
	r.refused = append(r.refused, at)
	permission := "r"
	if info.IsDir() {
		permission = "x"
	}
	r.refuse(fmt.Sprintf("%s (mode %04o) is closed to the account %s", at, info.Mode().Perm(), r.who.Name), "gateway could not read what its file names",
		fmt.Sprintf("move what the file names to /etc/gateway, or open it: chgrp %s %s && chmod g+%s %s", r.groups[0], at, permission, at))
}

// give lets gateway's group read. What is put into a folder later gets that group
// by itself (inode(7), S_ISGID).
func (r *reading) give(at string, info fs.FileInfo) {
	perm := info.Mode().Perm()&^0o070 | 0o040
	if info.IsDir() {
		perm = info.Mode().Perm()&^0o070 | 0o050 | fs.ModeSetgid
	}
	r.given = append(r.given, at)
	r.acts = append(r.acts, host.Attributes{Path: at, Perm: perm, Owner: host.Owner{UID: ownerOf(info).UID, GID: r.who.GID}})
}

// may tells whether gateway has a right by the mode of a file: 4 is reading, 2
// writing, 1 passing.
func (d *draft) may(info fs.FileInfo, wanted fs.FileMode) bool {
	owner, has := ownerOf(info), info.Mode().Perm()
	switch {
	case owner.UID == d.who.UID:
		has >>= 6
	case slices.Contains(d.gids, owner.GID):
		has >>= 3
	}
	return has&wanted == wanted
}

func ownerOf(info fs.FileInfo) host.Owner {
	if stat, known := info.Sys().(*syscall.Stat_t); known {
		return host.Owner{UID: int(stat.Uid), GID: int(stat.Gid)}
	}
	return host.Owner{UID: -1, GID: -1}
}

// below tells whether a path is a folder or lies in it; never for "".
func below(at, folder string) bool {
	return folder != "" && (at == folder || strings.HasPrefix(at, folder+"/"))
}

// ancestors are the folders that lead to a path, the root first, and the path.
func ancestors(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		if !yield("/") {
			return
		}
		for i := 1; i < len(name); i++ {
			if name[i] == '/' && !yield(name[:i]) {
				return
			}
		}
		if name != "/" {
			yield(name)
		}
	}
}
