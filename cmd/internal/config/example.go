package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// secretKey matches keys whose values must not be repeated in a message.
var secretKey = regexp.MustCompile(`(?i)passw|secret|token|key|url$`)

// longestExample is how long a value may be that a message repeats, in bytes.
const longestExample = 80

// example writes key = "value" as it should stand in the file. Values of keys
// that hold secrets are left out.
func example(key, value string) string {
	value = strings.Trim(value, `"'`)
	if secretKey.MatchString(key) || len(value) > longestExample {
		value = "..."
	}
	return key + " = " + quote(value)
}

// quote writes a TOML string, in the quotes that need the least escapes.
func quote(s string) string {
	if strings.Contains(s, `"`) && !strings.Contains(s, "'") && oneLine(s) == s {
		return "'" + s + "'"
	}
	return strconv.Quote(s)
}

// literal writes a decoded value as TOML; "" for what takes more than a line.
func literal(value any) string {
	switch v := value.(type) {
	case string:
		return quote(v)
	case int64, bool:
		return fmt.Sprint(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return ""
}

// oneLine replaces what would break a line or steer a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
