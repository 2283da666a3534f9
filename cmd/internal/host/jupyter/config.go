// Package jupyter is the step of `gateway setup` that installs a JupyterHub for
// all users of a host, reached through gateway: the hub listens on loopback only,
// and gateway starts it, watches it and brings TLS.
package jupyter

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

	"gateway/cmd/internal/host"
)

// Config is the table [setup.jupyter].
type Config struct {
	Prefix string   `toml:"prefix"` // of its environment; default /opt/jupyter. A JupyterHub that is there, such as Debian's in /usr, is used as it is.
	Site   string   `toml:"site"`   // the [[site]] that leads to it, a new one if there is none of that name; default the first of the file
	Path   string   `toml:"path"`   // below which it answers; default /jupyter/, and / on a site of its own
	Port   int      `toml:"port"`   // on 127.0.0.1; the next two are taken as well; default 8000
	Users  []string `toml:"users"`  // who may log in
	Groups []string `toml:"groups"` // whose members may log in
	Admins []string `toml:"admins"` // who of them may see and stop the servers of others
}

// Default is the table as it is where the file has only its header.
func Default() Config { return Config{Prefix: "/opt/jupyter", Path: "/jupyter/", Port: 8000} }

var (
	plainPath   = regexp.MustCompile(`^/[A-Za-z0-9._/+-]+$`)
	siteName    = regexp.MustCompile(`^[A-Za-z0-9.:*-]*$`)
	accountName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]{0,31}$`)
)

// Validate reports what is wrong with the words of the table.
func (c Config) Validate(report host.Report) {
	if len(c.Prefix) > 80 || !plainPath.MatchString(c.Prefix) || path.Clean(c.Prefix) == "/" {
		report("prefix", fmt.Sprintf("%q is no folder for JupyterHub", c.Prefix), `write a folder of its own, such as "/opt/jupyter"`)
	}
	if u, err := url.Parse(c.Path); err != nil || u.Path != c.Path || !strings.HasPrefix(c.Path, "/") || !strings.HasSuffix(c.Path, "/") || strings.ContainsAny(c.Path, "\"'\\ ") {
		report("path", fmt.Sprintf("%q is no path", c.Path), `write one that begins and ends with /, such as "/jupyter/"`)
	}
	if !siteName.MatchString(c.Site) {
		report("site", fmt.Sprintf("%q is no name of a site", c.Site), `write it as name in [[site]], such as "lab.example.com"`)
	}
	if c.Port < 1024 || c.Port > 65533 {
		report("port", fmt.Sprintf("%d is no port for a program behind gateway", c.Port), "write one from 1024 to 65533, such as 8000")
	}
	if len(c.Users)+len(c.Groups) == 0 {
		report("users", "is missing, as is groups: nobody could log in", `write users = ["alice"], or groups = ["jupyter"]`)
	}
	for key, names := range map[string][]string{"users": c.Users, "groups": c.Groups, "admins": c.Admins} {
		for i, name := range names {
			if !accountName.MatchString(name) {
				report(fmt.Sprintf("%s[%d]", key, i), fmt.Sprintf("%q is no name of the system", name), "write it as in /etc/passwd or /etc/group")
			}
		}
	}
}
