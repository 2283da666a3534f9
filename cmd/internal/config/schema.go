package config

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// The schema is the Go type Config itself, read by reflection: a room that adds
// a field with a toml tag to its struct has thereby added a key to the file.

// field is one key of a table.
type field struct {
	key   string
	index []int // for reflect.Value.FieldByIndex
	typ   reflect.Type
}

// fieldsOf lists the keys of a table in the order in which they are declared.
// Embedded structs are part of the table. This is done by hand because
// reflect.VisibleFields drops fields of two embedded structs that have the same
// Go name, and their keys with them.
func fieldsOf(table reflect.Type) []field {
	var fields []field
	for i := range table.NumField() {
		f := table.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		switch {
		case f.Anonymous && key == "" && f.Type.Kind() == reflect.Struct:
			for _, below := range fieldsOf(f.Type) {
				fields = append(fields, field{below.key, append([]int{i}, below.index...), below.typ})
			}
		case key != "" && key != "-" && f.IsExported():
			fields = append(fields, field{key, []int{i}, f.Type})
		}
	}
	return fields
}

func fieldNamed(fields []field, key string) (field, bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

func keysOf(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

// kind is what may be written as the value of a key.
type kind int

const (
	kindUnknown  kind = iota
	kindTable         // [log]
	kindTables        // [[site]]
	kindText          // a string
	kindBool          // true or false
	kindInteger       // a whole number
	kindDuration      // "30s"
	kindCustom        // a string that its type reads itself, like proxy.Size
	kindFree          // whatever its type reads itself, like certs.Paths
	kindList          // a list of values
)

var (
	durationType        = reflect.TypeFor[time.Duration]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
	tomlUnmarshalerType = reflect.TypeFor[toml.Unmarshaler]()
)

// kindOf tells what a field of type t is written as.
func kindOf(t reflect.Type) kind {
	switch pointer := reflect.PointerTo(t); {
	case t == durationType:
		return kindDuration
	case pointer.Implements(tomlUnmarshalerType):
		return kindFree
	case pointer.Implements(textUnmarshalerType):
		return kindCustom
	}
	switch t.Kind() {
	case reflect.Struct:
		return kindTable
	case reflect.Slice:
		if kindOf(t.Elem()) == kindTable {
			return kindTables
		}
		return kindList
	}
	return scalarKind(t.Kind())
}

func scalarKind(k reflect.Kind) kind {
	switch k {
	case reflect.String:
		return kindText
	case reflect.Bool:
		return kindBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return kindInteger
	}
	return kindUnknown
}

// tableOf is the struct behind a field that is a table or an array of tables.
func tableOf(t reflect.Type) (table reflect.Type, found bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch kindOf(t) {
	case kindTable:
		return t, true
	case kindTables:
		return t.Elem(), true
	}
	return nil, false
}

// eachKey visits every key of the schema below a table, a table before its keys.
func eachKey(table reflect.Type, prefix string, visit func(path string, f field)) {
	for _, f := range fieldsOf(table) {
		path := joinPath(prefix, f.key)
		visit(path, f)
		if below, found := tableOf(f.typ); found {
			eachKey(below, path, visit)
		}
	}
}

// isList tells whether the table of that name is written as [[name]].
func isList(path string) bool {
	found := false
	eachKey(reflect.TypeFor[Config](), "", func(key string, f field) {
		found = found || key == path && kindOf(f.typ) == kindTables
	})
	return found
}
