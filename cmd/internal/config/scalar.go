package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
)

// setScalar stores one value that is no table and no list. It answers what is
// wrong with it, or "" when it fits.
func setScalar(into reflect.Value, from any, key string) (wrong, instead string) {
	switch kindOf(into.Type()) {
	case kindDuration:
		return setDuration(into, from, key)
	case kindCustom:
		return setCustom(into, from, key)
	case kindInteger:
		return setInteger(into, from, key)
	case kindText:
		if v, ok := from.(string); ok {
			into.SetString(v)
			return "", ""
		}
	case kindBool:
		if v, ok := from.(bool); ok {
			into.SetBool(v)
			return "", ""
		}
	}
	return mismatch(into.Type(), from, key)
}

func setInteger(into reflect.Value, from any, key string) (wrong, instead string) {
	v, ok := from.(int64)
	if !ok {
		return mismatch(into.Type(), from, key)
	}
	if into.OverflowInt(v) {
		return fmt.Sprintf("%d is too large", v), "write a smaller number"
	}
	into.SetInt(v)
	return "", ""
}

// setCustom is for types that read their own text, such as a size with its
// unit. Those that also know bare numbers may be written without quotes.
func setCustom(into reflect.Value, from any, key string) (wrong, instead string) {
	text, isText := from.(string)
	switch from.(type) {
	case string:
	case int64, float64:
		text = literal(from)
	default:
		return mismatch(into.Type(), from, key)
	}
	err := into.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	switch {
	case err == nil:
		return "", ""
	case !isText:
		return literal(from) + " has no unit", "write " + key + " = " + converted(into.Type(), from)
	}
	return splitRemedy(err)
}

// splitRemedy takes an error of a type's own reader apart. By custom its text
// ends with what to write.
func splitRemedy(err error) (wrong, instead string) {
	wrong, instead, found := strings.Cut(err.Error(), ": write ")
	if found {
		instead = "write " + instead
	}
	return wrong, instead
}
