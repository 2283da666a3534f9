package certs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestConfig_FilesIsAPathOrAList(t *testing.T) {
	for _, row := range []struct{ text, want, fault string }{
		{`files = "/etc/gateway/ssl"`, "[/etc/gateway/ssl]", ""},
		{`files = ["a.crt", "a.key"]`, "[a.crt a.key]", ""},
		{`files = []`, "[]", ""},
		{`files = 7`, "", "7 is neither a path nor a list of paths: write a folder"},
		{`files = ["a.crt", 7]`, "", "7 in the list is not a path: write every path between double quotes"},
	} {
		config := Config{Files: Paths{"from", "before"}}
		_, err := toml.Decode(row.text, &config)
		if row.fault != "" {
			if err == nil || !strings.Contains(err.Error(), row.fault) {
				t.Errorf("%s: %v", row.text, err)
			}
			continue
		}
		if err != nil || fmt.Sprint(config.Files) != row.want {
			t.Errorf("%s: %v %v", row.text, config.Files, err)
		}
	}
}

func TestConfig_ValidateSaysWhatToWrite(t *testing.T) {
	folder := t.TempDir()
	pkiWrite(t, folder, map[string]string{"a.crt": "x"})
	file := filepath.Join(folder, "a.crt")
	if err := os.Symlink("nowhere", filepath.Join(folder, "dangling")); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		config Config
		want   string
	}{
		{Config{FromFiles, Paths{folder}}, ""},
		{Config{FromFiles, Paths{file}}, ""},
		{Config{FromLocal, nil}, ""},
		{Config{"", nil}, `certificate: is missing: write certificate = "files" and files = "/etc/gateway/ssl", or certificate = "acme", or "local" to try it out`},
		{Config{"letsencrypt", nil}, `certificate: "letsencrypt" is unknown: write "files", "acme" or "local"`},
		{Config{FromACME, nil}, ""},
		{Config{FromACME, Paths{file}}, `files: is of no use with certificate = "acme": write certificate = "files", or leave "files" out`},
		{Config{FromFiles, nil}, `files: is missing, and certificate = "files" needs it: write files = "/etc/gateway/ssl", the folder with the certificate and its key`},
		{Config{FromFiles, Paths{" "}}, `files: holds an empty path: write a folder such as "/etc/gateway/ssl", or a list of files`},
		{Config{FromFiles, Paths{file, file}}, "files: " + file + " is listed twice: write each file once"},
		{Config{FromFiles, Paths{"/nonexistent"}}, "files: /nonexistent: does not exist: write a folder or files that exist and that gateway may read"},
		{Config{FromFiles, Paths{filepath.Join(folder, "dangling")}}, "files: " + folder + "/dangling: does not exist: write a folder or files that exist and that gateway may read"},
		{Config{FromLocal, Paths{file}}, `files: is of no use with certificate = "local": write certificate = "files", or leave "files" out`},
	} {
		var got []string
		row.config.Validate(func(key, wrong, instead string) { got = append(got, key+": "+wrong+": "+instead) })
		if strings.Join(got, "\n") != row.want {
			t.Errorf("%v:\n got %s\nwant %s", row.config, strings.Join(got, "\n"), row.want)
		}
	}
}

func TestName_CanonicalFormIsWhatClientsSend(t *testing.T) {
	for _, row := range []struct{ name, canonical, wildcard string }{
		{"API.Example.COM.", "api.example.com", "*.example.com"},
		{"例子.cn", "xn--fsqu00a.cn", "*.cn"},
		{"*.example.com", "*.example.com", ""},
		{"localhost", "localhost", ""},
		{"[::1]", "::1", ""},
		{"192.0.2.7", "192.0.2.7", ""},
		{"under_score.example.com", "under_score.example.com", "*.example.com"},
		{"", "", ""},
	} {
		if got := canonicalName(row.name); got != row.canonical || parentWildcard(got) != row.wildcard {
			t.Errorf("%q: %q, %q", row.name, got, parentWildcard(got))
		}
	}
}
