package health

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written with a unit: "64KB", "10MB", "1GB"; a K
// is 1024 bytes.
type Size int64

// UnmarshalText reads a size with its unit.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := parseBytes(string(text))
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("%q is not a size: write a whole number and a unit, such as \"64KB\", \"10MB\" or \"1GB\"", text)
	}
	*s = Size(n)
	return nil
}

// MarshalText writes the size as UnmarshalText reads it.
func (s Size) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatInt(int64(s), 10) + "B"), nil
}

// Limit is one resource limit. Its zero value leaves the limit as it is.
type Limit struct {
	Set   bool
	Value uint64 // math.MaxUint64: unlimited
}

// UnmarshalText reads a number, a size or "unlimited".
func (l *Limit) UnmarshalText(text []byte) error {
	written := strings.TrimSpace(string(text))
	if strings.EqualFold(written, "unlimited") {
		*l = Limit{Set: true, Value: math.MaxUint64}
		return nil
	}
	n, err := strconv.ParseUint(written, 10, 64)
	if err != nil {
		n, err = parseBytes(written)
	}
	if err != nil {
		return fmt.Errorf("%q is not a limit: write a number, a size such as \"4GB\", or \"unlimited\"", written)
	}
	*l = Limit{Set: true, Value: n}
	return nil
}

// MarshalText writes the limit as UnmarshalText reads it.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l Limit) String() string {
	switch {
	case !l.Set:
		return ""
	case l.Value == math.MaxUint64:
		return "unlimited"
	}
	return strconv.FormatUint(l.Value, 10)
}

func parseBytes(written string) (uint64, error) {
	upper := strings.ToUpper(strings.TrimSpace(written))
	digits, found := strings.CutSuffix(upper, "B")
	if !found {
		return 0, strconv.ErrSyntax
	}
	shift := 0
	if at := strings.IndexAny(digits, "KMGT"); at >= 0 {
		shift = 10 * (1 + strings.IndexByte("KMGT", digits[at]))
		rest := digits[at+1:]
		if rest != "" && rest != "I" { // "KB" or "KiB"
			return 0, strconv.ErrSyntax
		}
		digits = digits[:at]
	}
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 64)
	if err != nil || n > math.MaxUint64>>shift {
		return 0, strconv.ErrRange
	}
	return n << shift, nil
}
