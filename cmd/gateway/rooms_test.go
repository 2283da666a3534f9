package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport says which of our packages a room may know. What is not listed may
// be imported by cmd/gateway alone.
var mayImport = map[string][]string{
	"gateway/proxy":                      {"gateway/proxy/http1", "gateway/proxy/http2", "gateway/proxy/socket"},
	"gateway/proxy/http1":                {"gateway/proxy/socket"},
	"gateway/proxy/http2":                nil,
	"gateway/proxy/socket":               nil,
	"gateway/certs":                      nil,
	"gateway/health":                     {"gateway/health/mail"},
	"gateway/health/mail":                nil,
	"gateway/cmd/internal/config":        {"gateway/proxy", "gateway/certs", "gateway/health", "gateway/health/mail", "gateway/cmd/internal/host/conda", "gateway/cmd/internal/host/firewall", "gateway/cmd/internal/host/jupyter", "gateway/cmd/internal/host/service", "gateway/cmd/internal/host/sshd", "gateway/cmd/internal/host/user"},
	"gateway/cmd/internal/control":       nil,
	"gateway/cmd/internal/handover":      nil,
	"gateway/cmd/internal/host":          nil,
	"gateway/cmd/internal/host/account":  {"gateway/cmd/internal/host"},
	"gateway/cmd/internal/host/sshd":     {"gateway/cmd/internal/host", "gateway/cmd/internal/host/account"},
	"gateway/cmd/internal/host/firewall": {"gateway/cmd/internal/host", "gateway/cmd/internal/host/account"},
	"gateway/cmd/internal/host/user":     {"gateway/cmd/internal/host", "gateway/cmd/internal/host/account"},
	"gateway/cmd/internal/host/deadman":  {"gateway/cmd/internal/host", "gateway/cmd/internal/host/account"},
	"gateway/cmd/internal/host/hosttest": nil,
	"gateway/cmd/internal/host/conda":    {"gateway/cmd/internal/host", "gateway/cmd/internal/host/account"},
	"gateway/cmd/internal/host/jupyter":  {"gateway/cmd/internal/host", "gateway/cmd/internal/host/account"},
	"gateway/cmd/internal/host/service":  {"gateway/cmd/internal/host", "gateway/cmd/internal/host/account"},
	"gateway/cmd/internal/apache":        nil,
	"gateway/cmd/internal/bench":         nil,
	"gateway/cmd/internal/bench/plain":   nil,
	"gateway/cmd/internal/demo":          nil,
	"gateway/cmd/internal/manual":        nil,
	"gateway/cmd/internal/wechat":        {"gateway/certs"}, // which judges TLS and certificates of any server
}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

func TestRooms_ImportOnlyWhatThePlanAllows(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.ImportPath == "gateway/cmd/gateway" {
			continue
		}
		allowed, known := mayImport[p.ImportPath]
		if !known {
			t.Errorf("package %s is no room of the plan", p.ImportPath)
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "gateway/") && !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s: rooms talk through function values wired in cmd/gateway", p.ImportPath, imported)
			}
		}
	}
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "gateway/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listedPackage
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listedPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
