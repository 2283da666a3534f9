package apache

import (
	"regexp"
	"strings"
)

// expand puts the values of ${NAME} into a line. As in httpd, an unknown name
// stays as it is written, and a name with a colon is mod_rewrite's ${map:key}.
func expand(text string, value func(string) (string, bool)) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, rest, closed := strings.Cut(after, "}")
		known, defined := "", false
		if closed && name != "" && !strings.Contains(name, ":") {
			known, defined = value(name)
		}
		if !defined {
			out.WriteString("${")
			text = after
			continue
		}
		out.WriteString(known)
		text = rest
	}
}

var (
	exportLine = regexp.MustCompile(`^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)
	shellName  = regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))`)
)

// parseEnvvars reads the assignments of Debian's envvars file, or of a file in
// /etc/sysconfig, without running it. Conditions are not judged: of several
// assignments outside of them the last counts, and one within them counts only
// if no other is there. Debian's own file has SUFFIX there, which is empty on a
// host with one httpd. A value with a command in it is not known.
func parseEnvvars(text string) map[string]string {
	values, depth := map[string]string{}, 0
	conditional := map[string]string{}
	for _, l := range logicalLines(text) {
		for statement := range strings.SplitSeq(l.text, ";") {
			statement = strings.TrimSpace(statement)
			depth = max(0, depth+shellDepth(statement))
			match := exportLine.FindStringSubmatch(statement)
			if match == nil {
				continue
			}
			value, known := shellValue(match[2], values)
			switch {
			case !known:
			case depth == 0:
				values[match[1]] = value
			case value != "":
				conditional[match[1]] = value
			}
		}
	}
	for name, value := range conditional {
		if _, known := values[name]; !known && name != "SUFFIX" {
			values[name] = value
		}
	}
	return values
}

// shellDepth is by how much a statement opens or closes conditions.
func shellDepth(statement string) int {
	word, _, _ := strings.Cut(statement, " ")
	switch word {
	case "if", "case", "for", "while", "until":
		return 1
	case "fi", "esac", "done":
		return -1
	}
	return 0
}

// shellValue reads the right side of an assignment. What no earlier line has set
// is empty, as in a shell.
func shellValue(written string, values map[string]string) (value string, known bool) {
	written = strings.TrimSpace(written)
	literal := strings.HasPrefix(written, "'")
	if literal || strings.HasPrefix(written, `"`) {
		end := strings.IndexByte(written[1:], written[0])
		if end < 0 {
			return "", false
		}
		written = written[1 : end+1]
	} else {
		written, _, _ = strings.Cut(written, " ")
	}
	if literal {
		return written, true
	}
	if strings.Contains(written, "`") || strings.Contains(written, "$(") {
		return "", false
	}
	value = shellName.ReplaceAllStringFunc(written, func(name string) string { return values[strings.Trim(name, "${}")] })
	return value, !strings.Contains(value, "$")
}
