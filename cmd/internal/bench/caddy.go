package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// caddyVersion is the release that is measured. "go install" makes it, since
// Debian's is years older.
const caddyVersion = "v2.11.9"

// findCaddy looks for the pinned release where an earlier run has put it, or
// installs it there, which needs the network and some minutes.
func findCaddy(_ string, tell func(string)) (contender, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return contender{}, fmt.Errorf("a folder for Caddy: %w", err)
	}
	dir := filepath.Join(cache, "gateway-bench", "caddy-"+caddyVersion)
	path := filepath.Join(dir, "caddy")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		install := exec.Command("go", "install", "github.com/caddyserver/caddy/v2/cmd/caddy@"+caddyVersion)
		tell("installing Caddy, which takes some minutes the first time: " + install.String())
		install.Env = append(install.Environ(), "GOBIN="+dir)
		if out, err := install.CombinedOutput(); err != nil {
			return contender{}, fmt.Errorf("%s: %w: %.500s", install, err, out)
		}
	}
	return contender{name: "caddy", program: path, version: caddyVersion[1:], configure: configureCaddy}, nil
}

func configureCaddy(s site) ([]string, error) {
	path, err := s.write("Caddyfile", fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https disable_redirects
	storage file_system %s
	servers {
		protocols h1 h2
		timeouts {
			idle 10m
		}
	}
}
https://%s:%d {
	bind 127.0.0.1
	tls %s %s
	log {
		output file %s
	}
	reverse_proxy %s {
		transport http {
			keepalive_idle_conns_per_host 256
		}
	}
}
`, s.file("storage"), siteName, s.port, s.certificate, s.key, s.file("access.log"), s.backend))
	return []string{"run", "--config", path, "--adapter", "caddyfile"}, err
}
