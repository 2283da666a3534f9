package conda

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Found is an environment that is on the machine.
type Found struct {
	Name     string `json:"name"`
	User     string `json:"user"` // "": of all
	Path     string `json:"path"`
	Python   string `json:"python"` // version; "": it has none
	Packages int    `json:"packages"`
}

// List finds the environments of all, and those in the homes of the accounts:
// where conda puts them by itself. It only reads; what it may not read it passes
// over.
func (s *Step) List(m host.Machine) ([]Found, error) {
	found, err := findIn(m, path.Join(s.config.Prefix, "envs"), "")
	if err != nil {
		return nil, err
	}
	accounts, err := account.Read(m)
	if err != nil {
		return nil, err
	}
	for _, one := range accounts.Accounts {
		of, err := findIn(m, path.Join(one.Home, ".conda/envs"), one.Name)
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		found = append(found, of...)
	}
	slices.SortStableFunc(found, func(a, b Found) int { return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Name, b.Name)) })
	return slices.CompactFunc(found, func(a, b Found) bool { return a.Path == b.Path }), nil
}

// findIn lists the environments in a folder that may not be there.
func findIn(m host.Machine, folder, user string) ([]Found, error) {
	entries, err := m.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return []Found{}, nil
	}
	if err != nil {
		return nil, err
	}
	found := []Found{}
	for _, entry := range entries {
		at := path.Join(folder, entry.Name())
		if !isEnv(m, at) {
			continue
		}
		installed, err := packages(m, at)
		if err != nil {
			return nil, err
		}
		found = append(found, Found{Name: entry.Name(), User: user, Path: at, Python: installed["python"], Packages: len(installed)})
	}
	return found, nil
}
