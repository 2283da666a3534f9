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

// Reads lists the files and folders that a running gateway reads because the file
// names them: certificates, passwords, pages. Nothing of [setup] is among them,
// nor what it writes, nor what only its backends look at.
func (c *Config) Reads() []string {
	var names []string
	eachValue(reflect.ValueOf(c).Elem(), "", func(key string, value reflect.Value) {
		table, _, _ := strings.Cut(key, ".")
		if isPathKey(key) && !slices.Contains([]string{"state", "log", "admin", "setup"}, table) && key != "backend.dir" && key != "backend.log" {
			names = append(names, pathsIn(value)...)
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// eachValue visits the values below a table by their keys of the schema.
func eachValue(table reflect.Value, prefix string, visit func(key string, value reflect.Value)) {
	for _, f := range fieldsOf(table.Type()) {
		value, key := table.FieldByIndex(f.index), joinPath(prefix, f.key)
		if value.Kind() == reflect.Pointer {
			if value.IsNil() {
				continue
			}
			value = value.Elem()
		}
		switch kindOf(value.Type()) {
		case kindTable:
			eachValue(value, key, visit)
		case kindTables:
			for i := range value.Len() {
				eachValue(value.Index(i), key, visit)
			}
		default:
			visit(key, value)
		}
	}
}

// pathsIn are the paths of one value: a text, or a list of them.
func pathsIn(value reflect.Value) []string {
	switch {
	case value.Kind() == reflect.String && value.String() != "":
		return []string{value.String()}
	case value.Kind() == reflect.Slice:
		var names []string
		for i := range value.Len() {
			names = append(names, pathsIn(value.Index(i))...)
		}
		return names
	}
	return nil
}
