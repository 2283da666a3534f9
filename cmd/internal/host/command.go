package host

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// commandWidth is the most characters of a command line that are shown: it
// leaves a message on about two lines of an 80-column terminal.
const commandWidth = 80

const (
	hidden      = "[hidden]"
	secretWords = `(?:passw(?:or)?d|passphrase|secret|token|credential|pwd|api_?-?key)[\w.-]*`
)

var (
	// secretFlag matches an option that is named like a secret: "--db-password",
	// "-token", "API_KEY". The third group is a value in the same argument.
	secretFlag = regexp.MustCompile(`(?is)^(-{0,2}[\w.-]*` + secretWords + `)(?:([=:])(.*))?$`)
	// secretWithin matches the same inside of a longer text, as after "sh -c".
	secretWithin = regexp.MustCompile(`(?i)(` + secretWords + `[=:\s]\s*)[^\s;|&]+`)
	// userinfo matches the password in "scheme://user:password@host".
	userinfo = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`)
)

// printable writes a command line for a message: secrets that are recognised as
// such are hidden, arguments that are not plain words are quoted, so that no
// control character reaches a terminal, and it is cut to commandWidth characters.
func printable(argv []string) string {
	words := make([]string, 0, len(argv))
	for i, argument := range argv {
		if i > 0 && valueOfSecret(argv[i-1], argument) {
			words = append(words, hidden)
			continue
		}
		words = append(words, quoted(withoutSecret(argument)))
	}
	return cut(strings.TrimSpace(strings.Join(words, " ")), commandWidth)
}

// valueOfSecret tells whether an argument is the value of the option before it,
// as in "--password VALUE".
func valueOfSecret(option, argument string) bool {
	return strings.HasPrefix(option, "-") && !strings.HasPrefix(argument, "-") &&
		secretFlag.MatchString(option) && !strings.ContainsAny(option, "=:")
}

func withoutSecret(argument string) string {
	argument = userinfo.ReplaceAllString(argument, "${1}"+hidden+"@")
	if m := secretFlag.FindStringSubmatch(argument); m != nil && m[3] != "" {
		return m[1] + m[2] + hidden
	}
	return secretWithin.ReplaceAllString(argument, "${1}"+hidden)
}

// quoted leaves a plain word as it is. A process may have written anything over
// its own arguments, so everything else is escaped.
func quoted(word string) string {
	q := strconv.Quote(word)
	if q == `"`+word+`"` && word != "" && !strings.Contains(word, " ") {
		return word
	}
	return q
}

func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-3]) + "..."
}

// serviceUnit finds the systemd service in the text of /proc/PID/cgroup, lines
// of "hierarchy:controllers:path" (cgroups(7)). Units of a user's own manager
// are left out, as `systemctl stop` does not reach them, and so are those that
// only started the process for somebody else.
func serviceUnit(cgroup string) string {
	for line := range strings.Lines(cgroup) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 || !strings.HasPrefix(fields[2], "/system.slice/") {
			continue
		}
		for part := range strings.SplitSeq(fields[2], "/") {
			if strings.HasSuffix(part, ".service") && quoted(part) == part && !startsOthers(part) {
				return part
			}
		}
	}
	return ""
}

func startsOthers(unit string) bool {
	return unit == "cron.service" || unit == "crond.service" || unit == "atd.service"
}
