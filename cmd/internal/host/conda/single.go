package conda

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
)

// Single is one environment that is made or removed by a command, without a table
// in the file.
type Single struct {
	*Step
	env  Environment
	gone bool
}

var _ host.Step = Single{}

// Add makes the environment, or adds the packages that it lacks.
func (s *Step) Add(env Environment) Single { return Single{Step: s, env: env} }

// Remove removes the environment.
func (s *Step) Remove(env Environment) Single { return Single{Step: s, env: env, gone: true} }

// Check judges the name and the packages as those of the file are judged.
func (e Environment) Check() error {
	var wrong error
	validateEnvs([]Environment{e}, func(_, what, instead string) {
		if wrong == nil {
			wrong = fmt.Errorf("%s: %s", what, instead)
		}
	})
	return wrong
}

// Plan is about that environment alone.
func (e Single) Plan(_ context.Context, m host.Machine) (host.Plan, error) {
	found, err := look(m, e.config.Prefix)
	if err != nil {
		return host.Plan{}, err
	}
	if found.state != baseConda {
		return host.Plan{Refusals: []host.Refusal{{What: "there is no conda in " + e.config.Prefix, Why: "it makes and knows the environments",
			Instead: "install it first, with gateway setup apply conda"}}}, nil
	}
	do := e.Step.env
	if e.gone {
		do = e.without
	}
	changes, refusal, err := do(m, e.env)
	plan := host.Plan{Changes: changes}
	if refusal != nil {
		plan.Refusals = []host.Refusal{*refusal}
	}
	return plan, err
}

// without is the removal of an environment. What was in it is written down, so
// that conda can make it again.
func (e Single) without(m host.Machine, env Environment) ([]host.Change, *host.Refusal, error) {
	at, _, refusal, err := e.place(m, env)
	if err != nil || refusal != nil {
		return nil, refusal, err
	}
	if !isEnv(m, at) {
		return nil, &host.Refusal{What: "there is no environment " + at, Why: "so nothing can be removed",
			Instead: "see what there is: gateway setup conda env list"}, nil
	}
	text, err := explicit(m, at)
	if err != nil {
		return nil, nil, err
	}
	kept := path.Join(e.folder, strings.Trim(strings.ReplaceAll(at, "/", "-"), "-")+".txt")
	remove := host.Program{Do: host.Command{Argv: e.locked("rm", "-rf", "--", at)}}
	if env.User != "" {
		remove.Do = userCommand(env.User, removeOfUser, env.Name, "keep")
	}
	return []host.Change{{
		What:   "remove the environment " + at,
		Why:    "it was asked for; what programs run from it will fail",
		NoUndo: fmt.Sprintf("what was put into it by hand is gone; conda create -p %s --file %s makes its packages again", at, kept),
		Acts:   append(keep(m, e.folder, kept, text), remove),
	}}, nil, nil
}

// keep writes a file into our folder.
func keep(m host.Machine, folder, file, text string) []host.Act {
	write := host.File{Path: file, Data: []byte(text), Perm: 0o600}
	if _, err := m.Stat(folder); err == nil {
		return []host.Act{write}
	}
	return []host.Act{host.Folder{Path: folder, Perm: 0o700}, write}
}

// recordLimit is the most bytes of the record of a package; the largest list
// some ten thousand files.
const recordLimit = 32 << 20

// explicit is the list of an environment's packages as `conda list --explicit`
// prints it: the URL of each, which conda keeps in the package's record.
func explicit(m host.Machine, at string) (string, error) {
	entries, err := m.ReadDir(path.Join(at, "conda-meta"))
	if err != nil {
		return "", err
	}
	var urls []string
	for _, entry := range entries {
		info, err := entry.Info() // a user's folder may hold links and pipes
		if _, _, found := parseRecord(entry.Name()); !found || err != nil || !info.Mode().IsRegular() || info.Size() > recordLimit {
			continue
		}
		data, err := m.ReadFile(path.Join(at, "conda-meta", entry.Name()))
		if err != nil {
			return "", err
		}
		var record struct{ URL string }
		if json.Unmarshal(data, &record) == nil && record.URL != "" && !strings.ContainsAny(record.URL, "\n\r") {
			urls = append(urls, record.URL+"\n")
		}
	}
	slices.Sort(urls)
	return "@EXPLICIT\n" + strings.Join(urls, ""), nil
}

// Ready has nothing to add to the plan, which was made just now.
func (e Single) Ready(context.Context, host.Machine) error { return nil }

// Verify looks whether the environment is there, or gone.
func (e Single) Verify(_ context.Context, m host.Machine) error {
	at, _, _, err := e.place(m, e.env)
	if err == nil && isEnv(m, at) == e.gone {
		err = fmt.Errorf("conda said that it was done, but of %s that is not so", at)
	}
	return err
}
