package config

import (
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

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
