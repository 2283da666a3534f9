package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
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
	case kindFloat:
		switch v := from.(type) {
		case float64:
			into.SetFloat(v)
			return "", ""
		case int64:
			into.SetFloat(float64(v))
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
	switch {
	case into.CanInt() && !into.OverflowInt(v):
		into.SetInt(v)
	case into.CanUint() && v >= 0 && !into.OverflowUint(uint64(v)):
		into.SetUint(uint64(v))
	case v < 0:
		return fmt.Sprintf("%d is below zero", v), "write a number from 0 on"
	default:
		return fmt.Sprintf("%d is too large", v), "write a smaller number"
	}
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

func setDuration(into reflect.Value, from any, key string) (wrong, instead string) {
	switch v := from.(type) {
	case string:
		d, wrong, instead := parseDuration(v)
		into.SetInt(int64(d))
		return wrong, instead
	case int64, float64:
		return literal(v) + " has no unit", "write " + key + " = " + quote(literal(v)+"s")
	}
	return mismatch(into.Type(), from, key)
}

var (
	bareNumber  = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	spelledUnit = regexp.MustCompile(`^([0-9]+)\s*([A-Za-z]+)$`)
)

// parseDuration reads a time such as "30s" or "1h30m". Times below a
// millisecond are refused: nothing here is that fast, so a unit was mistaken.
func parseDuration(text string) (d time.Duration, wrong, instead string) {
	d, err := time.ParseDuration(text)
	switch {
	case bareNumber.MatchString(text) && text != "0":
		return 0, quote(text) + " has no unit", "write " + quote(text+"s") + " for seconds, or " + quote(text+"ms")
	case err != nil:
		return 0, quote(text) + " is not a time", "write " + betterDuration(text)
	case d < 0:
		return 0, quote(text) + " is below zero", "write " + quote((-d).String())
	case d > 0 && d < time.Millisecond:
		return 0, quote(text) + " is below a millisecond", `write "1ms" or more`
	}
	return d, "", ""
}

// betterDuration guesses what was meant by "1d", "10 s" or "5 minutes".
func betterDuration(text string) string {
	const general = `a number with a unit: "500ms", "30s", "5m" or "24h"`
	m := spelledUnit.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return general
	}
	n, err := strconv.ParseInt(m[1], 10, 32)
	factor, unit := commonUnit(strings.ToLower(m[2]))
	if err != nil || unit == "" || n > math.MaxInt32/factor {
		return general
	}
	return quote(strconv.FormatInt(n*factor, 10) + unit)
}

// commonUnit is what Go's durations call a unit, days and weeks being hours.
func commonUnit(word string) (factor int64, unit string) {
	switch word {
	case "ms", "msec", "millisecond", "milliseconds":
		return 1, "ms"
	case "s", "sec", "secs", "second", "seconds":
		return 1, "s"
	case "m", "min", "mins", "minute", "minutes":
		return 1, "m"
	case "h", "hr", "hrs", "hour", "hours":
		return 1, "h"
	case "d", "day", "days":
		return 24, "h"
	case "w", "week", "weeks":
		return 7 * 24, "h"
	}
	return 0, ""
}

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
	case kindFloat:
		return "a number"
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
		if kindOf(t.Elem()) == kindText && literal(from) != "" {
			return "[" + quote(fmt.Sprint(from)) + "]"
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
	case kindInteger, kindFloat:
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
