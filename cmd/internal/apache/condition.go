package apache

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// assumedVersion is the httpd that <IfVersion> asks about: the 2.4 that every
// distribution has, in a late release.
const assumedVersion = "2.4.65"

// condition judges the sections that httpd judges while it reads. All others,
// <If> among them, are judged for each request and stay in the tree.
func (r *reader) condition(d *Directive) (holds, conditional bool) {
	subject, negated := d.arg(0), false
	if rest, found := strings.CutPrefix(subject, "!"); found {
		subject, negated = rest, true
	}
	switch strings.ToLower(d.Name) {
	case "ifmodule":
		holds = r.assume || r.modules[subject]
	case "ifdefine":
		holds = r.defines[subject]
	case "iffile":
		_, err := os.Stat(r.resolve(subject))
		holds = err == nil
	case "ifdirective":
		holds = moduleOf(subject) != ""
	case "ifsection":
		holds = moduleOf("<"+strings.Trim(subject, "<>")) != ""
	case "ifversion":
		holds = versionHolds(assumedVersion, d.Args)
		negated = strings.HasPrefix(d.arg(0), "!")
	default:
		return false, false
	}
	return holds != negated, true
}

// versionHolds compares as <IfVersion> does: "2.4", "= 2.4", ">= 2.4.6". A
// regular expression counts as not met.
func versionHolds(version string, args []string) bool {
	operator, wanted := "=", ""
	switch len(args) {
	case 1:
		wanted = strings.TrimPrefix(args[0], "!")
	case 2:
		operator, wanted = strings.TrimPrefix(args[0], "!"), args[1]
	}
	if wanted == "" || strings.HasPrefix(wanted, "/") || operator == "~" {
		return false
	}
	order := slices.Compare(numbers(version), numbers(wanted))
	switch operator {
	case "=", "==":
		return order == 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	}
	return false
}

// numbers are the three numbers of a version; what is not written is 0, as in httpd.
func numbers(version string) []int {
	parts := make([]int, 3)
	for i, part := range strings.SplitN(version, ".", 3) {
		parts[i], _ = strconv.Atoi(part)
	}
	return parts
}

// resolve makes a path of the configuration absolute.
func (r *reader) resolve(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(r.root, path)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
