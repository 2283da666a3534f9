package conda

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
)

// Unmet are the packages that the environment at a path lacks.
func (s *Step) Unmet(m host.Machine, at string, specs []string) ([]string, error) {
	installed, err := packages(m, at)
	if err != nil {
		return nil, err
	}
	return unmet(specs, installed), nil
}

// packages are the versions of what is installed in an environment, by name.
// conda keeps a file conda-meta/NAME-VERSION-BUILD.json for each.
func packages(m host.Machine, env string) (map[string]string, error) {
	entries, err := m.ReadDir(path.Join(env, "conda-meta"))
	if err != nil {
		return nil, fmt.Errorf("see what is in the environment %s: %w", env, err)
	}
	installed := map[string]string{}
	for _, entry := range entries {
		if name, version, found := parseRecord(entry.Name()); found {
			installed[name] = version
		}
	}
	return installed, nil
}

// parseRecord takes a file name of conda-meta apart. Names may have dashes,
// versions and builds have none.
func parseRecord(file string) (name, version string, found bool) {
	stem, isJSON := strings.CutSuffix(file, ".json")
	build := strings.LastIndexByte(stem, '-')
	if !isJSON || build < 1 {
		return "", "", false
	}
	at := strings.LastIndexByte(stem[:build], '-')
	if at < 1 || at+1 == build {
		return "", "", false
	}
	return stem[:at], stem[at+1 : build], true
}

// unmet are the specifications that the installed packages do not fulfil.
func unmet(specs []string, installed map[string]string) []string {
	return slices.DeleteFunc(slices.Clone(specs), func(spec string) bool {
		name, constraint := splitSpec(spec)
		version, found := installed[name]
		return found && fulfils(version, constraint)
	})
}

// splitSpec takes "channel::name=version" apart. Names are in lower case.
func splitSpec(spec string) (name, constraint string) {
	if _, rest, found := strings.Cut(spec, "::"); found {
		spec = rest
	}
	end := strings.IndexAny(spec, " =<>!~")
	if end < 0 {
		end = len(spec)
	}
	return strings.ToLower(spec[:end]), strings.TrimSpace(spec[end:])
}

// fulfils judges "=3.12" (that version and those below it), "==3.12.1", and the
// same with a build behind it. What else conda understands, such as ">=3,<4", is
// conda's to judge: a package of that name is taken for the right one.
func fulfils(version, constraint string) bool {
	exact := strings.HasPrefix(constraint, "==")
	wanted, _, _ := strings.Cut(strings.TrimLeft(constraint, "="), "=")
	fuzzy := strings.HasSuffix(wanted, "*")
	wanted = strings.TrimSuffix(strings.TrimSuffix(wanted, "*"), ".")
	switch {
	case constraint == "" || wanted == "" || !strings.HasPrefix(constraint, "=") || strings.ContainsAny(wanted, "*,|<>!~ "):
		return true
	case version == wanted:
		return true
	case exact && !fuzzy:
		return false
	}
	return strings.HasPrefix(version, wanted+".")
}

// withKernel adds what makes an environment a kernel of Jupyter.
func withKernel(specs []string) []string {
	for _, spec := range specs {
		if name, _ := splitSpec(spec); name == "ipykernel" {
			return specs
		}
	}
	return append(slices.Clone(specs), "ipykernel")
}
