package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
)

// findPlain builds the proxy that Go's standard library makes in a few lines.
func findPlain(dir string, _ func(string)) (contender, error) {
	path := filepath.Join(dir, "plain")
	build := exec.Command("go", "build", "-o", path, "gateway/cmd/internal/bench/plain")
	if out, err := build.CombinedOutput(); err != nil {
		return contender{}, fmt.Errorf("%s: %w: %s", build, err, out)
	}
	return contender{name: "httputil", program: path, version: runtime.Version(), configure: configurePlain}, nil
}

func configurePlain(s site) ([]string, error) {
	return []string{
		"-listen", "127.0.0.1:" + strconv.Itoa(s.port),
		"-backend", "http://" + s.backend,
		"-certificate", s.certificate,
		"-key", s.key,
		"-log", s.file("access.log"),
	}, nil
}
