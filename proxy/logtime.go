package proxy

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// layoutCLF is the time of the common log format, strftime's [%d/%b/%Y:%H:%M:%S %z].
const layoutCLF = "[02/Jan/2006:15:04:05 -0700]"

// appendTime appends a moment to a line.
type appendTime func(line []byte, t time.Time) []byte

// compileTime reads the argument of %{...}t: strftime(3) conversions, or one of
// sec, msec, usec, msec_frac and usec_frac, after an optional "begin:" or "end:".
func compileTime(argument string) (atEnd bool, print appendTime, err error) {
	kind, rest, found := strings.Cut(argument, ":")
	switch {
	case argument == "begin" || argument == "end":
		atEnd, argument = argument == "end", ""
	case found && (kind == "begin" || kind == "end"):
		atEnd, argument = kind == "end", rest
	}
	print, err = compileTimeFormat(argument)
	return atEnd, print, err
}

func compileTimeFormat(format string) (appendTime, error) {
	switch format {
	case "":
		return perSecond(layoutTime(layoutCLF)), nil
	case "sec":
		return numberTime(time.Time.Unix, 1), nil
	case "msec":
		return numberTime(time.Time.UnixMilli, 1), nil
	case "usec":
		return numberTime(time.Time.UnixMicro, 1), nil
	case "msec_frac":
		return numberTime(func(t time.Time) int64 { return int64(t.Nanosecond() / 1e6) }, 3), nil
	case "usec_frac":
		return numberTime(func(t time.Time) int64 { return int64(t.Nanosecond() / 1e3) }, 6), nil
	}
	return compileStrftime(format)
}

func compileStrftime(format string) (appendTime, error) {
	var parts []appendTime
	for format != "" {
		i := strings.IndexByte(format, '%')
		if i != 0 {
			if i < 0 {
				i = len(format)
			}
			parts = append(parts, literalTime(format[:i]))
			format = format[i:]
			continue
		}
		if len(format) < 2 {
			return nil, fmt.Errorf("ends with a lone %%")
		}
		part := strftimeConversion(format[1])
		if part == nil {
			return nil, fmt.Errorf("has the unknown time conversion %%%c", format[1])
		}
		parts = append(parts, part)
		format = format[2:]
	}
	return func(line []byte, t time.Time) []byte {
		for _, part := range parts {
			line = part(line, t)
		}
		return line
	}, nil
}

// strftimeConversion is one conversion of strftime(3) in the C locale, nil if there is none.
func strftimeConversion(c byte) appendTime {
	if layout := strftimeLayout(c); layout != "" {
		return layoutTime(layout)
	}
	switch c {
	case 'n':
		return literalTime("\n")
	case 't':
		return literalTime("\t")
	case '%':
		return literalTime("%")
	case 'C':
		return numberTime(func(t time.Time) int64 { return int64(t.Year() / 100) }, 2)
	case 'k':
		return func(line []byte, t time.Time) []byte { return fmt.Appendf(line, "%2d", t.Hour()) }
	case 'l':
		return func(line []byte, t time.Time) []byte { return fmt.Appendf(line, "%2d", (t.Hour()+11)%12+1) }
	case 's':
		return numberTime(time.Time.Unix, 1)
	case 'u':
		return numberTime(func(t time.Time) int64 { return int64(t.Weekday()+6)%7 + 1 }, 1)
	case 'w':
		return numberTime(func(t time.Time) int64 { return int64(t.Weekday()) }, 1)
	}
	return strftimeWeek(c)
}

func strftimeLayout(c byte) string {
	switch c {
	case 'a':
		return "Mon"
	case 'A':
		return "Monday"
	case 'b', 'h':
		return "Jan"
	case 'B':
		return "January"
	case 'c':
		return "Mon Jan _2 15:04:05 2006"
	case 'd':
		return "02"
	case 'D', 'x':
		return "01/02/06"
	case 'e':
		return "_2"
	case 'F':
		return "2006-01-02"
	case 'H':
		return "15"
	case 'I':
		return "03"
	case 'j':
		return "002"
	case 'm':
		return "01"
	case 'M':
		return "04"
	case 'p':
		return "PM"
	case 'P':
		return "pm"
	case 'r':
		return "03:04:05 PM"
	case 'R':
		return "15:04"
	case 'S':
		return "05"
	case 'T', 'X':
		return "15:04:05"
	case 'y':
		return "06"
	case 'Y':
		return "2006"
	case 'z':
		return "-0700"
	case 'Z':
		return "MST"
	}
	return ""
}

// strftimeWeek holds the conversions that count weeks: ISO 8601's, and those
// that begin with the first Sunday or the first Monday of the year.
func strftimeWeek(c byte) appendTime {
	switch c {
	case 'g':
		return numberTime(func(t time.Time) int64 { year, _ := t.ISOWeek(); return int64(year % 100) }, 2)
	case 'G':
		return numberTime(func(t time.Time) int64 { year, _ := t.ISOWeek(); return int64(year) }, 4)
	case 'V':
		return numberTime(func(t time.Time) int64 { _, week := t.ISOWeek(); return int64(week) }, 2)
	case 'U':
		return numberTime(func(t time.Time) int64 { return int64(t.YearDay()+6-int(t.Weekday())) / 7 }, 2)
	case 'W':
		return numberTime(func(t time.Time) int64 { return int64(t.YearDay()+6-int(t.Weekday()+6)%7) / 7 }, 2)
	}
	return nil
}

func literalTime(text string) appendTime {
	return func(line []byte, _ time.Time) []byte { return append(line, text...) }
}

// perSecond prints anew only once a second what has no fractions of one. A day of
// summer time begins on a whole second too.
func perSecond(print appendTime) appendTime {
	type printed struct {
		second int64
		zone   *time.Location
		text   []byte
	}
	var latest atomic.Pointer[printed]
	return func(line []byte, t time.Time) []byte {
		known := latest.Load()
		if known == nil || known.second != t.Unix() || known.zone != t.Location() {
			known = &printed{t.Unix(), t.Location(), print(nil, t)}
			latest.Store(known)
		}
		return append(line, known.text...)
	}
}

func layoutTime(layout string) appendTime {
	return func(line []byte, t time.Time) []byte { return t.AppendFormat(line, layout) }
}

func numberTime(number func(time.Time) int64, width int) appendTime {
	return func(line []byte, t time.Time) []byte {
		var buf [20]byte
		digits := strconv.AppendInt(buf[:0], number(t), 10)
		for i := len(digits); i < width; i++ {
			line = append(line, '0')
		}
		return append(line, digits...)
	}
}
