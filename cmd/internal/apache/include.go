package apache

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// include reads what Include and IncludeOptional name: a file, all files below
// a folder, or all that match a pattern, in the order of their names.
func (r *reader) include(d *Directive, optional bool) error {
	if d.arg(0) == "" {
		return &Problem{d.Position, d.Name + " names no file", "write the path of a file", nil}
	}
	if len(r.open) > deepestInclude {
		return &Problem{d.Position, fmt.Sprintf("files include each other more than %d deep", deepestInclude), "take the Include out that leads back", nil}
	}
	paths, err := r.matches(d.arg(0), d.Position)
	if err != nil {
		return err
	}
	if len(paths) == 0 && !optional {
		return &Problem{d.Position, fmt.Sprintf("%s %s matches no file", d.Name, d.arg(0)), "take the line out, or write IncludeOptional", nil}
	}
	for _, path := range paths {
		if err := r.includeFile(d, path, optional); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) includeFile(d *Directive, path string, optional bool) error {
	if _, err := os.Stat(path); err != nil && optional {
		return nil // a link into nowhere is skipped, as a2dissite leaves some behind
	}
	if slices.ContainsFunc(r.open, func(open string) bool { return sameFile(open, path) }) {
		return &Problem{d.Position, path + " includes itself by this line", "take the line out", nil}
	}
	return r.file(path, d.Position)
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// matches are the files that a path of an Include stands for. If they are below
// a ServerRoot that is not on this machine, they are looked for where the
// configuration lies.
func (r *reader) matches(written string, at Position) ([]string, error) {
	path := r.resolve(written)
	if rest, below := strings.CutPrefix(path, r.written+"/"); below && r.written != "" && r.written != r.root && !isFolder(r.written) {
		path = filepath.Join(r.root, rest)
	}
	if !strings.ContainsAny(path, "*?[") {
		if isFolder(path) {
			return r.folder(path, at)
		}
		return []string{path}, nil
	}
	found, err := filepath.Glob(path)
	if err != nil {
		return nil, &Problem{at, fmt.Sprintf("%q is no pattern", written), "write it with * and ? only", nil}
	}
	var all []string
	for _, match := range found {
		switch {
		case hidden(match) && !hidden(path):
		case isFolder(match):
			below, err := r.folder(match, at)
			if err != nil {
				return nil, err
			}
			all = append(all, below...)
		default:
			all = append(all, match)
		}
	}
	return all, nil
}

func hidden(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") }

// folder are all files below a folder.
func (r *reader) folder(path string, at Position) ([]string, error) {
	var all []string
	err := filepath.WalkDir(path, func(file string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			all = append(all, file)
		}
		if len(all) > mostDirectives {
			return fmt.Errorf("it holds more than %d files", mostDirectives)
		}
		return nil
	})
	if err != nil {
		return nil, &Problem{at, "the folder " + path + " cannot be read", remedyFor(err), err}
	}
	return all, nil
}
