package proxy

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// h2spec (github.com/summerwind/h2spec) asks 145 questions about RFC 9113's
// grammar and state machine.
func TestServer_AnswersAllOfH2spec(t *testing.T) {
	binary, err := exec.LookPath("h2spec")
	if err != nil {
		home, _ := os.UserHomeDir()
		binary = filepath.Join(home, "go", "bin", "h2spec")
		if _, err := os.Stat(binary); err != nil {
			t.Skip("h2spec is not installed")
		}
	}
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) { wireEcho(w, r) })
	host, port, _ := net.SplitHostPort(lab.addr(wireTLS))
	out, err := exec.CommandContext(t.Context(), binary, "-t", "-k", "-h", host, "-p", port).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", regexp.MustCompile(`\d+ tests,.*`).Find(out))
}
