package conda

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// A user's environments are made by the user's own hand, wherever the home is:
// root's would belong to root, and a link of the user could lead root elsewhere.
// The name is looked up when the command runs, since the step user may make the
// account just before.
const (
	asUser = `HOME=$(getent passwd "$(id -u)" | cut -d: -f6) && export HOME && cd "$HOME" && umask 022 && `

	createOfUser  = asUser + `conda=$1 && name=$2 && shift 2 && exec flock --no-fork "$HOME" "$conda" create --yes --quiet -p "$HOME/.conda/envs/$name" "$@"`
	installOfUser = asUser + `conda=$1 && name=$2 && shift 2 && exec flock --no-fork "$HOME" "$conda" install --yes --quiet -p "$HOME/.conda/envs/$name" "$@"`

	// removeOfUser leaves of ~/.conda what was there before: conda lists every
	// environment in environments.txt, and keeps packages in pkgs.
	removeOfUser = asUser + `exec 9<"$HOME" && flock --timeout 900 9 && env=$HOME/.conda/envs/$1 && rm -rf -- "$env" && cd .conda 2>/dev/null || exit 0
if grep -qxF -- "$env" environments.txt 2>/dev/null; then grep -vxF -- "$env" environments.txt >environments.gateway; mv environments.gateway environments.txt; fi
[ -s environments.txt ] || rm -f environments.txt
[ "$2" = keep ] || rm -rf pkgs
rm -f envs/.conda_envs_dir_test
rmdir envs 2>/dev/null
cd .. && rmdir .conda 2>/dev/null
exit 0`
)

// Command is the path of the program conda.
func (s *Step) Command() string { return path.Join(s.config.Prefix, "bin/conda") }

// Make are the acts that make an environment of root at a path, readable by all.
func (s *Step) Make(at string, packages []string) []host.Act {
	argv := append(s.locked(s.Command(), "create", "--yes", "--quiet", "-p", at), packages...)
	undo := host.Command{Argv: s.locked("rm", "-rf", "--", at)}
	return []host.Act{host.Program{Do: s.rootCommand(argv...), Undo: []host.Command{undo}}, giveToRoot(at), host.Program{Do: s.tidy()}}
}

// userCommand runs a script as a user.
func userCommand(user, script string, args ...string) host.Command {
	return host.Command{Argv: append([]string{"runuser", "-u", user, "--", "sh", "-c", script, "sh"}, args...), Dir: "/"}
}

// place is where an environment lies, or a refusal if its user is unknown.
// present is false for a user who is still to be made.
func (s *Step) place(m host.Machine, env Environment) (at string, present bool, refusal *host.Refusal, err error) {
	if env.User == "" {
		return path.Join(s.config.Prefix, "envs", env.Name), true, nil, nil
	}
	accounts, err := account.Read(m)
	if err != nil {
		return "", false, nil, err
	}
	if one, known := accounts.Account(env.User); known {
		return path.Join(one.Home, ".conda/envs", env.Name), true, nil, nil
	}
	if slices.Contains(s.around.Users, env.User) {
		return "~" + env.User + "/.conda/envs/" + env.Name, false, nil, nil
	}
	return "", false, &host.Refusal{
		What: fmt.Sprintf("there is no user %s for the environment %s", env.User, env.Name), Why: "an environment lies in its user's home",
		Instead: fmt.Sprintf("make the account first (gateway setup user add %s), or leave user out for an environment of all", env.User),
	}, nil
}

// env is what is to be done for one environment of the table.
func (s *Step) env(m host.Machine, env Environment) ([]host.Change, *host.Refusal, error) {
	at, present, refusal, err := s.place(m, env)
	if err != nil || refusal != nil {
		return nil, refusal, err
	}
	if !present || !isEnv(m, at) {
		if _, err := m.Lstat(at); present && err == nil {
			return nil, &host.Refusal{What: at + " is there, and it is no environment", Why: "what is there would be mixed with conda's files",
				Instead: "see what it is, and move it away"}, nil
		}
		return []host.Change{s.createEnv(m, env, at, present)}, nil, nil
	}
	missing, err := s.Unmet(m, at, env.Packages)
	if err != nil || len(missing) == 0 {
		return nil, nil, err
	}
	return []host.Change{s.installInto(env, at, missing)}, nil, nil
}

// createEnv is the change that makes an environment.
func (s *Step) createEnv(m host.Machine, env Environment, at string, present bool) host.Change {
	change := host.Change{
		What: fmt.Sprintf("make the environment %s with %s", at, orElse(strings.Join(env.Packages, ", "), "no packages")),
		Why:  "[[setup.conda.env]] asks for it, for " + orElse(env.User, "all users"),
	}
	if env.User == "" {
		change.Acts = s.Make(at, env.Packages)
		return change
	}
	packages := "keep"
	if _, err := m.Lstat(path.Dir(path.Dir(at))); !present || errors.Is(err, fs.ErrNotExist) {
		packages = "drop"
	}
	change.Acts = []host.Act{host.Program{
		Do:   userCommand(env.User, createOfUser, append([]string{s.Command(), env.Name}, env.Packages...)...),
		Undo: []host.Command{userCommand(env.User, removeOfUser, env.Name, packages)},
	}}
	return change
}

// installInto is the change that adds packages to an environment.
func (s *Step) installInto(env Environment, at string, missing []string) host.Change {
	change := host.Change{
		What:   fmt.Sprintf("install %s in the environment %s", strings.Join(missing, ", "), at),
		Why:    "[[setup.conda.env]] asks for it",
		NoUndo: fmt.Sprintf("conda changes other packages with it; `conda list -p %s --revisions` shows them, and `conda install -p %s --revision N` goes back", at, at),
	}
	if env.User == "" {
		argv := append([]string{s.Command(), "install", "--yes", "--quiet", "-p", at}, missing...)
		change.Acts = []host.Act{host.Program{Do: s.rootCommand(argv...)}, giveToRoot(at), host.Program{Do: s.tidy()}}
		return change
	}
	change.Acts = []host.Act{host.Program{Do: userCommand(env.User, installOfUser, append([]string{s.Command(), env.Name}, missing...)...)}}
	return change
}

// isEnv tells whether a folder is an environment of conda.
func isEnv(m host.Machine, at string) bool {
	_, err := m.Stat(path.Join(at, "conda-meta/history"))
	return err == nil
}
