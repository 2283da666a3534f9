package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"gateway/certs"
	"gateway/cmd/internal/host/hosttest"
)

const jupyterConfig = `state = "/var/lib/gateway"
[[site]]
name = "lab.example.com"   # what people type
listen = [":443"]
certificate = "local"
backend = "api"

[[backend]]
name = "api"
url = "http://localhost:7878"

# JupyterHub
[setup.jupyter]
prefix = "/usr"
users = ["alice"]
`

// The JupyterHub is Debian's, the login is PAM's, the server is started as the
// user: nothing in this is a stand-in but that its environment is not conda's.
func TestJupyter_ARealHubBehindGatewayLogsInRunsAndUploads(t *testing.T) {
	t.Parallel()
	if !hosttest.Inside() {
		h := hosttest.Boot(t, hosttest.Options{
			Packages: []string{"jupyterhub", "jupyter-notebook", "python3-ipykernel"},
			Seed:     "useradd -m -s /bin/bash alice; useradd -m bob; printf 'alice:open sesame\\nbob:open sesame\\n' | chpasswd",
		})
		h.PutGateway(t)
		h.Self(t, t.Name())
		if got := h.Port(t, hosttest.Address, 8000) + " " + h.Port(t, hosttest.Address, 443); got != "closed open" {
			t.Errorf("from outside, the hub's own port and gateway's are %s", got)
		}
		jupyterUndone(t, h)
		return
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(jupyterRun(t, "sh", "-c", "journalctl -u gateway --no-pager | tail -50; tail -n 50 /var/lib/gateway/*/*.log"))
		}
	})
	jupyterSetUp(t)
	browser := jupyterBrowser(t)
	if browser.login(t, "bob", "open sesame") {
		t.Error("a user whom [setup.jupyter] does not name was let in")
	}
	if browser.login(t, "alice", "wrong") {
		t.Error("a wrong password was accepted")
	}
	if !browser.login(t, "alice", "open sesame") {
		t.Fatal("the right password was refused")
	}
	browser.spawned(t)
	browser.runs(t)
	browser.uploads(t)
	jupyterKnowsThePassword(t)
}

// jupyterKnowsThePassword asks Jupyter itself whether a hash of gateway's fits.
func jupyterKnowsThePassword(t *testing.T) {
	t.Helper()
	cmd := exec.Command(hosttest.GatewayPath, "setup", "jupyter", "password", "--user", "alice", "--yes")
	cmd.Stdin = strings.NewReader("öffne dich\n")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "argon2") {
		t.Errorf("%v, printed %s", err, out)
	}
	const file = "/home/alice/.jupyter/jupyter_server_config.json"
	const script = `import json, sys; from notebook.auth.security import passwd_check
hash = json.load(open(sys.argv[1]))["IdentityProvider"]["hashed_password"]
print(passwd_check(hash, "öffne dich"), passwd_check(hash, "other"))`
	if got := jupyterRun(t, "python3", "-c", script, file); got != "True False\n" {
		t.Errorf("Jupyter says %s", got)
	}
	if got := jupyterRun(t, "stat", "-c", "%a %U", file, "/home/alice/.jupyter"); got != "600 alice\n700 alice\n" {
		t.Errorf("modes and owners: %s", got)
	}
	jupyterGateway(t, "setup", "undo", "--yes")
}

// jupyterCondaSeed is a stand-in for conda, which makes an environment with
// programs that do no more than to tell their version. The real one needs its
// channels, which can't be reached from where the tests run.
const jupyterCondaSeed = `useradd -m alice
mkdir -p /opt/conda/bin /opt/conda/conda-meta /opt/conda/pkgs /etc/gateway
touch /opt/conda/conda-meta/history
cat >/opt/conda/bin/conda <<'END'
#!/bin/sh
[ "$1" = create ] || exit 2
while [ "$1" != -p ]; do shift; done
at=$2
shift 2
mkdir -p "$at/bin" "$at/conda-meta"
touch "$at/conda-meta/history"
for spec; do echo '{}' >"$at/conda-meta/${spec%%=*}-${spec#*=}-0.json"; done
printf '#!/bin/sh\n[ "$1" = --version ] && echo 5.2.1\n' >"$at/bin/jupyterhub"
chmod 777 "$at/bin/jupyterhub"
END
chmod 755 /opt/conda/bin/conda
`

func TestJupyter_AnEnvironmentOfItsOwnComesAndGoes(t *testing.T) {
	t.Parallel()
	h := hosttest.Boot(t, hosttest.Options{Seed: jupyterCondaSeed})
	h.PutGateway(t)
	h.Write(t, defaultConfig, strings.Replace(jupyterConfig, `prefix = "/usr"`, `port = 9000`, 1), 0o600)
	before := h.Tree(t, "/var/lib/gateway")
	for _, want := range []string{"Done.", "There is nothing to do."} {
		if r := h.Gateway(t, "setup", "apply", "jupyter", "--yes"); r.Code != 0 || !strings.Contains(r.Stdout, want) {
			t.Fatalf("apply ended with %d:\n%s%s", r.Code, r.Stdout, r.Stderr)
		}
	}
	if got := h.Run(t, "stat", "-c", "%a %U", "/opt/jupyter/bin/jupyterhub", defaultConfig, "/var/lib/jupyterhub"); got != "755 root\n600 root\n700 root\n" {
		t.Errorf("modes and owners: %s", got)
	}
	if got := h.Run(t, "cat", defaultConfig); !strings.Contains(got, "[[site.route]]\npath = \"/jupyter/\"\nbackend = \"jupyter\"\n") || !strings.Contains(got, `url = "http://127.0.0.1:9000"`) {
		t.Errorf("gateway's file is\n%s", got)
	}
	if r := h.Gateway(t, "setup", "undo", "--yes"); r.Code != 0 {
		t.Errorf("undo ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if left := before.Diff(h.Tree(t, "/var/lib/gateway")); left != "" {
		t.Errorf("undo has left this:\n%s", left)
	}
}

func TestJupyter_AHubThatDoesNotStartIsTakenBack(t *testing.T) {
	t.Parallel()
	h := hosttest.Boot(t, hosttest.Options{Seed: jupyterCondaSeed + "sed -i 's/echo 5.2.1/exit 1/' /opt/conda/bin/conda"})
	h.PutGateway(t)
	h.Write(t, defaultConfig, strings.Replace(jupyterConfig, `prefix = "/usr"`, `port = 9000`, 1), 0o600)
	before := h.Tree(t, "/var/lib/gateway")
	r := h.Gateway(t, "setup", "apply", "jupyter", "--yes")
	if r.Code != exitFailed || !strings.Contains(r.Stderr, "JupyterHub does not start") || !strings.Contains(r.Stderr, "everything that was done was taken back") {
		t.Errorf("apply ended with %d:\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if left := before.Diff(h.Tree(t, "/var/lib/gateway")); left != "" {
		t.Errorf("it has left this:\n%s", left)
	}
}

func TestJupyterPassword_PrintsAHashAndNothingElse(t *testing.T) {
	for in, want := range map[string]int{"secret\n": exitDone, "secret": exitDone, "\n": exitFailed, "": exitFailed} {
		var stdout, stderr strings.Builder
		root := newRoot()
		root.SetArgs([]string{"setup", "jupyter", "password"})
		root.SetIn(strings.NewReader(in))
		root.SetOut(&stdout)
		root.SetErr(&stderr)
		err := root.Execute()
		if (err == nil) != (want == exitDone) || err == nil && (!strings.HasPrefix(stdout.String(), "argon2:$argon2id$") || strings.Count(stdout.String(), "\n") != 1) {
			t.Errorf("%q: %v, printed %q", in, err, stdout.String())
		}
		if strings.Contains(stdout.String()+stderr.String(), "secret") {
			t.Errorf("the password was printed: %s%s", stdout.String(), stderr.String())
		}
	}
}

func TestCondaEnv_RefusesNamesThatAreNone(t *testing.T) {
	for _, args := range [][]string{{"add"}, {"add", "base"}, {"add", "../x"}, {"add", "x", "--", "--file=/etc/shadow"}, {"remove"}, {"remove", "a", "b"}, {"list", "x"}} {
		var out strings.Builder
		if code := run(append([]string{"setup", "conda", "env"}, args...), &out, &out); code != exitUsage {
			t.Errorf("%q: exit code %d, %s", args, code, out.String())
		}
	}
}

// jupyterUndone takes the hub out of gateway's file again, and gives Debian's
// service back.
func jupyterUndone(t *testing.T, h *hosttest.Host) {
	t.Helper()
	h.Run(t, "systemctl", "stop", "gateway")
	if r := h.Gateway(t, "setup", "undo", "--yes"); r.Code != 0 {
		t.Errorf("undo ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if text := h.Run(t, "cat", defaultConfig); text != jupyterConfig {
		t.Errorf("after undo the file is\n%s", text)
	}
	if got := h.Run(t, "systemctl", "is-enabled", "jupyterhub"); got != "enabled\n" {
		t.Errorf("after undo Debian's own service is %s", got)
	}
}

// jupyterSetUp lets gateway make the hub its backend, and starts gateway.
func jupyterSetUp(t *testing.T) {
	t.Helper()
	jupyterMust(t, os.MkdirAll("/etc/gateway", 0o755))
	jupyterMust(t, os.WriteFile(defaultConfig, []byte(jupyterConfig), 0o640))
	jupyterGateway(t, "setup", "apply", "jupyter", "--yes")
	if out := jupyterGateway(t, "setup", "apply", "--yes"); !strings.Contains(out, "There is nothing to do.") {
		t.Errorf("a second time: %s", out)
	}
	text, err := os.ReadFile(defaultConfig)
	jupyterMust(t, err)
	for line := range strings.Lines(jupyterConfig) {
		if !strings.Contains(string(text), line) {
			t.Errorf("%q is not in the file any more", line)
		}
	}
	jupyterRun(t, "systemd-run", "--quiet", "--unit=gateway", hosttest.GatewayPath, "run")
}

func jupyterGateway(t *testing.T, args ...string) string {
	t.Helper()
	return jupyterRun(t, append([]string{hosttest.GatewayPath}, args...)...)
}

func jupyterRun(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

func jupyterMust(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// jupyterClient is a browser that trusts gateway's own authority, and finds the
// site on this machine.
type jupyterClient struct {
	http.Client
	base string
}

func jupyterBrowser(t *testing.T) *jupyterClient {
	t.Helper()
	jar, err := cookiejar.New(nil)
	jupyterMust(t, err)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: jupyterAuthority(t)},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:443")
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &jupyterClient{Client: http.Client{Jar: jar, Transport: transport, Timeout: time.Minute}, base: "https://lab.example.com/jupyter/"}
}

// jupyterAuthority waits until gateway has made it.
func jupyterAuthority(t *testing.T) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	eventually(t, "gateway's own authority", func() bool {
		pem, err := os.ReadFile(certs.LocalRoot("/var/lib/gateway"))
		return err == nil && pool.AppendCertsFromPEM(pem)
	})
	return pool
}

// ask makes a request with the token that Jupyter wants in every one that changes something.
func (b *jupyterClient) ask(t *testing.T, method, path string, body any) (int, []byte) {
	t.Helper()
	content, err := json.Marshal(body)
	jupyterMust(t, err)
	request, err := http.NewRequestWithContext(t.Context(), method, b.base+path, bytes.NewReader(content))
	jupyterMust(t, err)
	request.Header.Set("Accept", "text/html,*/*") // the hub answers 500 to a request without
	for _, cookie := range b.Jar.Cookies(request.URL) {
		if cookie.Name == "_xsrf" {
			request.Header.Set("X-XSRFToken", cookie.Value)
		}
	}
	response, err := b.Do(request)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	jupyterMust(t, err)
	return response.StatusCode, answer
}

// login fills in the form, and tells whether that leads away from it.
func (b *jupyterClient) login(t *testing.T, user, password string) bool {
	t.Helper()
	eventually(t, "the login page", func() bool {
		code, _ := b.ask(t, http.MethodGet, "hub/login", nil)
		return code == http.StatusOK
	})
	at, err := url.Parse(b.base + "hub/login")
	jupyterMust(t, err)
	form := url.Values{"username": {user}, "password": {password}}
	for _, cookie := range b.Jar.Cookies(at) {
		if cookie.Name == "_xsrf" {
			form.Set("_xsrf", cookie.Value)
		}
	}
	response, err := b.PostForm(at.String(), form)
	jupyterMust(t, err)
	defer response.Body.Close()
	return !strings.HasSuffix(response.Request.URL.Path, "/hub/login")
}

// spawned waits until the user's own server answers.
func (b *jupyterClient) spawned(t *testing.T) {
	t.Helper()
	eventually(t, "the user's server", func() bool {
		code, body := b.ask(t, http.MethodGet, "user/alice/tree", nil)
		return code == http.StatusOK && strings.Contains(string(body), "notebook")
	})
}

// runs has a kernel say who it runs as, over a WebSocket.
func (b *jupyterClient) runs(t *testing.T) {
	t.Helper()
	code, body := b.ask(t, http.MethodPost, "user/alice/api/kernels", map[string]string{"name": "python3"})
	var kernel struct{ ID string }
	if err := json.Unmarshal(body, &kernel); err != nil || code != http.StatusCreated {
		t.Fatalf("start a kernel: %d, %s", code, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, strings.Replace(b.base, "https:", "wss:", 1)+"user/alice/api/kernels/"+kernel.ID+"/channels",
		&websocket.DialOptions{HTTPClient: &b.Client, HTTPHeader: http.Header{"Origin": {"https://lab.example.com"}}})
	jupyterMust(t, err)
	defer socket.CloseNow()
	socket.SetReadLimit(1 << 20)
	jupyterMust(t, wsjson.Write(ctx, socket, map[string]any{
		"header":        map[string]string{"msg_id": "1", "msg_type": "execute_request", "username": "alice", "session": "s", "version": "5.3"},
		"parent_header": map[string]any{}, "metadata": map[string]any{}, "channel": "shell",
		"content": map[string]any{"code": "import getpass; print(getpass.getuser(), 6*7)", "silent": false, "store_history": false, "user_expressions": map[string]any{}, "allow_stdin": false},
	}))
	for {
		var message struct {
			Type    string `json:"msg_type"`
			Content struct{ Text string }
		}
		if err := wsjson.Read(ctx, socket, &message); err != nil {
			t.Fatalf("the kernel printed nothing: %v", err)
		}
		if message.Type == "stream" {
			if message.Content.Text != "alice 42\n" {
				t.Errorf("the kernel printed %q", message.Content.Text)
			}
			return
		}
	}
}

// uploads sends a file as the page of notebooks does.
func (b *jupyterClient) uploads(t *testing.T) {
	t.Helper()
	content := make([]byte, 5<<20)
	_, err := rand.Read(content)
	jupyterMust(t, err)
	code, body := b.ask(t, http.MethodPut, "user/alice/api/contents/data.bin", map[string]string{
		"type": "file", "format": "base64", "content": base64.StdEncoding.EncodeToString(content),
	})
	if code != http.StatusCreated {
		t.Fatalf("the upload ended with %d, %.300s", code, body)
	}
	if got, err := os.ReadFile("/home/alice/data.bin"); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes arrived, %v", len(got), err)
	}
	if owner := jupyterRun(t, "stat", "-c", "%U", "/home/alice/data.bin"); owner != "alice\n" {
		t.Errorf("the file is %s's", owner)
	}
}
