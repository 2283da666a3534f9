package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
)

// journals is the folder below the state folder that stays root's: what undo runs
// is in it.
const journals = "setup"

// stateMode lets gateway make files of its own beside the journals of setup, and
// not put others in their place (inode(7), S_ISVTX).
const stateMode = 0o770 | fs.ModeSticky

// planState gives the state folder to gateway, but for the journals of setup.
func (d *draft) planState(context.Context) error {
	entries, err := d.ReadDir(d.around.State)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.unseen(d.around.State, err)
	}
	var strange []string
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && entry.Name() != journals && ownerOf(info).UID != d.who.UID {
			strange = append(strange, path.Join(d.around.State, entry.Name()))
		}
	}
	if len(strange) > 0 {
		d.start = true
		d.change(host.Change{What: "give what gateway keeps in " + d.around.State + " to the account " + d.who.Name, Why: "it was made as another user", Acts: []host.Act{d.hand(strange)}})
	}
	return d.planStateFolder()
}

// planStateFolder plans the state folder itself. The engine makes it for the
// journals, if nobody has before.
func (d *draft) planStateFolder() error {
	wanted := host.Owner{GID: d.who.GID}
	info, err := d.Lstat(d.around.State)
	switch {
	case err == nil && !info.IsDir():
		d.refuse(d.around.State+" is not a folder", "gateway keeps its state there", "move it away, or write another state folder")
		return nil
	case err == nil && info.Mode()&(fs.ModePerm|fs.ModeSticky) == stateMode && ownerOf(info) == wanted:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return d.unseen(d.around.State, err)
	}
	d.change(host.Change{
		What: fmt.Sprintf("open %s to the account %s", d.around.State, d.who.Name),
		Why:  "certificates, incidents and notices are kept there; what undo needs stays root's alone",
		Acts: []host.Act{
			// What gateway has written by then is kept, and is root's.
			host.Program{Undo: []host.Command{keepState(d.around.State)}},
			host.Folder{Path: d.around.State, Perm: 0o700},
			host.Attributes{Path: d.around.State, Perm: stateMode, Owner: wanted},
		},
	})
	return nil
}

// keepState gives what gateway has left in its state folder to root, when its
// account goes.
func keepState(state string) host.Command {
	const script = `[ -d "$1" ] || exit 0; find "$1" -mindepth 1 -maxdepth 1 ! -name "$2" -exec chown -hR 0:0 -- {} +`
	return host.Command{Argv: []string{"sh", "-c", script, "sh", state, journals}}
}

// hand gives files, and all below them, to gateway. They may be logs, and too
// large for a journal to keep.
func (d *draft) hand(paths []string) host.Program {
	before := map[host.Owner][]string{}
	var owners []host.Owner
	for _, name := range paths {
		info, err := d.Lstat(name)
		if err != nil {
			continue
		}
		owner := ownerOf(info)
		if before[owner] == nil {
			owners = append(owners, owner)
		}
		before[owner] = append(before[owner], name)
	}
	act := host.Program{Do: host.Command{Argv: append([]string{"chown", "-hR", numbers(d.owner()), "--"}, paths...)}}
	for _, owner := range owners {
		act.Undo = append(act.Undo, giveBack(owner, before[owner]))
	}
	return act
}

// giveBack gives files back to an owner, those of them that are still there.
func giveBack(owner host.Owner, paths []string) host.Command {
	const script = `owner=$1; shift; for file; do if [ -e "$file" ] || [ -L "$file" ]; then chown -hR "$owner" -- "$file" || exit; fi; done`
	return host.Command{Argv: append([]string{"sh", "-c", script, "sh", numbers(owner)}, paths...)}
}

func numbers(owner host.Owner) string { return fmt.Sprintf("%d:%d", owner.UID, owner.GID) }

// planFolders makes the folders of the logs, and of the control socket where
// systemd does not, and gives those to gateway that are called after it.
func (d *draft) planFolders(context.Context) error {
	folders := map[string]string{}
	for _, log := range d.around.Logs {
		folders[path.Dir(log)] = "logs"
	}
	if folder := path.Dir(d.around.Socket); path.Dir(folder) != "/run" {
		folders[folder] = "the control socket"
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		if below(folder, d.around.State) {
			continue
		}
		if err := d.planFolder(folder, folders[folder]); err != nil {
			return err
		}
	}
	return nil
}

func (d *draft) planFolder(folder, purpose string) error {
	real, err := d.RealPath(folder)
	if err != nil {
		return d.unseen(folder, err)
	}
	info, err := d.Lstat(real)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.makeFolder(real, purpose)
		return nil
	case err != nil:
		return d.unseen(real, err)
	case !strings.Contains(path.Base(real), "gateway"):
		if !d.may(info, 3) {
			d.refuse(fmt.Sprintf("the account %s can't write to %s, which shall hold %s", d.who.Name, real, purpose), "it is a folder of others, too",
				"write a folder of gateway's own, such as /var/log/gateway")
		}
		return nil
	}
	return d.giveFolder(real, info)
}

func (d *draft) makeFolder(folder, purpose string) {
	change := host.Change{What: "make the folder " + folder, Why: "for " + purpose}
	for at := range ancestors(folder) {
		if _, err := d.Lstat(at); errors.Is(err, fs.ErrNotExist) && at != folder {
			change.Acts = append(change.Acts, host.Folder{Path: at, Perm: 0o755})
		}
	}
	change.Acts = append(change.Acts,
		host.Program{Undo: []host.Command{{Argv: []string{"sh", "-c", `[ ! -d "$1" ] || chown -hR 0:0 -- "$1"`, "sh", folder}}}},
		host.Folder{Path: folder, Perm: 0o750, Owner: d.owner()})
	d.change(change)
}

// giveFolder gives a folder and the logs in it to gateway.
func (d *draft) giveFolder(folder string, info fs.FileInfo) error {
	entries, err := d.ReadDir(folder)
	if err != nil {
		return d.unseen(folder, err)
	}
	var strange []string
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && ownerOf(info).UID != d.who.UID {
			strange = append(strange, path.Join(folder, entry.Name()))
		}
	}
	change := host.Change{What: fmt.Sprintf("give %s and its files to the account %s", folder, d.who.Name), Why: "gateway writes there"}
	if !d.may(info, 3) {
		change.Acts = append(change.Acts, host.Attributes{Path: folder, Perm: info.Mode().Perm() | 0o700, Owner: d.owner()})
	}
	if len(strange) > 0 {
		change.Acts = append(change.Acts, d.hand(strange))
	}
	if len(change.Acts) > 0 {
		d.start = true
		d.change(change)
	}
	return nil
}
