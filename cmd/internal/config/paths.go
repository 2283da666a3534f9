package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// isPathKey tells whether a key of the schema names a file or folder. Keys that
// end in _file or _dir do; the others are listed.
func isPathKey(key string) bool {
	return strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_dir") || slices.Contains(pathKeys(), key)
}

func pathKeys() []string {
	return []string{"state", "log.access", "log.error", "site.files", "site.root", "site.route.root", "site.error_page.file", "site.route.error_page.file", "backend.dir", "backend.log", "admin.socket", "setup.conda.prefix", "setup.jupyter.prefix"}
}

// resolve makes the paths of a value absolute. A relative path starts from the
// folder of the file, so that it means the same whoever runs gateway from
// wherever.
func (d *decoder) resolve(into reflect.Value, path string) bool {
	if !isPathKey(schemaKey(path)) {
		return true
	}
	switch into.Kind() {
	case reflect.String:
		return d.resolveOne(into, path)
	case reflect.Slice:
		sound := true
		for i := range into.Len() {
			sound = d.resolveOne(into.Index(i), elementPath(path, i)) && sound
		}
		return sound
	}
	return true
}

func (d *decoder) resolveOne(into reflect.Value, path string) bool {
	written := into.String()
	switch {
	case written == "" || written == "-" || filepath.IsAbs(written):
		return true
	case strings.HasPrefix(written, "~"):
		d.add(path, quote(written)+" begins with ~, which only a shell understands", "write the whole path, such as "+quote(fromHome(written)))
		return false
	}
	into.SetString(filepath.Join(d.folder, written))
	return true
}

// fromHome guesses what a shell would make of ~/x or ~bob/x.
func fromHome(written string) string {
	name, below, _ := strings.Cut(strings.TrimPrefix(written, "~"), "/")
	if name == "" {
		name = "NAME"
	}
	return filepath.Join("/home", name, below)
}
