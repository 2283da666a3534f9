package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// mismatch says that a value is of another kind than its key wants.
func mismatch(t reflect.Type, from any, key string) (wrong, instead string) {
	wrong = fmt.Sprintf("is %s, but %s is wanted", describe(from), wanted(kindOf(t)))
	if secretKey.MatchString(key) {
		return wrong, fmt.Sprintf("write %s = %s", key, sample(t))
	}
	if guess := guessed(kindOf(t), key, from); guess != "" {
		return wrong, fmt.Sprintf("write %s = %s", key, guess)
	}
	return wrong, fmt.Sprintf("write %s = %s", key, converted(t, from))
}

// guessed is what two keys take that are often written in another way: a port
// for an address, and a whole line for the words of a command.
func guessed(k kind, key string, from any) string {
	port, isNumber := from.(int64)
	line, isText := from.(string)
	switch {
	case isNumber && key == "listen" && k == kindList:
		return fmt.Sprintf(`[":%d"]`, port)
	case isNumber && key == "listen":
		return fmt.Sprintf(`":%d"`, port)
	case isText && key == "command" && k == kindList:
		return words(line)
	}
	return ""
}

// words splits a command line into a list, and leaves one that needs a shell whole.
func words(line string) string {
	list := strings.Fields(line)
	if strings.ContainsAny(line, "|&;<>()$`\\\"'*?[]#~") {
		list = []string{"/bin/sh", "-c", line}
	}
	for i, word := range list {
		list[i] = quote(word)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

func wanted(k kind) string {
	switch k {
	case kindText:
		return "a text"
	case kindBool:
		return "true or false"
	case kindInteger:
		return "a whole number"
	case kindDuration:
		return "a time with its unit"
	case kindCustom:
		return "a text with its unit"
	case kindList:
		return "a list"
	}
	return "something else"
}

// converted writes the value as it was probably meant, or a sample.
func converted(t reflect.Type, from any) string {
	switch kindOf(t) {
	case kindText:
		if literal(from) != "" {
			return quote(fmt.Sprint(from))
		}
	case kindCustom:
		if text, ok := customLiteral(t, from); ok {
			return text
		}
	case kindInteger:
		if n, err := strconv.ParseFloat(fmt.Sprint(from), 64); err == nil && math.Abs(n) < 1<<53 {
			return strconv.FormatInt(int64(n), 10)
		}
	case kindBool:
		return boolLiteral(from)
	case kindList:
		if element := kindOf(t.Elem()); literal(from) != "" && (element == kindText || element == kindInteger) {
			return "[" + converted(t.Elem(), from) + "]"
		}
	}
	return sample(t)
}

// customLiteral writes a bare number with its unit, if the type has a unit for it.
func customLiteral(t reflect.Type, from any) (string, bool) {
	n, ok := from.(int64)
	v := reflect.New(t).Elem()
	if !ok || n < 0 || !v.CanInt() || v.OverflowInt(n) {
		return "", false
	}
	v.SetInt(n)
	m, ok := v.Interface().(encoding.TextMarshaler)
	if !ok {
		return "", false
	}
	text, err := m.MarshalText()
	return quote(string(text)), err == nil
}

func boolLiteral(from any) string {
	switch strings.ToLower(fmt.Sprint(from)) {
	case "true", "yes", "on", "1":
		return "true"
	case "false", "no", "off", "0":
		return "false"
	}
	return "true or false"
}

func sample(t reflect.Type) string {
	switch kindOf(t) {
	case kindBool:
		return "true"
	case kindInteger:
		return "1"
	case kindDuration:
		return `"30s"`
	case kindCustom:
		if t.Kind() == reflect.Int64 {
			return `"10MB"`
		}
	case kindList:
		return "[" + sample(t.Elem()) + ", " + sample(t.Elem()) + "]"
	}
	return `"..."`
}

// describe names what kind of value was found.
func describe(value any) string {
	switch v := value.(type) {
	case string:
		return "a text"
	case bool:
		return fmt.Sprint("the word ", v, " without quotes")
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case []any:
		return "a list"
	case map[string]any, []map[string]any:
		return "a table"
	}
	return "a date"
}
