package main

import (
	"slices"
	"testing"
	"time"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host/jupyter"
	"gateway/cmd/internal/host/service"
)

func serviceParts(t *testing.T, text string) setupParts {
	t.Helper()
	path := writeFile(t, t.TempDir(), "config.toml", text)
	c, err := config.LoadForSetup(path, true)
	if err != nil {
		t.Fatal(err)
	}
	return setupParts{Config: c, path: path}
}

func TestServiceStep_KnowsWhatGatewayReadsWritesAndStarts(t *testing.T) {
	p := serviceParts(t, `[log]
access = "/var/log/gateway/access.log"
[timeouts]
drain = "1m"
upgraded = "5s"
[mail]
password_file = "mail.password"
[acme]
eab_key_file = "/etc/gateway/eab.key"
[[webhook]]
kind = "wecom"
url_file = "/etc/gateway/wecom.url"
[[site]]
name = "a.example.com"
listen = [":443", "http://:80"]
certificate = "files"
files = ["/etc/gateway/ssl/a.crt", "/etc/gateway/ssl/a.key"]
auth_file = "/etc/gateway/staff"
backend = "api"
[[site.route]]
path = "/x/"
root = "/srv/www"
[[backend]]
name = "api"
url = "http://127.0.0.1:1"
command = ["./run.sh"]
user = "api"
dir = "/srv/api"
log = "/var/log/gateway/api.log"
env_file = "/etc/gateway/api.env"
stop_grace = "2m"
oom_score = -5
rlimit.nofile = 100000
[[backend]]
name = "other"
url = "http://127.0.0.1:2"
`)
	got := aroundService(p)
	wanted := []string{"/etc/gateway/api.env", "/etc/gateway/eab.key", "/etc/gateway/ssl/a.crt", "/etc/gateway/ssl/a.key", "/etc/gateway/staff", "/etc/gateway/wecom.url", "/srv/www"}
	for _, path := range wanted {
		if !slices.Contains(got.Reads, path) {
			t.Errorf("%s is missing in %v", path, got.Reads)
		}
	}
	if len(got.Reads) != len(wanted)+1 { // and the password, from the folder of the file
		t.Errorf("it reads %v", got.Reads)
	}
	if want := []string{"/var/log/gateway/access.log", "/var/log/gateway/api.log"}; !slices.Equal(got.Logs, want) {
		t.Errorf("it writes %v", got.Logs)
	}
	if want := []service.Backend{{User: "api", Dir: "/srv/api", Spared: true}}; !slices.Equal(got.Backends, want) || got.Limits["LimitNOFILE"] != 100000 {
		t.Errorf("it starts %+v with %v", got.Backends, got.Limits)
	}
	if want := []service.Address{{Network: "tcp", Address: ":443"}, {Network: "tcp", Address: ":80"}}; !slices.Equal(got.Listen, want) {
		t.Errorf("it listens on %v", got.Listen)
	}
	if least := 65*time.Second + 2*time.Minute; got.StopsWithin < least || got.StopsWithin > least+time.Minute {
		t.Errorf("it stops within %v", got.StopsWithin)
	}
}

func TestServiceStep_KnowsTheHubThatAnotherStepAdds(t *testing.T) {
	p := serviceParts(t, "[setup.service]\n")
	usual := jupyter.Default()
	p.Setup.Jupyter = &usual
	if got := aroundService(p).Backends; !slices.Equal(got, []service.Backend{{User: "root"}}) {
		t.Errorf("it starts %+v", got)
	}
}
