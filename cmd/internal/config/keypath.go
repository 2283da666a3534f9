package config

import (
	"regexp"
	"strconv"
	"strings"
)

// A path names one value of the file: "site[0].listen[1]". Lists and arrays of
// tables are counted from 0, and a key that is no bare TOML key is quoted.

var (
	bareKey   = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	listIndex = regexp.MustCompile(`\[[0-9]+\]`)
)

func joinPath(parent, key string) string {
	if !bareKey.MatchString(key) {
		key = strconv.Quote(key)
	}
	if parent == "" {
		return key
	}
	return parent + "." + key
}

func elementPath(list string, i int) string {
	return list + "[" + strconv.Itoa(i) + "]"
}

// parentPath is the list of an element, the table of a key, and "" for a key at
// the top of the file.
func parentPath(path string) string {
	end := len(path)
	if strings.HasSuffix(path, `"`) {
		end = openingQuote(path)
	}
	return path[:max(0, strings.LastIndexAny(path[:end], ".["))]
}

// lastKey is the key that a path ends with.
func lastKey(path string) string {
	for strings.HasSuffix(path, "]") {
		path = parentPath(path)
	}
	return strings.TrimPrefix(path[len(parentPath(path)):], ".")
}

// openingQuote finds where the quoted key starts that ends the path.
func openingQuote(path string) int {
	for i := len(path) - 2; i >= 0; i-- {
		if path[i] == '"' && (i == 0 || path[i-1] == '.') {
			return i
		}
	}
	return 0
}

// schemaKey is the path without positions: the name of the key in the schema.
// Problems are printed with it, because their line says which element is meant
// and nobody likes to count sites from 0.
func schemaKey(path string) string { return listIndex.ReplaceAllString(path, "") }
