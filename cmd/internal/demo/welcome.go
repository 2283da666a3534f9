package demo

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// Info is what the demo has started, for its greeting.
type Info struct {
	Listen  []string // the HTTPS addresses, "127.0.0.1:7879"; the first one is shown in the commands
	Backend string   // the backend's address, "127.0.0.1:7878"
	State   string   // the folder that keeps the certificate and the file
	CA      string   // file of the local CA, for curl --cacert
	Config  string   // the file that configures the same
	Mailbox bool     // mails are shown in this terminal
	Home    string   // the user's home folder, shortened to ~ in commands; "" for none
}

// command is one thing to type, with the reason to do it.
type command struct {
	Why   string
	Steps [][]string // shell commands, each in pieces that fit a line
}

// String writes the command as it is typed; the pieces end in a backslash.
func (c command) String() string {
	steps := make([]string, len(c.Steps))
	for i, pieces := range c.Steps {
		steps[i] = strings.Join(pieces, " \\\n       ")
	}
	return strings.Join(steps, " && \\\n     ")
}

// Welcome prints what is served and three commands worth trying. Its lines fit
// 80 columns unless a path is longer than that.
func Welcome(w io.Writer, info Info) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\ngateway demo is up. No root, no internet, nothing outside of one folder.\n\n")
	for _, address := range info.Listen {
		fmt.Fprintf(&b, "  %-28s -> backend on http://%s\n", baseURL(address)+"/", info.Backend)
	}
	fmt.Fprintf(&b, "\nTry these in another terminal:\n")
	for i, c := range commands(info) {
		fmt.Fprintf(&b, "\n%d. %s\n     %s\n", i+1, c.Why, c)
	}
	if info.Mailbox {
		fmt.Fprintf(&b, "\n%d. See the mail: a death brings two, that it is DOWN and that it is UP again.\n   They come to the demo's own mailbox, which prints them here.\n", len(commands(info))+1)
	}
	fmt.Fprintf(&b, "\nA browser shows more, after a warning: it does not know this demo's CA.\n")
	fmt.Fprintf(&b, "\nThe same as a file:  %s\n", shellPath(info.Config, info.Home))
	fmt.Fprintf(&b, "Everything kept in:  %s\n", shellPath(info.State, info.Home))
	fmt.Fprintf(&b, "Stop with Ctrl-C.\n\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func commands(info Info) []command {
	if len(info.Listen) == 0 {
		return nil
	}
	url := baseURL(info.Listen[0])
	curl := "curl --cacert " + shellPath(info.CA, info.Home)
	return []command{
		{"A request over verified TLS; the answer shows what gateway told the backend:",
			[][]string{{curl, url + "/headers"}}},
		{"A stream, passed on line by line (Ctrl-C ends it):",
			[][]string{{curl, "-N " + url + "/events"}}},
		{"Kill the backend's process, then ask again at once: gateway starts it anew,\n   and the second request waits for it instead of failing:",
			[][]string{{curl, "-X POST " + url + "/crash"}, {curl, url + "/headers"}}},
	}
}

// baseURL is how a client on this machine reaches an address, by the name that
// the certificate has.
func baseURL(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "https://" + address
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && (a.IsLoopback() || a.IsUnspecified()) {
		host = "localhost"
	}
	if port == "443" {
		return "https://" + host
	}
	return "https://" + net.JoinHostPort(host, port)
}

// shellPath writes a path as one word of a shell, in its short form if there is one.
func shellPath(path, home string) string {
	if rest, err := filepath.Rel(home, path); home != "" && err == nil && filepath.IsLocal(rest) && plain(rest) {
		return "~/" + rest
	}
	if plain(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// plain tells whether a shell takes the text as it is.
func plain(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("%+,-./:@_", r) &&
			(r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}
