package conda

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gateway/cmd/internal/host"
)

// condaMachine is a machine in a folder: a path that ends with "/" is a folder,
// a text that begins with "-> " is where a link leads.
func condaMachine(t *testing.T, files map[string]string) host.Machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: what the step looks for are files of root")
	}
	m := host.Machine{Root: t.TempDir(), OS: "linux", Run: func(_ context.Context, c host.Command) (host.Result, error) {
		t.Errorf("%q was run", c.Argv)
		return host.Result{}, nil
	}}
	for _, folder := range []string{"/opt", "/etc/profile.d", "/usr/local/bin"} {
		condaMust(t, os.MkdirAll(m.Path(folder), 0o755))
	}
	condaWrite(t, m, "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\n")
	condaWrite(t, m, "/etc/group", "root:x:0:\nalice:x:1000:\n")
	for at, text := range files {
		condaWrite(t, m, at, text)
	}
	return m
}

func condaWrite(t *testing.T, m host.Machine, at, text string) {
	t.Helper()
	condaMust(t, os.MkdirAll(filepath.Dir(m.Path(at)), 0o755))
	switch target, link := strings.CutPrefix(text, "-> "); {
	case strings.HasSuffix(at, "/"):
		condaMust(t, os.MkdirAll(m.Path(at), 0o755))
	case link:
		condaMust(t, os.Symlink(target, m.Path(at)))
	default:
		condaMust(t, os.WriteFile(m.Path(at), []byte(text), 0o644))
		condaMust(t, os.Chmod(m.Path(at), 0o644))
	}
}

func condaMust(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// condaStep is the step of a table with these changes.
func condaStep(change func(*Config)) *Step {
	c := Default()
	if change != nil {
		change(&c)
	}
	return New(c, Surroundings{Arch: "amd64", Users: []string{"newcomer"}})
}

func condaPlan(t *testing.T, s *Step, m host.Machine) host.Plan {
	t.Helper()
	plan, err := s.Plan(t.Context(), m)
	condaMust(t, err)
	return plan
}

// condaInstalled are the files of a conda that is as it shall be.
func condaInstalled() map[string]string {
	s := condaStep(nil)
	return map[string]string{
		"/opt/conda/conda-meta/history":    "",
		"/opt/conda/bin/conda":             "",
		"/opt/conda/.gateway-installer":    string(s.installer.mark()),
		"/opt/conda/.condarc":              s.config.condarc(),
		"/usr/local/bin/conda":             "-> /opt/conda/bin/conda",
		"/etc/profile.d/gateway-conda.sh":  shellFiles()[0].text("", "/opt/conda"),
		"/home/alice/":                     "",
		"/opt/conda/envs/":                 "",
		"/opt/conda/envs/.conda_envs_test": "",
	}
}

// condaSaid are the changes and refusals of a plan, a line each.
func condaSaid(plan host.Plan) string {
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
	const (
		url     = "https://github.com/conda-forge/miniforge/releases/download/24.7.1-2/Miniforge3-24.7.1-2-Linux-x86_64.sh"
		install = "do install conda in /opt/conda with " + url
		rest    = "\ndo write /opt/conda/.condarc\ndo write /etc/profile.d/gateway-conda.sh\ndo link /usr/local/bin/conda to /opt/conda/bin/conda"
	)
	for name, c := range map[string]struct {
		change func(map[string]string)
		config func(*Config)
		want   string
	}{
		"all is there":    {},
		"nothing":         {change: func(f map[string]string) { clear(f) }, want: install + rest},
		"an empty folder": {change: func(f map[string]string) { clear(f); f["/opt/conda/"] = "" }, want: install + rest},
		"something else":  {change: func(f map[string]string) { clear(f); f["/opt/conda/a"] = "" }, want: rest[1:] + "\nrefuse /opt/conda is not empty, and no whole conda either: it has no conda-meta/history"},
		"half a conda": {change: func(f map[string]string) { delete(f, "/opt/conda/bin/conda") },
			want: "refuse /opt/conda is not empty, and no whole conda either: it has no bin/conda"},
		"a file":             {change: func(f map[string]string) { clear(f); f["/opt/conda"] = "x" }, want: "ENOTDIR"},
		"a link":             {change: func(f map[string]string) { clear(f); f["/opt/conda"] = "-> /nowhere" }, want: rest[1:] + "\nrefuse /opt/conda is a symbolic link, and the files of conda know the folder that they are in"},
		"another installer":  {change: func(f map[string]string) { f["/opt/conda/.gateway-installer"] = "abc  https://x" }, want: "do run " + url + " over the conda in /opt/conda"},
		"of others":          {change: func(f map[string]string) { delete(f, "/opt/conda/.gateway-installer") }},
		"of others, upgrade": {change: func(f map[string]string) { delete(f, "/opt/conda/.gateway-installer") }, config: func(c *Config) { c.Upgrade = true }, want: "do run " + url + " over the conda in /opt/conda"},
		"another channel":    {config: func(c *Config) { c.Channels = []string{"bioconda"} }, want: "do write /opt/conda/.condarc"},
		"a link to another":  {change: func(f map[string]string) { f["/usr/local/bin/conda"] = "-> /opt/old/bin/conda" }, want: "do link /usr/local/bin/conda to /opt/conda/bin/conda"},
		"a program in the way": {change: func(f map[string]string) { f["/usr/local/bin/conda"] = "#!/bin/sh" },
			want: "refuse /usr/local/bin/conda is there, and it is no link"},
		"zsh, bash and fish": {change: func(f map[string]string) {
			f["/etc/zsh/"], f["/etc/bash.bashrc"], f["/etc/fish/conf.d/"] = "", "PS1='$ '", ""
		}, want: "do write /etc/bash.bashrc\ndo write /etc/zsh/zshenv\ndo write /etc/fish/conf.d/gateway-conda.fish"},
		"an environment": {config: func(c *Config) { c.Envs = []Environment{{Name: "work", Packages: []string{"python=3.12"}}} },
			want: "do make the environment /opt/conda/envs/work with python=3.12"},
		"an environment of a user": {config: func(c *Config) { c.Envs = []Environment{{Name: "work", User: "alice"}} },
			want: "do make the environment /home/alice/.conda/envs/work with no packages"},
		"of a user who is still to come": {config: func(c *Config) { c.Envs = []Environment{{Name: "work", User: "newcomer"}} },
			want: "do make the environment ~newcomer/.conda/envs/work with no packages"},
		"of nobody": {config: func(c *Config) { c.Envs = []Environment{{Name: "work", User: "bob"}} },
			want: "refuse there is no user bob for the environment work"},
		"an environment that is there": {change: func(f map[string]string) {
			f["/opt/conda/envs/work/conda-meta/history"], f["/opt/conda/envs/work/conda-meta/python-3.12.1-h1_0.json"] = "", "{}"
		}, config: func(c *Config) { c.Envs = []Environment{{Name: "work", Packages: []string{"python=3.12"}}} }},
		"a package more": {change: func(f map[string]string) {
			f["/opt/conda/envs/work/conda-meta/history"], f["/opt/conda/envs/work/conda-meta/python-3.12.1-h1_0.json"] = "", "{}"
		}, config: func(c *Config) { c.Envs = []Environment{{Name: "work", Packages: []string{"python=3.12", "numpy"}}} },
			want: "do install numpy in the environment /opt/conda/envs/work"},
		"in the way of an environment": {change: func(f map[string]string) { f["/opt/conda/envs/work/notes.txt"] = "" },
			config: func(c *Config) { c.Envs = []Environment{{Name: "work"}} },
			want:   "refuse /opt/conda/envs/work is there, and it is no environment"},
	} {
		t.Run(name, func(t *testing.T) {
			files := condaInstalled()
			if c.change != nil {
				c.change(files)
			}
			m := condaMachine(t, files)
			before := condaTree(t, m)
			plan, err := condaStep(c.config).Plan(t.Context(), m)
			if c.want == "ENOTDIR" {
				if err == nil || !strings.Contains(err.Error(), "not a directory") {
					t.Errorf("got %v", err)
				}
				return
			}
			condaMust(t, err)
			if got := condaSaid(plan); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if after := condaTree(t, m); after != before {
				t.Errorf("the plan changed\n%s\nto\n%s", before, after)
			}
		})
	}
}

func condaTree(t *testing.T, m host.Machine) string {
	t.Helper()
	var b strings.Builder
	condaMust(t, filepath.Walk(m.Root, func(at string, info os.FileInfo, err error) error {
		if err == nil {
			fmt.Fprintln(&b, at, info.Mode(), info.ModTime(), info.Size())
		}
		return err
	}))
	return b.String()
}

func TestPlan_FindsWhatOthersCanChangeAndWhatUsersCannotRead(t *testing.T) {
	files := condaInstalled()
	files["/opt/conda/lib/a"], files["/opt/conda/lib/b"], files["/opt/conda/bin/tool"] = "", "", ""
	files["/opt/conda/envs/of-alice/conda-meta/history"] = ""
	m := condaMachine(t, files)
	condaMust(t, os.Chmod(m.Path("/opt/conda/lib/a"), 0o600))
	condaMust(t, os.Chown(m.Path("/opt/conda/lib/b"), 1000, 1000))
	condaMust(t, os.Chmod(m.Path("/opt/conda/bin/tool"), 0o775))
	condaMust(t, os.Chmod(m.Path("/opt/conda/envs"), 0o777))
	condaMust(t, os.Chown(m.Path("/opt/conda/envs/of-alice"), 1000, 1000))
	plan := condaPlan(t, condaStep(nil), m)
	if len(plan.Changes) != 1 || len(plan.Changes[0].Acts) != 4 || plan.Changes[0].NoUndo != "" {
		t.Fatalf("got %+v", plan)
	}
	want := map[string]os.FileMode{"/opt/conda/lib/a": 0o644, "/opt/conda/lib/b": 0o644, "/opt/conda/bin/tool": 0o755, "/opt/conda/envs": 0o755}
	for _, act := range plan.Changes[0].Acts {
		if a := act.(host.Attributes); a.Perm != want[a.Path] || a.Owner != (host.Owner{}) {
			t.Errorf("got %+v", a)
		}
	}
}

func TestPlan_RefusesAPrefixBelowAFolderOfOthers(t *testing.T) {
	for name, spoil := range map[string]func(at string) error{
		"belongs to user 1000": func(at string) error { return os.Chown(at, 1000, 1000) },
		"everybody can change": func(at string) error { return os.Chmod(at, 0o1777) },
		"group 50 can change":  func(at string) error { return errors.Join(os.Chown(at, 0, 50), os.Chmod(at, 0o775)) },
	} {
		m := condaMachine(t, map[string]string{"/srv/": ""})
		condaMust(t, spoil(m.Path("/srv")))
		plan := condaPlan(t, condaStep(func(c *Config) { c.Prefix = "/srv/deep/conda" }), m)
		if len(plan.Refusals) != 1 || !strings.Contains(plan.Refusals[0].What, name) {
			t.Errorf("%s: got %+v", name, plan.Refusals)
		}
	}
}

func TestPlan_MakesTheFoldersAboveThePrefix(t *testing.T) {
	plan := condaPlan(t, condaStep(func(c *Config) { c.Prefix = "/srv/deep/conda" }), condaMachine(t, nil))
	acts := plan.Changes[0].Acts
	if acts[0] != (host.Act)(host.Folder{Path: "/srv", Perm: 0o755}) || acts[1] != (host.Act)(host.Folder{Path: "/srv/deep", Perm: 0o755}) {
		t.Errorf("got %+v", acts)
	}
}

func TestPlan_NeedsASumWhereNoneIsKnown(t *testing.T) {
	s := New(Default(), Surroundings{Arch: "riscv64"})
	plan := condaPlan(t, s, condaMachine(t, nil))
	if len(plan.Refusals) != 1 || plan.Refusals[0].What != "no installer is known for riscv64" {
		t.Errorf("got %+v", plan.Refusals)
	}
}

func TestPlan_OnMacOSNamesTheCommandInstead(t *testing.T) {
	plan := condaPlan(t, condaStep(nil), host.Machine{OS: "darwin"})
	if len(plan.Changes) != 0 || len(plan.Refusals) != 1 || !strings.Contains(plan.Refusals[0].Instead, "brew install") {
		t.Errorf("got %+v", plan)
	}
}

func TestPlan_TellsOfAnacondasTerms(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"defaults": func(c *Config) { c.Channels = []string{"conda-forge", "defaults"} },
		"installer": func(c *Config) {
			c.Installer = "https://mirror.example.edu/archive/Anaconda3-2024.10-1-Linux-x86_64.sh"
		},
		"a channel": func(c *Config) { c.Channels = []string{"https://repo.anaconda.com/pkgs/main"} },
	} {
		if plan := condaPlan(t, condaStep(change), condaMachine(t, condaInstalled())); len(plan.Notes) == 0 || !strings.Contains(plan.Notes[0], "licence") {
			t.Errorf("%s: got %q", name, plan.Notes)
		}
	}
	if plan := condaPlan(t, condaStep(nil), condaMachine(t, condaInstalled())); len(plan.Notes) != 0 {
		t.Errorf("Miniforge: got %q", plan.Notes)
	}
}

func TestInstall_RunsNothingThatWasNotChecked(t *testing.T) {
	plan := condaPlan(t, condaStep(func(c *Config) {
		c.Installer, c.SHA256, c.CAFile = "https://example.com/My.sh", strings.Repeat("AB", 32), "/etc/ca.pem"
	}), condaMachine(t, nil))
	acts := plan.Changes[0].Acts
	download := host.Download{URL: "https://example.com/My.sh", SHA256: strings.Repeat("ab", 32), Path: Folder + "/download/My.sh", CAFile: "/etc/ca.pem", Limit: installerLimit}
	if acts[0] != (host.Act)(download) {
		t.Errorf("got %+v", acts[0])
	}
	run := acts[1].(host.Program)
	if want := []string{"flock", "--no-fork", "--timeout", "900", "/opt", "bash", download.Path, "-b", "-p", "/opt/conda"}; !slices.Equal(run.Do.Argv[4:], want) {
		t.Errorf("got %q", run.Do.Argv)
	}
}

func TestInstaller_ComesFromTheMirrorWhereItIsAnacondas(t *testing.T) {
	c := Config{Mirror: "https://mirror.example.edu/anaconda/", SHA256: "ab"}
	for from, want := range map[string]string{
		"https://repo.anaconda.com/miniconda/Miniconda3-py312-Linux-x86_64.sh": "https://mirror.example.edu/anaconda/miniconda/Miniconda3-py312-Linux-x86_64.sh",
		"https://example.com/Mine.sh":                                          "https://example.com/Mine.sh",
		"/root/Mine.sh":                                                        "/root/Mine.sh",
	} {
		c.Installer = from
		if got, err := c.installer("amd64"); err != nil || got.url != want {
			t.Errorf("%s: got %s, %v", from, got.url, err)
		}
	}
}

func TestCondarc_NamesTheMirrorAndLocksTheChannels(t *testing.T) {
	c := Default()
	c.Mirror, c.Channels = "https://mirror.example.edu/anaconda/", []string{"conda-forge", "https://example.com/own"}
	want := condarcHead + `
channel_alias: https://mirror.example.edu/anaconda/cloud #!final
channels: #!final
  - conda-forge
  - https://example.com/own
default_channels: #!final
  - https://mirror.example.edu/anaconda/cloud/conda-forge
  - https://example.com/own
auto_activate_base: false
envs_dirs:
  - ~/.conda/envs
  - /opt/conda/envs
pkgs_dirs:
  - ~/.conda/pkgs
  - /opt/conda/pkgs
`
	if got := c.condarc(); got != want {
		t.Errorf("got\n%s", got)
	}
	c.Channels = []string{"defaults"}
	if got := c.condarc(); !strings.Contains(got, "default_channels: #!final\n  - https://mirror.example.edu/anaconda/pkgs/main\n") {
		t.Errorf("defaults: got\n%s", got)
	}
}

func TestMergeCondarc_KeepsWhatAnAdminHasWritten(t *testing.T) {
	c := Default()
	ours := c.condarc()
	c.Mirror = "https://m.example.edu"
	for name, old := range map[string]string{
		"settings of others": "# mine\nchannels:\n- defaults\n# proxies\nproxy_servers:\n  https: http://p:3128\nssl_verify: true\nenvs_dirs: [/x]",
		"our own of earlier": "# mine\n# proxies\nproxy_servers:\n  https: http://p:3128\nssl_verify: true\n" + c.condarc(),
	} {
		want := "# mine\n# proxies\nproxy_servers:\n  https: http://p:3128\nssl_verify: true\n" + ours
		if got := mergeCondarc(old, ours); got != want {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}

func FuzzMergeCondarc_IsContentWithWhatItHasWritten(f *testing.F) {
	ours := Default().condarc()
	f.Add("channels:\n- defaults\n\n# x\nssl_verify: no")
	f.Add("---\n'channels' : []\r\n")
	f.Add(ours)
	f.Fuzz(func(t *testing.T, old string) {
		once := mergeCondarc(old, ours)
		if twice := mergeCondarc(once, ours); twice != once {
			t.Errorf("%q becomes %q and then %q", old, once, twice)
		}
		if !strings.HasSuffix(once, ours) {
			t.Errorf("%q lacks our part", once)
		}
	})
}

func FuzzWithBlock_IsContentWithWhatItHasWritten(f *testing.F) {
	f.Add("PS1=x", ". a")
	f.Add(withBlock("a\n", "b")+"c", ". a")
	f.Add(blockEnd+"\n"+blockBegin+"\n", "")
	f.Fuzz(func(t *testing.T, old, line string) {
		if strings.ContainsAny(line, "\n#") {
			return
		}
		once := withBlock(old, line)
		if twice := withBlock(once, line); twice != once {
			t.Errorf("%q becomes %q and then %q", old, once, twice)
		}
	})
}

func FuzzParseRecord_TakesApartWhatItPutsTogether(f *testing.F) {
	f.Add("python-3.12.1-h1_0.json")
	f.Add("nb-conda-kernels-2.5.1-py312.json")
	f.Add("--.json")
	f.Fuzz(func(t *testing.T, file string) {
		name, version, found := parseRecord(file)
		if found && (name == "" || version == "" || strings.Contains(version, "-") || !strings.HasPrefix(file, name+"-"+version+"-")) {
			t.Errorf("%q: %q, %q", file, name, version)
		}
	})
}

func TestUnmet_ComparesVersionsAsCondaWritesThem(t *testing.T) {
	installed := map[string]string{"python": "3.12.1", "numpy": "2.0.0", "nb_conda_kernels": "2.5.1"}
	for spec, met := range map[string]bool{
		"python": true, "Python": true, "python=3.12": true, "python=3.12.1": true, "python=3": true, "python=3.1": false, "python=3.11": false,
		"python==3.12": false, "python==3.12.1": true, "python=3.12.*": true, "python==3.12.*": true, "python=3.12.1=h1_0": true,
		"numpy >=1.20,<3": true, "numpy>=3": true, "scipy": false, "conda-forge::numpy=2": true, "conda-forge::scipy": false, "nb_conda_kernels=2.5": true,
	} {
		if got := len(unmet([]string{spec}, installed)) == 0; got != met {
			t.Errorf("%s: met is %v", spec, got)
		}
	}
}

func TestWithKernel_AddsItOnce(t *testing.T) {
	for _, specs := range [][]string{{"python"}, {"python", "ipykernel=6.29"}} {
		if got := withKernel(specs); len(got) != 2 || !strings.HasPrefix(got[1], "ipykernel") {
			t.Errorf("%q: got %q", specs, got)
		}
	}
}

func TestCheckInfo_WantsTheVeryPrefix(t *testing.T) {
	for out, want := range map[string]string{
		`{"root_prefix":"/opt/conda"}`: "",
		`{"root_prefix":"/opt/other"}`: "it lives in /opt/other, not in /opt/conda",
		`Traceback`:                    "printed no JSON",
	} {
		if err := checkInfo([]byte(out), "/opt/conda"); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", out, err)
		}
	}
}
