package proxy

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Validate reports every problem of the table [log].
func (c LogConfig) Validate(report Report) {
	c.validateFormat(report)
	if _, err := parseLevel(c.Level); err != nil {
		report("level", err.Error(), `write "debug", "info", "warn" or "error"`)
	}
	if c.Error == "" {
		report("error", "is empty", `write a path, or "-" for standard error`)
	}
	c.validateRotation(report)
}

func (c LogConfig) validateFormat(report Report) {
	if c.Format == "json" {
		return
	}
	if c.Format == "" {
		report("format", "is empty", `write "combined", "common", "json" or an Apache LogFormat string`)
		return
	}
	if !strings.Contains(c.Format, "%") && !slices.Contains(formatNames(), c.Format) {
		report("format", fmt.Sprintf("%q is no name of a format and has no %% directive, so that all lines would be alike", c.Format),
			remedyForName(c.Format, formatNames()))
		return
	}
	_, err := ParseLogFormat(c.Format)
	if problem, ok := errors.AsType[*FormatError](err); ok {
		report("format", problem.place()+" "+problem.Wrong, problem.Instead)
	}
}

// formatNames are the formats that have a name.
func formatNames() []string {
	return []string{"combined", "common", "combinedio", "vhost_combined", "json"}
}

func (c LogConfig) validateRotation(report Report) {
	if c.MaxSize != 0 && c.MaxSize < 64<<10 {
		report("max_size", "is too small to be useful", `write at least "64KB", or "0" for no rotation by size`)
	}
	if c.Keep < 0 {
		report("keep", "is negative", "write how many rotated files are kept, 0 for any number")
	}
	validateAge(report, "max_age", c.MaxAge, `write a duration such as "720h", at least an hour, or "0s" to keep files of any age`)
	validateAge(report, "rotate_every", c.RotateEvery, `write a duration such as "24h", at least an hour, or "0s" to rotate by size only`)
}

func validateAge(report Report, key string, d time.Duration, instead string) {
	if d != 0 && d < time.Hour {
		report(key, "is "+d.String(), instead)
	}
}

// parseLevel reads a level of the error log.
func parseLevel(name string) (slog.Level, error) {
	switch name {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, errors.New("is no level")
}
