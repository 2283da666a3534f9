package health

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// condaPrefix finds the folder of a conda environment: a path is taken as it
// is, a name is looked for where conda, miniconda, miniforge and mambaforge put
// environments, the user's own first. "base" is the installation itself. What
// the packages' activation scripts set is not set: only PATH and conda's names.
func condaPrefix(env, home string) (string, error) {
	if filepath.IsAbs(env) {
		return env, condaFolder(env)
	}
	var looked []string
	for _, candidate := range condaCandidates(env, home) {
		if condaFolder(candidate) == nil {
			return candidate, nil
		}
		looked = append(looked, filepath.Dir(candidate))
	}
	return "", fmt.Errorf("no conda environment %q in %s", env, strings.Join(looked, ", "))
}

func condaFolder(prefix string) error {
	if _, err := os.Stat(filepath.Join(prefix, "conda-meta")); err != nil {
		return fmt.Errorf("%s is not a conda environment: %w", prefix, err)
	}
	return nil
}

func condaCandidates(env, home string) []string {
	var roots, prefixes []string
	for _, distribution := range []string{"miniconda3", "miniforge3", "mambaforge", "anaconda3"} {
		roots = append(roots, filepath.Join(home, distribution))
	}
	roots = append(roots, "/opt/conda", "/opt/miniconda3", "/opt/miniforge3", "/opt/anaconda3")
	if env == "base" {
		return roots
	}
	prefixes = append(prefixes, filepath.Join(home, ".conda", "envs", env))
	for _, root := range roots {
		prefixes = append(prefixes, filepath.Join(root, "envs", env))
	}
	return prefixes
}
