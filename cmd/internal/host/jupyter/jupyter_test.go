package jupyter

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gateway/cmd/internal/host"
)

// jupyterFile is gateway's file with no other reader than this.
type jupyterFile struct {
	contents Contents
	problems []string
	inserted []string // site, ofSite, rest
}

func (f *jupyterFile) Path() string                  { return "/etc/gateway/config.toml" }
func (f *jupyterFile) Read(string) (Contents, error) { return f.contents, nil }
func (f *jupyterFile) Problems() []string            { return f.problems }
func (f *jupyterFile) Insert(text, site, ofSite, rest string) (string, error) {
	f.inserted = []string{site, ofSite, rest}
	return text + ofSite + rest, nil
}

type jupyterConda struct{ unmet []string }

func (c jupyterConda) Command() string { return "/opt/conda/bin/conda" }
func (c jupyterConda) Make(at string, packages []string) []host.Act {
	return []host.Act{host.Program{Do: host.Command{Argv: append([]string{"conda", "create", at}, packages...)}}}
}
func (c jupyterConda) Unmet(host.Machine, string, []string) ([]string, error) { return c.unmet, nil }

func jupyterConfig() Config {
	c := Default()
	c.Users = []string{"alice"}
	return c
}

func jupyterContents() Contents {
	return Contents{Sites: []Site{
		{Name: "api.example.com", Certificate: "files", Files: []string{"/etc/ssl/gw"}, Listen: []string{":443", ":7879"}, Backend: "api"},
		{Name: "other.example.com", Certificate: "local", Listen: []string{":443"}, Backend: "api", Routes: map[string]string{"/taken/": "api"}},
	}, Backends: map[string]string{"api": "http://localhost:7878"}}
}

// jupyterMachine has the files; no program can be run but those of enabled units.
func jupyterMachine(t *testing.T, files map[string]string, enabled bool) host.Machine {
	t.Helper()
	m := host.Machine{Root: t.TempDir(), OS: "linux", Run: func(_ context.Context, c host.Command) (host.Result, error) {
		if strings.Join(c.Argv, " ") != "systemctl is-enabled --quiet jupyterhub.service" {
			t.Errorf("%q was run", c.Argv)
		}
		if enabled {
			return host.Result{}, nil
		}
		return host.Result{}, &host.ExitError{Program: c.Argv[0], Code: 1}
	}}
	files = maps.Clone(files)
	files["/etc/passwd"], files["/etc/group"] = "alice:x:1000:1000::/home/alice:/bin/sh\n", "alice:x:1000:\n"
	for at, text := range files {
		jupyterMust(t, os.MkdirAll(filepath.Dir(m.Path(at)), 0o755))
		jupyterMust(t, os.WriteFile(m.Path(at), []byte(text), 0o644))
	}
	return m
}

func jupyterMust(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func jupyterSaid(plan host.Plan) string {
	var lines []string
	for _, c := range plan.Changes {
		lines = append(lines, "do "+c.What)
	}
	for _, r := range plan.Refusals {
		lines = append(lines, "refuse "+r.What)
	}
	return strings.Join(lines, "\n")
}

func TestPlan_SaysWhatIsMissingAndNothingElse(t *testing.T) {
	environment := "do make the environment /opt/jupyter with " + strings.Join(versions(), ", ")
	const (
		folders  = "do make the folder /etc/jupyterhub\ndo make the folder /var/lib/jupyterhub\n"
		settings = "do write /etc/jupyterhub/gateway_config.py\n"
		file     = "do write the backend jupyter into /etc/gateway/config.toml"
	)
	all := hub{Config: jupyterConfig(), ours: true, conda: "/opt/conda/bin/conda"}
	installed := map[string]string{
		"/etc/gateway/config.toml": "", "/opt/jupyter/bin/jupyterhub": "", "/opt/jupyter/conda-meta/history": "",
		"/var/lib/jupyterhub/x": "", configFile: all.settings(),
	}
	routed := jupyterContents()
	routed.Backends[backendName], routed.Sites[0].Routes = "http://127.0.0.1:8000", map[string]string{"/jupyter/": backendName}
	with := func(change func(map[string]string)) map[string]string {
		files := map[string]string{}
		for at, text := range installed {
			files[at] = text
		}
		change(files)
		return files
	}
	for name, c := range map[string]struct {
		files    map[string]string
		contents Contents
		coming   bool
		enabled  bool
		want     string
	}{
		"all is there":             {files: installed, contents: routed},
		"nothing, conda is coming": {files: map[string]string{"/etc/gateway/config.toml": ""}, contents: jupyterContents(), coming: true, want: environment + "\n" + folders + settings + file},
		"nothing, conda is there":  {files: map[string]string{"/etc/gateway/config.toml": "", "/opt/conda/bin/conda": ""}, contents: jupyterContents(), want: environment + "\n" + folders + settings + file},
		"no conda":                 {files: map[string]string{"/etc/gateway/config.toml": ""}, contents: jupyterContents(), want: folders + settings + file + "\nrefuse there is no conda at /opt/conda/bin/conda"},
		"no file of gateway": {files: with(func(f map[string]string) { delete(f, "/etc/gateway/config.toml") }), contents: routed,
			want: "refuse gateway's file can't be read"},
		"no site":          {files: installed, contents: Contents{}, want: "refuse /etc/gateway/config.toml: there is no [[site]]"},
		"other settings":   {files: with(func(f map[string]string) { f[configFile] = "c = 1" }), contents: routed, want: strings.TrimSpace(settings)},
		"something else":   {files: with(func(f map[string]string) { delete(f, "/opt/jupyter/bin/jupyterhub") }), contents: routed, want: "refuse /opt/jupyter is not empty, and has no bin/jupyterhub"},
		"Debian's service": {files: installed, contents: routed, enabled: true, want: "do stop and disable jupyterhub.service"},
		"no route yet": {files: installed, contents: func() Contents {
			c := jupyterContents()
			c.Backends[backendName] = "http://127.0.0.1:8000"
			return c
		}(), want: file},
		"another port in the file": {files: installed, contents: func() Contents {
			c := jupyterContents()
			c.Backends[backendName] = "http://127.0.0.1:9000"
			return c
		}(), want: "refuse /etc/gateway/config.toml: the [[backend]] jupyter has the url http://127.0.0.1:9000, and [setup.jupyter] makes it listen at http://127.0.0.1:8000"},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(jupyterConfig(), jupyterConda{}, c.coming, &jupyterFile{contents: c.contents})
			plan, err := s.Plan(t.Context(), jupyterMachine(t, c.files, c.enabled))
			jupyterMust(t, err)
			if got := jupyterSaid(plan); got != c.want && (!strings.HasPrefix(c.want, "refuse gateway's") || !strings.HasPrefix(got, c.want)) {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestPlan_NamesOtherVersionsAndHubsOfOthers(t *testing.T) {
	files := map[string]string{"/etc/gateway/config.toml": "", "/opt/jupyter/bin/jupyterhub": ""}
	for want, history := range map[string]bool{"installed by others": false, "/opt/conda/bin/conda install -p /opt/jupyter jupyterhub=5.2.1": true} {
		if history {
			files["/opt/jupyter/conda-meta/history"] = ""
		}
		s := New(jupyterConfig(), jupyterConda{unmet: []string{"jupyterhub=5.2.1"}}, false, &jupyterFile{contents: jupyterContents()})
		plan, err := s.Plan(t.Context(), jupyterMachine(t, files, false))
		if err != nil || !strings.Contains(strings.Join(plan.Notes, "\n"), want) {
			t.Errorf("want %q, got %q, %v", want, plan.Notes, err)
		}
		delete(files, "/opt/jupyter/conda-meta/history")
	}
}

func TestPlan_TellsOfNamesThatNobodyHas(t *testing.T) {
	c := jupyterConfig()
	c.Users, c.Groups = []string{"alice", "alcie"}, []string{"alice", "studnets"}
	s := New(c, jupyterConda{}, true, &jupyterFile{contents: jupyterContents()})
	plan, err := s.Plan(t.Context(), jupyterMachine(t, map[string]string{"/etc/gateway/config.toml": ""}, false))
	notes := strings.Join(plan.Notes, "\n")
	if err != nil || !strings.Contains(notes, "no account alcie yet") || !strings.Contains(notes, "no group studnets yet") || strings.Contains(notes, " alice ") {
		t.Errorf("got %q, %v", plan.Notes, err)
	}
}

func TestPlan_OnMacOSNamesTheCommandInstead(t *testing.T) {
	plan, err := New(jupyterConfig(), jupyterConda{}, false, &jupyterFile{}).Plan(t.Context(), host.Machine{OS: "darwin"})
	if err != nil || len(plan.Changes) != 0 || len(plan.Refusals) != 1 || !strings.Contains(plan.Refusals[0].Instead, "brew install") {
		t.Errorf("got %+v, %v", plan, err)
	}
}

func TestEntry_LeadsToTheHubByARouteOrASiteOfItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		site   string
		want   []string // of what is inserted
		refuse string
	}{
		"the first site": {site: "api.example.com", want: []string{`path = "/jupyter/"`, `url = "http://127.0.0.1:8000"`, `path = "/jupyter/hub/health"`}},
		"another site":   {change: func(c *Config) { c.Site, c.Path = "other.example.com", "/lab/" }, site: "other.example.com", want: []string{`path = "/lab/"`}},
		"a new site": {change: func(c *Config) { c.Site, c.Path = "lab.example.com", "/" }, site: "lab.example.com",
			want: []string{"[[site]]\nname = \"lab.example.com\"\nlisten = [\":443\", \":7879\"]\ncertificate = \"files\"\nfiles = [\"/etc/ssl/gw\"]\nbackend = \"jupyter\"\n", `path = "/hub/health"`}},
		"all of a site": {change: func(c *Config) { c.Path = "/" }, refuse: "would take all of it"},
		"a taken path":  {change: func(c *Config) { c.Site, c.Path = "other.example.com", "/taken/" }, refuse: "leads to the backend api"},
	} {
		config := jupyterConfig()
		if c.change != nil {
			c.change(&config)
		}
		file := &jupyterFile{contents: jupyterContents()}
		_, refusal, err := hub{Config: config}.entry(file, "")
		jupyterMust(t, err)
		if (refusal != nil) != (c.refuse != "") || refusal != nil && !strings.Contains(refusal.What, c.refuse) {
			t.Errorf("%s: %+v", name, refusal)
			continue
		}
		if c.refuse == "" && file.inserted[0] != c.site {
			t.Errorf("%s: in %s", name, file.inserted[0])
		}
		for _, want := range c.want {
			if !strings.Contains(strings.Join(file.inserted, "\n"), want) {
				t.Errorf("%s: %q is not in %q", name, want, file.inserted)
			}
		}
	}
}

func TestSettings_AreReadByPythonAsTheyAreMeant(t *testing.T) {
	c := jupyterConfig()
	c.Groups, c.Admins, c.Port = []string{"lab"}, nil, 9000
	text := hub{Config: c, ours: true, conda: "/opt/conda/bin/conda"}.settings()
	script := `import json,sys
class C:
    def __init__(self): self.__dict__["d"] = {}
    def __getattr__(self, k): return self.d.setdefault(k, C())
    def __setattr__(self, k, v): self.d[k] = v
c = C()
exec(sys.stdin.read(), {"get_config": lambda: c})
print(json.dumps({k + "." + l: sorted(w) if isinstance(w, set) else w for k, v in c.d.items() for l, w in v.d.items()}))`
	cmd := exec.CommandContext(t.Context(), "python3", "-c", script)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("needs python3")
	}
	jupyterMust(t, err)
	var got map[string]any
	jupyterMust(t, json.Unmarshal(out, &got))
	for key, want := range map[string]string{
		"JupyterHub.bind_url": `"http://127.0.0.1:9000/jupyter/"`, "JupyterHub.hub_bind_url": `"http://127.0.0.1:9002"`,
		"ConfigurableHTTPProxy.api_url": `"http://127.0.0.1:9001"`, "Authenticator.allowed_users": `["alice"]`,
		"LocalAuthenticator.allowed_groups": `["lab"]`, "Authenticator.admin_users": `[]`,
		"Spawner.cmd": `["/opt/jupyter/bin/jupyterhub-singleuser"]`, "Spawner.environment": `{"CONDA_EXE":"/opt/conda/bin/conda"}`,
		"JupyterHub.db_url": `"sqlite:////var/lib/jupyterhub/jupyterhub.sqlite"`,
	} {
		if is, _ := json.Marshal(got[key]); string(is) != want {
			t.Errorf("%s is %s, want %s", key, is, want)
		}
	}
}

func TestVerify_BlamesTheStepForNewProblemsOnly(t *testing.T) {
	file := &jupyterFile{contents: jupyterContents(), problems: []string{"mail.host: is missing"}}
	files := map[string]string{"/etc/gateway/config.toml": "", "/opt/jupyter/bin/jupyterhub": ""}
	s := New(jupyterConfig(), jupyterConda{}, false, file)
	m := jupyterMachine(t, files, false)
	jupyterMust(t, s.Ready(t.Context(), m))
	m.Run = func(context.Context, host.Command) (host.Result, error) { return host.Result{}, nil }
	if err := s.Verify(t.Context(), m); err != nil {
		t.Errorf("an old problem: %v", err)
	}
	file.problems = append(file.problems, "backend.user: there is no user root")
	if err := s.Verify(t.Context(), m); err == nil || !strings.Contains(err.Error(), "there is no user root") {
		t.Errorf("a new problem: %v", err)
	}
	m.Run = func(context.Context, host.Command) (host.Result, error) {
		return host.Result{}, errors.New("no Python")
	}
	if err := s.Verify(t.Context(), m); err == nil || !strings.Contains(err.Error(), "does not start: no Python") {
		t.Errorf("a hub that does not start: %v", err)
	}
}

func TestHash_IsWhatJupyterComparesWith(t *testing.T) {
	one, err := Hash("sésame")
	jupyterMust(t, err)
	two, err := Hash("sésame")
	jupyterMust(t, err)
	if one == two || !strings.HasPrefix(one, "argon2:$argon2id$v=19$m=10240,t=10,p=8$") {
		t.Errorf("got %s and %s", one, two)
	}
	for _, wrong := range []string{"", "a\xff"} {
		if hash, err := Hash(wrong); err == nil {
			t.Errorf("%q was hashed: %s", wrong, hash)
		}
	}
}

func TestSetPassword_KeepsOtherSettings(t *testing.T) {
	for text, want := range map[string]string{
		"": `{"IdentityProvider":{"hashed_password":"H"}}`,
		`{"IdentityProvider":{"cookie_name":"x","hashed_password":"old"},"ServerApp":{"password":"old","port":1}}`: `{"IdentityProvider":{"cookie_name":"x","hashed_password":"H"},"ServerApp":{"password":"H","port":1}}`,
		`{"ServerApp":{"port":12345678901234567890}}`:                                                              `{"IdentityProvider":{"hashed_password":"H"},"ServerApp":{"port":12345678901234567890}}`,
	} {
		got, err := SetPassword([]byte(text), "H")
		var compact strings.Builder
		if err == nil {
			compact.WriteString(strings.NewReplacer(" ", "", "\n", "").Replace(string(got)))
		}
		if err != nil || compact.String() != want {
			t.Errorf("%s: got %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"[]", "{", `{"IdentityProvider":1}`} {
		if got, err := SetPassword([]byte(text), "H"); err == nil {
			t.Errorf("%s became %s", text, got)
		}
	}
}

func FuzzSetPassword_WritesWhatItReads(f *testing.F) {
	f.Add([]byte(`{"ServerApp":{"password":"x"}}`), "h")
	f.Fuzz(func(t *testing.T, text []byte, hash string) {
		once, err := SetPassword(text, hash)
		if err != nil {
			return
		}
		twice, err := SetPassword(once, hash)
		if err != nil || string(twice) != string(once) {
			t.Errorf("%q becomes %q and then %q, %v", text, once, twice, err)
		}
	})
}
