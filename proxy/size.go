package proxy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. In the file it is written with a unit: "64KB",
// "1GB"; a K is 1024 bytes, as in Apache's and nginx's files, and "0" is zero.
type Size int64

var units = []struct {
	suffix string
	bytes  Size
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"B", 1}}

// UnmarshalText reads a size with its unit. A bare number other than 0 is an error.
func (s *Size) UnmarshalText(text []byte) error {
	written := strings.TrimSpace(string(text))
	if written == "0" {
		*s = 0
		return nil
	}
	for _, unit := range units {
		digits, found := cutSuffixFold(written, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || Size(n) > math.MaxInt64/unit.bytes {
			break
		}
		*s = Size(n) * unit.bytes
		return nil
	}
	return fmt.Errorf("%q is not a size: write a whole number and a unit, such as \"64KB\", \"10MB\" or \"1GB\"", written)
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || !strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	for _, unit := range []struct {
		suffix string
		bytes  Size
	}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}} {
		if s != 0 && s%unit.bytes == 0 {
			return strconv.FormatInt(int64(s/unit.bytes), 10) + unit.suffix
		}
	}
	if s == 0 {
		return "0"
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText writes the size as UnmarshalText reads it.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
