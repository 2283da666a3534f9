package sshd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gateway/cmd/internal/host"
)

// sshdMachine is a machine in a folder: a file for each path. What is run there
// is answered by a function.
func sshdMachine(t testing.TB, files map[string]string, run func(c host.Command) (string, error)) host.Machine {
	t.Helper()
	m := host.Machine{Root: t.TempDir(), OS: "linux", Run: func(_ context.Context, c host.Command) (host.Result, error) {
		if run == nil {
			return host.Result{}, errors.New("nothing runs here")
		}
		text, err := run(c)
		return host.Result{Stdout: []byte(text)}, err
	}}
	for path, text := range files {
		sshdWrite(t, m, path, text, 0o644)
	}
	return m
}

func sshdWrite(t testing.TB, m host.Machine, path, text string, perm os.FileMode) {
	t.Helper()
	at := m.Path(path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), perm); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(at, perm); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

const debianMain = "# comment\n\nInclude /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\n"

func TestPlaceIncluded_NeedsOnlyAFileOfItsOwnWhereTheMainFileIncludesItFirst(t *testing.T) {
	m := sshdMachine(t, map[string]string{
		mainFile: debianMain,
		"/etc/ssh/sshd_config.d/50-cloud-init.conf": "PasswordAuthentication yes\n",
	}, nil)
	p, err := placeIncluded(m, Default().settings())
	if err != nil || len(p.edits) != 1 || p.edits[0].path != dropInFile || len(p.overruled) != 0 {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestPlaceIncluded_IncludesItselfWhereOthersWouldBeReadBefore(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no Include at all":            {mainFile: "PasswordAuthentication yes\n"},
		"Include is a comment":         {mainFile: "#Include /etc/ssh/sshd_config.d/*.conf\n"},
		"Include comes too late":       {mainFile: "PermitRootLogin yes\nInclude /etc/ssh/sshd_config.d/*.conf\n"},
		"Include is in a Match block":  {mainFile: "Match User bob\nInclude /etc/ssh/sshd_config.d/*.conf\n"},
		"Include is of another folder": {mainFile: "Include /etc/ssh/other/*.conf\n"},
		"a file sorts before":          {mainFile: debianMain, "/etc/ssh/sshd_config.d/00-a.conf": "passwordauthentication=yes\n"},
		"another name is before it":    {mainFile: "ChallengeResponseAuthentication yes\n" + debianMain},
		"a Match block sorts before":   {mainFile: debianMain, "/etc/ssh/sshd_config.d/00-a.conf": "Match User bob\n\tPasswordAuthentication yes\n"},
	} {
		p, err := placeIncluded(sshdMachine(t, files, nil), Default().settings())
		if err != nil || len(p.edits) != 2 {
			t.Errorf("%s: got %+v, %v", name, p, err)
			continue
		}
		want := "Include " + dropInFile + "\n" + files[mainFile]
		if p.edits[1].path != mainFile || p.edits[1].text != want {
			t.Errorf("%s: %q", name, p.edits[1].text)
		}
		// Once both are written, nothing is left to do.
		files[mainFile], files[dropInFile] = want, p.edits[0].text
		m := sshdMachine(t, files, nil)
		again, err := placeIncluded(m, Default().settings())
		if err != nil {
			t.Fatal(err)
		}
		if changes, err := fileChanges(m, again.edits); err != nil || len(changes) != 0 {
			t.Errorf("%s: a second time wants %+v, %v", name, changes, err)
		}
	}
}

func TestPlaceIncluded_NamesTheMatchBlocksThatCountNoMore(t *testing.T) {
	m := sshdMachine(t, map[string]string{
		mainFile: debianMain + "Match User bob Address 10.0.0.0/8\n  PasswordAuthentication yes\n  X11Forwarding no\nMatch all\n  PermitRootLogin no\n",
	}, nil)
	p, err := placeIncluded(m, Default().settings())
	if err != nil || len(p.edits) != 1 || len(p.overruled) != 1 {
		t.Fatalf("got %+v, %v", p, err)
	}
	if l := p.overruled[0]; l.file != mainFile || l.number != 7 || l.match != "User bob Address 10.0.0.0/8" {
		t.Errorf("got %+v", l)
	}
}

func TestPlaceInMain_PutsABlockOnTopAndReplacesItsOwn(t *testing.T) {
	m := sshdMachine(t, map[string]string{mainFile: "Port 22\nPasswordAuthentication yes\n"}, nil)
	for _, c := range []Config{{}, {Root: true}, {}} {
		p, err := placeInMain(m, c.settings())
		if err != nil || len(p.edits) != 1 || len(p.refusals) != 0 {
			t.Fatalf("got %+v, %v", p, err)
		}
		text := p.edits[0].text
		if !strings.HasPrefix(text, blockBegin+"\n") || !strings.HasSuffix(text, blockEnd+"\nPort 22\nPasswordAuthentication yes\n") || strings.Count(text, blockBegin) != 1 {
			t.Errorf("%+v: %q", c, text)
		}
		sshdWrite(t, m, mainFile, text, 0o644)
	}
}

func TestPlaceInMain_RefusesWhereAMatchBlockSaysOtherwise(t *testing.T) {
	m := sshdMachine(t, map[string]string{mainFile: "Match User bob\nPasswordAuthentication yes\n"}, nil)
	p, err := placeInMain(m, Default().settings())
	if err != nil || len(p.refusals) != 1 || !strings.Contains(p.refusals[0].What, "Match User bob") {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestReader_FollowsIncludesAsSSHDDoes(t *testing.T) {
	m := sshdMachine(t, map[string]string{
		mainFile:                 "Include \"b.conf\" /etc/ssh/a*.conf # not/this\nPort 1\n",
		"/etc/ssh/b.conf":        "Port=2\nMatch User x\n Port 3\n",
		"/etc/ssh/a1.conf":       "Port\t4\n",
		"/etc/ssh/a2.conf":       "Include a2.conf\nPort 5\n", // includes itself
		"/etc/ssh/not/this/file": "Port 6\n",
	}, nil)
	lines, err := reader{machine: m}.read(mainFile, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	var ports []string
	for _, l := range lines {
		if l.keyword == "port" {
			ports = append(ports, l.value+"/"+l.match)
		}
	}
	if want := []string{"2/", "3/User x", "4/", "5/", "1/"}; !slices.Equal(ports, want) {
		t.Errorf("got %q, want %q", ports, want)
	}
}

func TestFileChanges_KeepTheModeOfAFileThatIsThere(t *testing.T) {
	m := sshdMachine(t, nil, nil)
	sshdWrite(t, m, mainFile, "x\n", 0o600)
	changes, err := fileChanges(m, []edit{{path: mainFile, text: "y\n"}, {path: dropInFile, text: "z\n"}})
	if err != nil || len(changes) != 2 {
		t.Fatalf("got %+v, %v", changes, err)
	}
	if f := changes[0].Acts[0].(host.File); f.Perm != 0o600 {
		t.Errorf("main file: %+v", f)
	}
	folder, file := changes[1].Acts[0].(host.Folder), changes[1].Acts[1].(host.File)
	if folder.Path != "/etc/ssh/sshd_config.d" || folder.Perm != 0o755 || file.Perm != 0o644 {
		t.Errorf("new file: %+v %+v", folder, file)
	}
}

func FuzzReader_NeverPanicsAndKeepsLineNumbers(f *testing.F) {
	f.Add("Include a.conf \"b c\" d\nMatch User x\n\tPasswordAuthentication = yes\n")
	f.Add("\"Port\" 22\n=\nInclude \"\nInclude [\n")
	f.Fuzz(func(t *testing.T, text string) {
		m := sshdMachine(t, nil, nil)
		lines, err := reader{m, map[string]string{mainFile: text, "/etc/ssh/a.conf": text}}.read(mainFile, "", 2)
		if err != nil {
			t.Fatal(err)
		}
		total := strings.Count(text, "\n") + 1
		for _, l := range lines {
			if l.number < 1 || l.number > total || l.keyword == "" || l.keyword != strings.ToLower(l.keyword) {
				t.Errorf("%+v in %q", l, text)
			}
		}
	})
}
