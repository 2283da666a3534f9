package user

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Removal is how an account is removed.
type Removal struct {
	Name       string
	RemoveHome bool   // else the home stays, and waits for an account of that name
	Archive    string // file that the home is packed into first, .tar.gz or .tar.zst; "": none
	EndAll     bool   // its sessions and processes are ended; else they are a reason to refuse
	Present    account.Present
}

// Remove makes the step that removes an account.
func Remove(r Removal) *Step { return &Step{wishes: []wish{r}} }

func (r Removal) plan(ctx context.Context, s *sight, p *host.Plan) error {
	a, found := existing(s, r.Name, p)
	if !found || !r.mayGo(s, a, p) {
		return nil
	}
	last, err := lastWayOf(ctx, s, a.Name, func(account.Admin) account.Admin { return account.Admin{} })
	if err != nil {
		return err
	}
	if last {
		refuseLast(p, a.Name, "the account is gone")
		return nil
	}
	if err := r.planProcesses(s, a, p); err != nil {
		return err
	}
	home, homeOK := r.home(s, a, p)
	if homeOK && r.Archive != "" {
		r.planArchive(s, a, home, p)
	}
	planTraces(s, a, p)
	p.Changes = append(p.Changes, removal(s, a))
	switch {
	case homeOK && r.RemoveHome:
		p.Changes = append(p.Changes, homeRemoval(home, r.Archive))
	case homeOK:
		p.Notes = append(p.Notes, home+" stays: an account of that name that is added again gets it back, or remove it with --remove-home")
	}
	return leftovers(ctx, s, a, home, p)
}

// mayGo refuses what is no person's account, and the person who asks.
func (r Removal) mayGo(s *sight, a account.Account, p *host.Plan) bool {
	switch {
	case a.UID < s.numbers.defs.uidMin || a.Name == "nobody":
		refuse(p, fmt.Sprintf("%s (number %d) is an account of the system", a.Name, a.UID), "a program runs as it, or owns files by it", "remove the package that it belongs to")
		return false
	case r.Present.Is(a.Name):
		refuse(p, a.Name+" is you: this login began as "+a.Name, "you would saw off the branch that you sit on", "log in as another admin, and remove it from there")
		return false
	}
	return true
}

// planProcesses ends what runs as the account, or refuses because of it: userdel
// would, and what goes on running keeps a number that somebody else may get.
func (r Removal) planProcesses(s *sight, a account.Account, p *host.Plan) error {
	running, err := account.Processes(s.Machine, a.UID)
	if err != nil || len(running) == 0 {
		return err
	}
	const shown = 5
	var names []string
	for _, process := range running[:min(shown, len(running))] {
		names = append(names, process.String())
	}
	if more := len(running) - shown; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if !r.EndAll {
		refuse(p, a.Name+" has running processes: "+strings.Join(names, ", "), "they would go on running as nobody's",
			"ask "+a.Name+" to log out, or end them with --end-all")
		return nil
	}
	p.Changes = append(p.Changes, host.Change{
		What: "end all sessions and processes of " + a.Name + ": " + strings.Join(names, ", "), Why: "they would go on running as nobody's",
		NoUndo: "what they had not saved is lost",
		Acts:   []host.Act{host.Program{Do: endAll(a)}},
	})
	return nil
}

// endAll stops the slice of the user, which asks first and then kills, and after
// that what a service or cron started as the user. The kill is repeated since
// some programs restart each other.
func endAll(a account.Account) host.Command {
	const script = `systemctl stop "user-$1.slice" 2>/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do pkill -KILL -u "$1" || exit 0; sleep 0.2; done
echo "processes of user $1 are started again and again: stop the service that does" >&2; exit 1`
	return host.Command{Argv: []string{"sh", "-c", script, "sh", strconv.Itoa(a.UID)}}
}

// planTraces takes away what would act in the name of the account, or for the
// next one of that name.
func planTraces(s *sight, a account.Account, p *host.Plan) {
	for _, trace := range []struct{ path, what, why string }{
		{"/var/spool/cron/crontabs/" + a.Name, "the crontab of " + a.Name, "it would be run again for the next account of that name"},
		{"/var/spool/cron/" + a.Name, "the crontab of " + a.Name, "it would be run again for the next account of that name"},
		{"/var/lib/systemd/linger/" + a.Name, "the right of " + a.Name + " to run services without a login", "systemd would complain at every start"},
		{ruleFile(a.Name), "the rule of sudo for " + a.Name, "the next account of that name would be root by it"},
	} {
		if info, err := s.Lstat(trace.path); err == nil && info.Mode().IsRegular() {
			p.Changes = append(p.Changes, host.Change{What: "remove " + trace.what + " (" + trace.path + ")", Why: trace.why, Acts: []host.Act{host.Gone{Path: trace.path}}})
		}
	}
}

// removal is userdel. It is taken back with the same numbers, groups and shell;
// the hash of the password is kept nowhere.
func removal(s *sight, a account.Account) host.Change {
	again := []string{"useradd", "--uid", strconv.Itoa(a.UID), "--gid", strconv.Itoa(a.GID), "--home-dir", a.Home, "--no-create-home", "--shell", a.Shell}
	if a.Shell == "" {
		again = again[:len(again)-2]
	}
	const absent = `getent "$1" "$2" >/dev/null && exit 0; shift 2; exec "$@"`
	ifNone := func(database, name string, argv ...string) host.Command {
		return host.Command{Argv: append([]string{"sh", "-c", absent, "sh", database, name}, argv...)}
	}
	var undo []host.Command
	groups := s.GroupsOf(a)
	if own, found := s.ByGID(a.GID); found {
		undo = append(undo, ifNone("group", own.Name, "groupadd", "--gid", strconv.Itoa(a.GID), own.Name))
		groups = slices.DeleteFunc(groups, func(g string) bool { return g == own.Name })
	}
	undo = append(undo, ifNone("passwd", a.Name, append(again, a.Name)...))
	if len(groups) > 0 {
		undo = append(undo, host.Command{Argv: []string{"usermod", "--append", "--groups", strings.Join(groups, ","), a.Name}})
	}
	return host.Change{
		What: fmt.Sprintf("remove the account %s (number %d, groups %s)", a.Name, a.UID, strings.Join(s.GroupsOf(a), ", ")),
		Why:  "undo gives it back with its number, groups, shell and keys; its password will be locked",
		Acts: []host.Act{host.Program{Do: host.Command{Argv: []string{"userdel", a.Name}}, Undo: undo}},
	}
}

// leftovers looks for files that keep the number of the account.
func leftovers(ctx context.Context, s *sight, a account.Account, home string, p *host.Plan) error {
	if !s.isRoot() {
		return nil
	}
	// Bounded, since a disk may hold millions of files; the exit status tells (timeout(1)).
	argv := []string{"timeout", "20", "find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", path.Join("/", home), ")", "-prune", "-o", "-uid", strconv.Itoa(a.UID), "-print"}
	result, err := s.Run(ctx, host.Command{Argv: argv})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	files := strings.FieldsFunc(string(result.Stdout), func(r rune) bool { return r == '\n' })
	if note := leftoverNote(a, files, err != nil); note != "" {
		p.Notes = append(p.Notes, note)
	}
	return nil
}

func leftoverNote(a account.Account, files []string, incomplete bool) string {
	const shown = 5
	switch n := len(files); {
	case n == 0 && incomplete:
		return "files that " + a.Name + " has elsewhere were not looked for to the end: `find / -xdev -uid " + strconv.Itoa(a.UID) + "` lists them"
	case n == 0:
		return ""
	default:
		var names []string
		for _, file := range files[:min(n, shown)] {
			names = append(names, strconv.Quote(file))
		}
		if n > shown {
			names = append(names, "...")
		}
		return fmt.Sprintf("%s of %s stay elsewhere (%s), and may fall to the next account with the number %d: give them to somebody (`find / -xdev -uid %d -exec chown -h NAME {} +`)",
			counted(n, "file"), a.Name, strings.Join(names, ", "), a.UID, a.UID)
	}
}

func (r Removal) verify(_ context.Context, m host.Machine) error {
	d, err := account.Read(m)
	if _, found := d.Account(r.Name); err == nil && found {
		err = fmt.Errorf("there still is an account %s, although userdel succeeded", r.Name)
	}
	return err
}
