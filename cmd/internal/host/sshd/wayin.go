package sshd

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// ask tells sshd's settings for a user who comes from an address, as they are or
// as they would be.
type ask func(ctx context.Context, user string, from netip.Addr) (account.Settings, error)

// judge looks who could still log in, and sees to it that it is an admin, and
// whoever sits at the keyboard. Accounts that an earlier step of the same run
// makes ready count although nothing of them can be seen yet.
type judge struct {
	machine  host.Machine
	config   Config
	settings ask
	accounts account.Database
	here     account.Present
	expected []string
}

// refusals are the reasons not to close ssh.
func (j judge) refusals(ctx context.Context) ([]host.Refusal, error) {
	admin, why, err := j.anAdmin(ctx)
	if err != nil {
		return nil, err
	}
	if !admin {
		return []host.Refusal{{
			What:    "no admin could log in by ssh any more",
			Why:     why,
			Instead: "make one first, or give one a key: sudo gateway setup user add NAME --sudo --password --key FILE.pub",
		}}, nil
	}
	return j.keepsThePresent(ctx)
}

// anAdmin tells whether one can come in and become root, and if not, why.
func (j judge) anAdmin(ctx context.Context) (bool, string, error) {
	if slices.ContainsFunc(j.expected, j.allowed) {
		return true, "", nil
	}
	admins, err := account.Admins(ctx, j.machine, j.here.Client.Addr())
	if err != nil {
		return false, "", err
	}
	var reasons []string
	for _, a := range admins {
		problems, err := j.problems(ctx, a.Account)
		if err != nil {
			return false, "", err
		}
		if !a.BecomesRoot() {
			problems = append(problems, "sudo asks for a password, and that of the account is "+a.Password.String())
		}
		if len(problems) == 0 {
			return true, "", nil
		}
		reasons = append(reasons, a.Name+": "+strings.Join(problems, "; "))
	}
	root, why, err := j.rootComesIn(ctx)
	if root || err != nil {
		return root, "", err
	}
	if len(admins) == 0 {
		reasons = append(reasons, "nobody but root may do everything by sudo")
	}
	return false, strings.Join(append(reasons, why), ". "), nil
}

// rootComesIn matters where root is to be let in by key.
func (j judge) rootComesIn(ctx context.Context) (bool, string, error) {
	root, found := j.accounts.Account("root")
	if !j.config.Root || !found {
		return false, "root is not let in", nil
	}
	problems, err := j.problems(ctx, root)
	return err == nil && len(problems) == 0, "root: " + strings.Join(problems, "; "), err
}

// keepsThePresent refuses where whoever started this over ssh could not come
// back, although somebody else could.
func (j judge) keepsThePresent(ctx context.Context) ([]host.Refusal, error) {
	if !j.here.Client.IsValid() || len(j.here.Users) == 0 || slices.ContainsFunc(j.here.Users, j.expects) {
		return nil, nil
	}
	var reasons []string
	for _, name := range j.here.Users {
		a, found := j.accounts.Account(name)
		if !found {
			return nil, nil // of a directory service, whose keys can't be seen
		}
		problems, err := j.problems(ctx, a)
		if err != nil || len(problems) == 0 {
			return nil, err
		}
		reasons = append(reasons, problems...)
	}
	you := strings.Join(j.here.Users, ", ")
	return []host.Refusal{{
		What:    "you are logged in as " + you + " and could not log in again",
		Why:     strings.Join(reasons, "; "),
		Instead: "give your account a key first (sudo gateway setup user key NAME --add FILE.pub), or do this from the account of another admin",
	}}, nil
}

// problems are what keeps an account out; none means that it comes in.
func (j judge) problems(ctx context.Context, a account.Account) ([]string, error) {
	from := j.here.Client.Addr()
	settings, err := j.settings(ctx, a.Name, from)
	if err != nil {
		return nil, err
	}
	if len(mends(j.machine, a)) > 0 {
		// The modes are put right in the same run, so they are no reason.
		settings = maps.Clone(settings)
		settings["strictmodes"] = []string{"no"}
	}
	login := j.accounts.KeyLogin(j.machine, a, settings, from)
	switch {
	case len(login.Usable) > 0 && enough(settings, "publickey"):
		return nil, nil
	case j.byPassword(a, settings, from):
		return nil, nil
	case len(login.Usable) > 0:
		return []string{"sshd wants more than a key (AuthenticationMethods " + strings.Join(settings["authenticationmethods"], " ") + ")"}, nil
	case len(login.Problems) == 0:
		return []string{"no ssh key is there"}, nil
	}
	return login.Problems, nil
}

func (j judge) byPassword(a account.Account, s account.Settings, from netip.Addr) bool {
	return s.Get("passwordauthentication") == "yes" && enough(s, "password") && a.UID != 0 &&
		j.accounts.Password(a.Name) == account.PasswordSet && j.accounts.Refused(j.machine, a, s, from) == ""
}

// enough tells whether one method alone opens the door: AuthenticationMethods
// are lists of which one must be done in full.
func enough(s account.Settings, method string) bool {
	lists := strings.Fields(strings.Join(s["authenticationmethods"], " "))
	return len(lists) == 0 || slices.Contains(lists, "any") || slices.Contains(lists, method)
}

func (j judge) expects(name string) bool { return slices.Contains(j.expected, name) && j.allowed(name) }

// allowed tells whether allow_users lets a user in from somewhere.
func (j judge) allowed(name string) bool {
	return len(j.config.AllowUsers) == 0 || slices.ContainsFunc(j.config.AllowUsers, func(allowed string) bool {
		user, _, _ := strings.Cut(allowed, "@")
		fits, err := path.Match(user, name)
		return fits && err == nil
	})
}

// newJudge reads what does not change while it judges.
func (s *Step) newJudge(m host.Machine, settings ask, expected []string) (judge, error) {
	d, err := account.Read(m)
	if err != nil {
		return judge{}, err
	}
	return judge{machine: m, config: s.config, settings: settings, accounts: d, here: account.FindPresent(m, d, s.pid), expected: expected}, nil
}

// people are those whose settings are verified: everybody with a shell, and root.
func (j judge) people() []string {
	names := []string{"root"}
	for _, a := range j.accounts.People() {
		names = append(names, a.Name)
	}
	return names
}

func describe(refusals []host.Refusal) error {
	if len(refusals) == 0 {
		return nil
	}
	r := refusals[0]
	return fmt.Errorf("%s: %s: %s", r.What, r.Why, r.Instead)
}
