package config

import (
	"maps"
	"reflect"
	"slices"

	"github.com/BurntSushi/toml"
)

// decoder puts the tree of a TOML file into a Config. It is stricter than the
// TOML library, which passes over unknown keys, doesn't tell Listen from listen
// and takes a bare 30 for 30 nanoseconds, and it doesn't stop at the first
// problem: a value that is bad is reported and left as it was.
type decoder struct {
	*findings
	folder string // of the file; relative paths start from it
}

// table decodes the keys of one table.
func (d *decoder) table(into reflect.Value, tree map[string]any, path string) {
	fields := fieldsOf(into.Type())
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		at := joinPath(path, key)
		if f, known := fieldNamed(fields, key); known {
			d.value(into.FieldByIndex(f.index), tree[key], at)
		} else {
			d.unknown(fields, key, at)
		}
	}
}

// value decodes one value and tells whether it was sound.
func (d *decoder) value(into reflect.Value, from any, path string) bool {
	if into.Kind() == reflect.Pointer {
		return d.pointer(into, from, path)
	}
	switch kindOf(into.Type()) {
	case kindTable:
		return d.subtable(into, from, path)
	case kindTables:
		return d.tables(into, from, path)
	case kindList:
		return d.list(into, from, path)
	case kindFree:
		return d.free(into, from, path) && d.resolve(into, path)
	}
	return d.scalar(into, from, path) && d.resolve(into, path)
}

// pointer decodes a key or a table whose absence means something else than its
// zero. A table that is there starts from its defaults.
func (d *decoder) pointer(into reflect.Value, from any, path string) bool {
	fresh := reflect.New(into.Type().Elem())
	for _, defaults := range setupDefaults() {
		if reflect.TypeOf(defaults) == into.Type().Elem() {
			fresh.Elem().Set(reflect.ValueOf(defaults))
		}
	}
	if !d.value(fresh.Elem(), from, path) {
		return false
	}
	into.Set(fresh)
	return true
}

func (d *decoder) subtable(into reflect.Value, from any, path string) bool {
	tree, ok := from.(map[string]any)
	if !ok {
		d.notATable(from, path)
		return false
	}
	d.table(into, tree, path)
	return true
}

func (d *decoder) notATable(from any, path string) {
	name := schemaKey(path)
	if _, many := treesOf(from); many {
		d.add(path, "has two brackets, but there is only one of it", "write ["+name+"]")
		return
	}
	d.add(path, "is "+describe(from)+", but it is a table", "write ["+name+"] on a line of its own, and its keys below")
}

// tables decodes [[name]]: every element starts from nothing, so that no field
// of another element or of a default shows through.
func (d *decoder) tables(into reflect.Value, from any, path string) bool {
	trees, ok := treesOf(from)
	if !ok {
		d.notTables(from, path)
		return false
	}
	fresh := reflect.MakeSlice(into.Type(), len(trees), len(trees))
	for i, tree := range trees {
		d.table(fresh.Index(i), tree, elementPath(path, i))
	}
	into.Set(fresh)
	return true
}

func (d *decoder) notTables(from any, path string) {
	header := "[[" + schemaKey(path) + "]]"
	if _, single := from.(map[string]any); single {
		d.add(path, "has one bracket, but there can be several of it", "write "+header)
		return
	}
	d.add(path, "is "+describe(from)+", but it is a table", "write "+header+" on a line of its own, and its keys below")
}

// treesOf is the content of an array of tables, written with [[ ]] or inline.
func treesOf(from any) ([]map[string]any, bool) {
	switch v := from.(type) {
	case []map[string]any:
		return v, true
	case []any:
		trees := make([]map[string]any, len(v))
		for i, element := range v {
			tree, ok := element.(map[string]any)
			if !ok {
				return nil, false
			}
			trees[i] = tree
		}
		return trees, len(v) > 0
	}
	return nil, false
}

// list decodes a list of values. A bad element keeps its place as a zero, so
// that the others are still known by their position.
func (d *decoder) list(into reflect.Value, from any, path string) bool {
	values, ok := from.([]any)
	if !ok {
		wrong, instead := mismatch(into.Type(), from, lastKey(path))
		d.add(path, wrong, instead)
		return false
	}
	fresh := reflect.MakeSlice(into.Type(), len(values), len(values))
	for i, value := range values {
		d.value(fresh.Index(i), value, elementPath(path, i))
	}
	into.Set(fresh)
	return true
}

// free lets the type read the value itself.
func (d *decoder) free(into reflect.Value, from any, path string) bool {
	fresh := reflect.New(into.Type())
	if err := fresh.Interface().(toml.Unmarshaler).UnmarshalTOML(from); err != nil {
		wrong, instead := splitRemedy(err)
		d.add(path, wrong, instead)
		return false
	}
	into.Set(fresh.Elem())
	return true
}

func (d *decoder) scalar(into reflect.Value, from any, path string) bool {
	fresh := reflect.New(into.Type()).Elem()
	wrong, instead := setScalar(fresh, from, lastKey(path))
	if wrong != "" {
		d.add(path, wrong, instead)
		return false
	}
	into.Set(fresh)
	return true
}
