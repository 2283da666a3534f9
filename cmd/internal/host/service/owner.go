package service

import (
	"context"
	"fmt"
	"strconv"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Numbers of accounts of the system, as Debian, Ubuntu and RHEL hand them out:
// from the highest down (useradd(8), SYS_UID_MIN and SYS_UID_MAX).
const (
	lowestNumber  = 201
	highestNumber = 999
)

// planAccount makes the account that gateway runs as, with a group of its own.
// Its number is chosen here, so that the plan can say it and files can be given
// to it.
func (d *draft) planAccount(context.Context) error {
	if _, found := d.accounts.Account(d.config.User); found {
		d.groups = d.accounts.GroupsOf(d.who)
		if d.who.UID == 0 {
			d.refuse(d.who.Name+" is another name of root", "gateway needs only a few rights", "name another account in [setup.service]")
		}
		d.numberGroups()
		return nil
	}
	number, free := freeNumber(d.accounts)
	group, there := d.accounts.Group(d.config.User)
	switch {
	case !free:
		d.refuse("no number is free for "+d.config.User, fmt.Sprintf("all from %d to %d are taken", lowestNumber, highestNumber), "make the account yourself: useradd "+d.config.User)
	case !there:
		group = account.Group{Name: d.config.User, GID: number}
	}
	d.who = account.Account{Name: d.config.User, UID: number, GID: group.GID}
	d.groups, d.start = []string{group.Name}, true
	d.numberGroups()
	d.change(d.newAccount(there))
	return nil
}

// numberGroups finds the numbers of all groups that gateway will have.
func (d *draft) numberGroups() {
	d.gids = []int{d.who.GID}
	for _, name := range append(d.groups, d.needs().groups...) {
		if g, found := d.accounts.Group(name); found {
			d.gids = append(d.gids, g.GID)
		}
	}
}

func freeNumber(d account.Database) (number int, free bool) {
	for number = highestNumber; number >= lowestNumber; number-- {
		_, user := d.ByUID(number)
		_, group := d.ByGID(number)
		if !user && !group {
			return number, true
		}
	}
	return 0, false
}

func (d *draft) newAccount(groupThere bool) host.Change {
	uid, gid := strconv.Itoa(d.who.UID), strconv.Itoa(d.who.GID)
	change := host.Change{
		What: fmt.Sprintf("add the account %s (number %s) for the service", d.who.Name, uid),
		Why:  "gateway needs few rights; nobody can log in as it",
	}
	if !groupThere {
		change.Acts = append(change.Acts, host.Program{
			Do:   host.Command{Argv: []string{"groupadd", "--system", "--gid", gid, d.who.Name}},
			Undo: []host.Command{onlyIf("group", d.who.Name, "groupdel", d.who.Name)},
		})
	}
	change.Acts = append(change.Acts, host.Program{
		Do: host.Command{Argv: []string{"useradd", "--system", "--uid", uid, "--gid", gid, "--no-create-home",
			"--home-dir", d.around.State, "--shell", account.Find(d.Machine, "nologin"), "--comment", "gateway", d.who.Name}},
		Undo: []host.Command{onlyIf("passwd", d.who.Name, "userdel", d.who.Name)},
	})
	return change
}

// onlyIf runs a program if an account or a group is there: undo must succeed where
// there is nothing to undo, which the tools of shadow take for an error.
func onlyIf(database, name string, argv ...string) host.Command {
	const script = `getent "$1" "$2" >/dev/null || exit 0; shift 2; exec "$@"`
	return host.Command{Argv: append([]string{"sh", "-c", script, "sh", database, name}, argv...)}
}

// owner is gateway as the owner of files.
func (d *draft) owner() host.Owner { return d.who.Owner() }
