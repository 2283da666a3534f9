package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// arena is what every subject serves: one site with TLS in front of two backends,
// and at times another site.
type arena struct {
	dir             string
	ca              *authority
	port, extra     int // of the site, and of the one that comes and goes
	api, stream     string
	certificates    [2]string // folders
	joined          [2]string // files with the certificate, its chain and its key
	socket, journal string
}

// revision is how the file looks after some reloads.
type revision struct {
	certificate int
	another     bool // site
	idle        int  // seconds that a connection may be idle
}

func revisionAt(i int) revision { return revision{certificate: i % 2, another: i%3 == 0, idle: 60 + i} }

// subject is a proxy that is changed under load.
type subject interface {
	name() string
	start(t *testing.T, a *arena) error // an error: it cannot be had here
	reload(i int) error
	upgrade() error // errors.ErrUnsupported: it knows no such thing
}

// gatewaySubject is what all this is about.
type gatewaySubject struct {
	*world
	arena *arena
}

func (g *gatewaySubject) name() string { return "gateway" }

func (g *gatewaySubject) start(t *testing.T, a *arena) error {
	g.arena, g.world = a, &world{t: t, ca: a.ca, port: a.port, config: filepath.Join(a.dir, "config.toml")}
	g.write(g.file(revisionAt(1)))
	g.gateway = startProcess(t, builtGateway(t), "run", "-c", g.config)
	g.gateway.waitFor("serving")
	return nil
}

func (g *gatewaySubject) file(v revision) string {
	site := func(name string, port int) string {
		return fmt.Sprintf("[[site]]\nname = %q\nlisten = [\"127.0.0.1:%d\"]\ncertificate = \"files\"\nfiles = %q\nbackend = \"api\"\n", name, port, g.arena.certificates[v.certificate])
	}
	text := fmt.Sprintf("state = %q\n[log]\naccess = %q\n[admin]\nsocket = %q\n[timeouts]\nidle = \"%ds\"\n",
		filepath.Join(g.arena.dir, "state"), filepath.Join(g.arena.dir, "access.log"), g.arena.socket, v.idle) +
		site("api.example.com", g.arena.port) + "[[site.route]]\npath = \"/streams/\"\nbackend = \"streams\"\n"
	if v.another {
		text += site("other.example.com", g.arena.extra)
	}
	return text + fmt.Sprintf("[[backend]]\nname = \"api\"\nurl = \"http://%s\"\n[[backend]]\nname = \"streams\"\nurl = \"http://%s\"\n", g.arena.api, g.arena.stream)
}

func (g *gatewaySubject) reload(i int) error {
	if !g.reloadTo(g.file(revisionAt(i))) {
		return errors.New("the file was not taken over")
	}
	return nil
}

func (g *gatewaySubject) upgrade() error {
	if g.upgradedBeside() == 0 {
		return errors.New("no other process took over")
	}
	return nil
}

// nginxSubject is set up as nginx's own documentation recommends it.
type nginxSubject struct {
	t      *testing.T
	arena  *arena
	binary string
	master int
}

func (n *nginxSubject) name() string {
	out, err := exec.Command(n.binary, "-v").CombinedOutput()
	if err != nil {
		return "nginx"
	}
	return "nginx " + strings.TrimSpace(strings.TrimPrefix(string(out), "nginx version: nginx/"))
}

func (n *nginxSubject) path(name string) string { return filepath.Join(n.arena.dir, name) }

func (n *nginxSubject) start(t *testing.T, a *arena) (err error) {
	n.t, n.arena = t, a
	if n.binary, err = exec.LookPath("nginx"); err != nil {
		return err
	}
	writeFile(t, a.dir, "nginx.conf", n.file(revisionAt(1)))
	p := startProcess(t, n.binary, "-p", a.dir, "-e", n.path("error.log"), "-c", n.path("nginx.conf"), "-g", "daemon off;")
	n.master = p.cmd.Process.Pid
	return nil
}

func (n *nginxSubject) file(v revision) string {
	server := func(name string, port int) string {
		return fmt.Sprintf(`
	server {
		listen 127.0.0.1:%d ssl http2;
		server_name %s;
		ssl_certificate %s;
		ssl_certificate_key %[3]s;
		location / { proxy_pass http://api; proxy_set_header Connection ""; }
		location /streams/ {
			proxy_pass http://streams;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $connection_upgrade;
			proxy_read_timeout 1h;
		}
	}`, port, name, n.arena.joined[v.certificate])
	}
	text := fmt.Sprintf(`worker_processes 2;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
	access_log %[1]s/access.log combined;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	keepalive_timeout %[2]ds;
	proxy_http_version 1.1;
	proxy_set_header Host $http_host;
	map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
	upstream api { server %[3]s; keepalive 64; }
	upstream streams { server %[4]s; }`, n.arena.dir, v.idle, n.arena.api, n.arena.stream)
	if syscall.Geteuid() == 0 {
		text = "user root;\n" + text
	}
	text += server("api.example.com", n.arena.port)
	if v.another {
		text += server("other.example.com", n.arena.extra)
	}
	return text + "\n}\n"
}

func (n *nginxSubject) reload(i int) error {
	writeFile(n.t, n.arena.dir, "nginx.conf", n.file(revisionAt(i)))
	return syscall.Kill(n.master, syscall.SIGHUP)
}

// nginx says only in its log that it refuses an upgrade: while the master before
// has workers left, because of WebSockets or downloads.
const refusedAfter = 2 * time.Second

var errNotTaken = errors.New("the program goes on as it is")

// upgrade follows "Upgrading Executable on the Fly" of nginx's documentation.
func (n *nginxSubject) upgrade() error {
	if err := syscall.Kill(n.master, syscall.SIGUSR2); err != nil {
		return err
	}
	next, err := n.successor()
	if err != nil {
		return err
	}
	endWithTest(n.t, next)
	err = syscall.Kill(n.master, syscall.SIGQUIT)
	n.master = next
	return err
}

// successor waits for the pid of the new master.
func (n *nginxSubject) successor() (int, error) {
	look, over := time.NewTicker(20*time.Millisecond), time.After(refusedAfter)
	defer look.Stop()
	for {
		text, _ := os.ReadFile(n.path("nginx.pid")) // is another file for a moment
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid != n.master {
			return pid, nil
		}
		select {
		case <-look.C:
		case <-over:
			return 0, errNotTaken
		}
	}
}

// haproxySubject runs HAProxy's master and worker. Its reload executes the program
// anew, so that it is its upgrade, too.
type haproxySubject struct {
	t       *testing.T
	arena   *arena
	binary  string
	process *process
}

func (h *haproxySubject) name() string {
	out, err := exec.Command(h.binary, "-v").Output()
	if words := strings.Fields(string(out)); err == nil && len(words) > 2 {
		return "HAProxy " + strings.SplitN(words[2], "-", 2)[0]
	}
	return "HAProxy"
}

func (h *haproxySubject) start(t *testing.T, a *arena) (err error) {
	h.t, h.arena = t, a
	if h.binary, err = exec.LookPath("haproxy"); err != nil {
		return err
	}
	path := writeFile(t, a.dir, "haproxy.cfg", h.file(revisionAt(1)))
	h.process = startProcess(t, h.binary, "-W", "-S", a.socket, "-f", path)
	h.process.waitFor("Loading success")
	return nil
}

func (h *haproxySubject) file(v revision) string {
	frontend := func(name string, port int) string {
		return fmt.Sprintf(`
frontend %s
	bind 127.0.0.1:%d ssl crt %s alpn h2,http/1.1
	use_backend streams if { path_beg /streams/ }
	default_backend api
`, name, port, h.arena.joined[v.certificate])
	}
	text := fmt.Sprintf(`global
	stats socket %s mode 600 level admin expose-fd listeners
	log stdout format raw local0
	nbthread 2
defaults
	mode http
	log global
	option httplog
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	timeout tunnel 1h
	timeout http-keep-alive %ds
backend api
	server api %s
backend streams
	server streams %s
`, h.arena.socket+".stats", v.idle, h.arena.api, h.arena.stream) + frontend("site", h.arena.port)
	if v.another {
		text += frontend("other", h.arena.extra)
	}
	return text
}

func (h *haproxySubject) reload(i int) error {
	writeFile(h.t, h.arena.dir, "haproxy.cfg", h.file(revisionAt(i)))
	return h.upgrade()
}

// upgrade is not taken if the signal comes while HAProxy is replacing its own
// program, when it loses it.
func (h *haproxySubject) upgrade() error {
	h.process.signal(syscall.SIGUSR2)
	if _, ok := h.process.printed("Loading success", 10*time.Second); !ok {
		return errNotTaken
	}
	return nil
}

// caddyModule is built apart from our own module, which it would fill with its
// dependencies.
const caddyModule = "github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.9"

// caddySubject is Caddy with its defaults, or with the setting that keeps
// WebSockets over a reload.
type caddySubject struct {
	delay  string // stream_close_delay; "": the default
	t      *testing.T
	arena  *arena
	binary string
}

func (c *caddySubject) name() string {
	_, version, _ := strings.Cut(caddyModule, "@v")
	if c.delay != "" {
		return "Caddy " + version + ", stream_close_delay " + c.delay
	}
	return "Caddy " + version
}

func (c *caddySubject) start(t *testing.T, a *arena) (err error) {
	c.t, c.arena = t, a
	if c.binary, err = installed(caddyModule); err != nil {
		return err
	}
	path := writeFile(t, a.dir, "Caddyfile", c.file(revisionAt(1)))
	startProcess(t, "/usr/bin/env", "HOME="+a.dir, "XDG_DATA_HOME="+a.dir, "XDG_CONFIG_HOME="+a.dir, c.binary, "run", "--config", path).waitFor("serving initial configuration")
	return nil
}

func (c *caddySubject) file(v revision) string {
	streams := fmt.Sprintf("reverse_proxy %s", c.arena.stream)
	if c.delay != "" {
		streams += " {\n\t\t\tstream_close_delay " + c.delay + "\n\t\t}"
	}
	site := func(name string, port int) string {
		return fmt.Sprintf(`
https://%s:%d {
	bind 127.0.0.1
	tls %s %[3]s
	log {
		output file %s/access.log
	}
	handle /streams/* {
		%s
	}
	handle {
		reverse_proxy %s
	}
}
`, name, port, c.arena.joined[v.certificate], c.arena.dir, streams, c.arena.api)
	}
	text := fmt.Sprintf("{\n\tadmin unix/%s\n\tauto_https disable_redirects\n\tpersist_config off\n\tservers {\n\t\tprotocols h1 h2\n\t\ttimeouts {\n\t\t\tidle %ds\n\t\t}\n\t}\n}\n", c.arena.socket, v.idle) +
		site("api.example.com", c.arena.port)
	if v.another {
		text += site("other.example.com", c.arena.extra)
	}
	return text
}

func (c *caddySubject) reload(i int) error {
	path := writeFile(c.t, c.arena.dir, "Caddyfile", c.file(revisionAt(i)))
	command := exec.Command(c.binary, "reload", "--config", path)
	command.Env = append(os.Environ(), "HOME="+c.arena.dir)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (c *caddySubject) upgrade() error { return errors.ErrUnsupported }

// installed builds a program apart from our own module, once.
func installed(module string) (path string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	install := exec.Command("go", "install", module)
	install.Dir = os.TempDir()
	install.Env = append(os.Environ(), "GOBIN="+filepath.Join(cache, "gateway-test"), "GOFLAGS=")
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install %s: %w: %s", module, err, out)
	}
	program, _, _ := strings.Cut(module, "@")
	return filepath.Join(cache, "gateway-test", filepath.Base(program)), nil
}
