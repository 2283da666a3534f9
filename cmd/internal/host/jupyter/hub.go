package jupyter

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

const (
	// configFolder and configFile are JupyterHub's own settings.
	configFolder = "/etc/jupyterhub"
	configFile   = configFolder + "/gateway_config.py"
	// stateFolder keeps its cookie secret and its database.
	stateFolder = "/var/lib/jupyterhub"
)

// hub is a JupyterHub as it is to be run.
type hub struct {
	Config
	ours  bool   // it lives in an environment that gateway has made
	conda string // the program conda
}

func (h hub) bin(program string) string { return path.Join(h.Prefix, "bin", program) }

func (h hub) url() string { return fmt.Sprintf("http://127.0.0.1:%d", h.Port) }

// settings is the text of configFile. Everything listens on loopback; who may log
// in is always said, since up to JupyterHub 4 everybody may where nothing is.
func (h hub) settings() string {
	lines := []string{
		"# Written by gateway setup jupyter from [setup.jupyter].",
		"c = get_config()",
		"c.JupyterHub.bind_url = " + python(h.url()+h.Path),
		"c.JupyterHub.hub_bind_url = " + python(fmt.Sprintf("http://127.0.0.1:%d", h.Port+2)),
		"c.ConfigurableHTTPProxy.api_url = " + python(fmt.Sprintf("http://127.0.0.1:%d", h.Port+1)),
		"c.ConfigurableHTTPProxy.pid_file = " + python(stateFolder+"/proxy.pid"),
		"c.JupyterHub.cookie_secret_file = " + python(stateFolder+"/cookie_secret"),
		"c.JupyterHub.db_url = " + python("sqlite:///"+stateFolder+"/jupyterhub.sqlite"),
		`c.JupyterHub.authenticator_class = "jupyterhub.auth.PAMAuthenticator"`,
		"c.Authenticator.allowed_users = set(" + python(h.Users) + ")",
		"c.LocalAuthenticator.allowed_groups = set(" + python(h.Groups) + ")",
		"c.Authenticator.admin_users = set(" + python(h.Admins) + ")",
		"c.Spawner.cmd = " + python([]string{h.bin("jupyterhub-singleuser")}),
		"c.Spawner.environment = " + python(map[string]string{"CONDA_EXE": h.conda}),
	}
	if h.ours {
		lines = append(lines,
			"c.ConfigurableHTTPProxy.command = "+python([]string{h.bin("configurable-http-proxy")}),
			`c.Spawner.default_url = "/lab"`)
	}
	return strings.Join(lines, "\n") + "\n"
}

// python writes a value as Python does. JSON of text, lists and tables of text is
// the same, but that it may not write characters beyond ASCII: names here have none.
func python(value any) string {
	text, err := json.Marshal(value)
	if err != nil || string(text) == "null" {
		return "[]"
	}
	return string(text)
}

// backend is the [[backend]] of the hub in gateway's file. It runs as root, since
// it starts a server for each user as that user.
func (h hub) backend() string {
	return fmt.Sprintf(`[[backend]]
name = %q
url = %q
command = [%q, "-f", %q]
dir = %q
user = "root"
env = ["PATH=%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
start_grace = "2m"
[backend.probe]
path = %q
timeout = "5s"
`, backendName, h.url(), h.bin("jupyterhub"), configFile, stateFolder, h.bin(""), h.Path+"hub/health")
}

// route leads to it from a site that serves other things, too.
func (h hub) route() string {
	return fmt.Sprintf("[[site.route]]\npath = %q\nbackend = %q\n", h.Path, backendName)
}

// site is a site of its own, with the listeners and the kind of certificate of
// another one.
func (h hub) site(like Site) string {
	text := fmt.Sprintf("[[site]]\nname = %q\nlisten = %s\n", h.Site, list(like.Listen))
	if like.Certificate != "" {
		text += fmt.Sprintf("certificate = %q\n", like.Certificate)
	}
	if len(like.Files) > 0 {
		text += "files = " + list(like.Files) + "\n"
	}
	return text + fmt.Sprintf("backend = %q\n", backendName)
}

// list writes a list of TOML.
func list(values []string) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = fmt.Sprintf("%q", value)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
