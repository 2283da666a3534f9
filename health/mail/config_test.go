package mail

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

func configRight() Config {
	c := DefaultConfig()
	c.From, c.To, c.Host = "Gateway <gateway@example.com>", []string{"admin@example.com"}, "smtp.example.com"
	c.User, c.PasswordFile = "gateway@example.com", "/etc/gateway/mail.password"
	return c
}

// configProblems returns what Validate reports, one "key: wrong: instead" a line.
func configProblems(validate func(Report)) string {
	var all strings.Builder
	validate(func(key, wrong, instead string) { fmt.Fprintf(&all, "%s: %s: %s\n", key, wrong, instead) })
	return all.String()
}

func TestConfig_IsReadFromTOML(t *testing.T) {
	c := DefaultConfig()
	meta, err := toml.Decode(`
from = "gateway@example.com"
to   = ["admin@example.com", "second@example.com"]
host = "smtp.example.com"
port = 465
security = "tls"
user = "gateway@example.com"
password_file = "/etc/gateway/mail.password"
test_on_start = false
timeout = "30s"
`, &c)
	if err != nil || len(meta.Undecoded()) > 0 {
		t.Fatal(err, meta.Undecoded())
	}
	if c.Timeout != 30*time.Second || c.RetryFor != 120*time.Hour || c.MaxQueue != 1000 || len(c.To) != 2 {
		t.Errorf("%+v", c)
	}
	if problems := configProblems(c.Validate); problems != "" {
		t.Error(problems)
	}
}

func TestConfig_WithoutMailHasNoProblem(t *testing.T) {
	c := DefaultConfig()
	if problems := configProblems(c.Validate); problems != "" || c.Enabled() {
		t.Error(problems)
	}
}

func TestConfig_FillsInPortSecurityAndSender(t *testing.T) {
	for _, test := range []struct {
		port     int
		security string
		want     string
	}{
		{0, "", "465 tls"}, {465, "", "465 tls"}, {994, "", "994 tls"}, {587, "", "587 starttls"}, {25, "", "25 starttls"}, {2525, "", "2525 starttls"},
		{0, "starttls", "587 starttls"}, {0, "none", "25 none"}, {25, "none", "25 none"}, {2465, "tls", "2465 tls"},
	} {
		c := Config{Port: test.port, Security: test.security}
		if got := fmt.Sprint(c.port(), " ", c.security()); got != test.want {
			t.Errorf("port %d, security %q: %s, want %s", test.port, test.security, got, test.want)
		}
	}
	if c := (Config{User: "me@qq.com"}); c.from() != "me@qq.com" {
		t.Errorf("the sender is %q", c.from())
	}
}

func TestConfig_ReportsEachMistakeWithWhatToWriteInstead(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"nothing", func(*Config) {}, nil},
		{"no host", func(c *Config) { c.Host = "" }, []string{"host: is missing", `host = "smtp.example.com"`}},
		{"host with port", func(c *Config) { c.Host = "smtp.example.com:465" }, []string{"host: ", "the port has its own key"}},
		{"IPv6 host", func(c *Config) { c.Host = "::1" }, nil},
		{"port", func(c *Config) { c.Port = 70000 }, []string{"port: 70000"}},
		{"starttls on 465", func(c *Config) { c.Port, c.Security = 465, "starttls" }, []string{"security: port 465", `security = "tls"`}},
		{"tls on 587", func(c *Config) { c.Port, c.Security = 587, "tls" }, []string{"security: port 587", "port = 465"}},
		{"security", func(c *Config) { c.Security = "ssl" }, []string{`security: "ssl" is unknown: one of "tls", "starttls", "none"`}},
		{"auth", func(c *Config) { c.Auth = "xoauth2" }, []string{`auth: "xoauth2" is unknown`}},
		{"lang", func(c *Config) { c.Lang = "fr" }, []string{`lang: "fr" is unknown: one of "en", "zh"`}},
		{"from", func(c *Config) { c.From = "gateway" }, []string{`from: "gateway" is not an address`}},
		{"no from", func(c *Config) { c.From, c.User = "", "gateway" }, []string{"from: is missing"}},
		{"to", func(c *Config) { c.To = []string{"admin@example.com", "x@y\r\nz"} }, []string{"to[1]: "}},
		{"no to", func(c *Config) { c.To = nil }, []string{"to: is missing"}},
		{"password in the file", func(c *Config) { c.PasswordFile, c.Password = "", "hunter2" }, []string{"password: is written in the file", `password = "$NAME"`}},
		{"password from a variable", func(c *Config) { c.PasswordFile, c.Password = "", "$SMTP_PASSWORD" }, nil},
		{"two passwords", func(c *Config) { c.Password = "$X" }, []string{"password: password and password_file are both given"}},
		{"no password", func(c *Config) { c.PasswordFile = "" }, []string{"password_file: is missing"}},
		{"no user", func(c *Config) { c.User = "" }, []string{"user: is missing"}},
		{"bare seconds", func(c *Config) { c.Timeout = 30 }, []string{"timeout: 30ns is too short", `"60s"`}},
		{"queue", func(c *Config) { c.MaxQueue = 0 }, []string{"max_queue: "}},
		{"hostname", func(c *Config) { c.Hostname = "my host" }, []string{"hostname: "}},
	} {
		c := configRight()
		test.change(&c)
		problems := configProblems(c.Validate)
		if test.want == nil && problems != "" {
			t.Errorf("%s: %s", test.name, problems)
		}
		for _, want := range test.want {
			if !strings.Contains(problems, want) {
				t.Errorf("%s: %q is missing in %q", test.name, want, problems)
			}
		}
		if strings.Contains(problems, "hunter2") {
			t.Errorf("%s: the password is shown in %q", test.name, problems)
		}
	}
}

func TestWebhookConfig_ReportsEachMistake(t *testing.T) {
	right := WebhookConfig{Kind: "wecom", URLFile: "/etc/gateway/wecom.url"}
	for _, test := range []struct {
		name   string
		change func(*WebhookConfig)
		want   string
	}{
		{"nothing", func(*WebhookConfig) {}, ""},
		{"no kind", func(c *WebhookConfig) { c.Kind = "" }, "kind: is missing"},
		{"kind", func(c *WebhookConfig) { c.Kind = "teams" }, `kind: "teams" is unknown`},
		{"when", func(c *WebhookConfig) { c.When = "never" }, "when: "},
		{"name", func(c *WebhookConfig) { c.Name = "mail" }, "name: "},
		{"no url", func(c *WebhookConfig) { c.URLFile = "" }, "url_file: is missing"},
		{"url in the file", func(c *WebhookConfig) { c.URLFile, c.URL = "", "https://hooks/secret-key" }, "url: is written in the file"},
		{"useless secret", func(c *WebhookConfig) { c.SecretFile = "/x" }, "secret_file: "},
		{"bare seconds", func(c *WebhookConfig) { c.Timeout = 15 }, "timeout: "},
	} {
		c := right
		test.change(&c)
		problems := configProblems(c.Validate)
		if test.want == "" && problems != "" || !strings.Contains(problems, test.want) || strings.Contains(problems, "secret-key") {
			t.Errorf("%s: %q", test.name, problems)
		}
	}
	two := configProblems(func(r Report) { ValidateWebhooks([]WebhookConfig{right, right}, r) })
	if !strings.Contains(two, `[1].name: "wecom" is also the name of webhook number 1`) {
		t.Error(two)
	}
}

func TestCheckFiles_ReportsWhatTheTableNames(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	plain := filepath.Join(dir, "plain.url")
	for path, content := range map[string]string{open: "x", plain: "http://hooks.example.com/verysecretkey"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	c := configRight()
	c.PasswordFile, c.CAFile = open, filepath.Join(dir, "no-ca.pem")
	problems := configProblems(c.CheckFiles)
	if !strings.Contains(problems, "password_file: ") || !strings.Contains(problems, "chmod 600") || !strings.Contains(problems, "ca_file: ") {
		t.Error(problems)
	}
	problems = configProblems(WebhookConfig{Kind: "slack", URLFile: plain}.CheckFiles)
	if !strings.Contains(problems, "url_file: ") || !strings.Contains(problems, "write https://") || strings.Contains(problems, "verysecretkey") {
		t.Error(problems)
	}
}

func TestSecret_PrintsAsHiddenEverywhere(t *testing.T) {
	s := NewSecret("hunter2")
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "secret", s, "nested", struct{ S Secret }{s})
	encoded, err := json.Marshal(map[string]any{"s": s, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	text := logged.String() + string(encoded) + fmt.Sprintf("%v %+v %#v %s %q %x %d %v %+v", s, s, s, s, s, s, s, &s, struct{ S Secret }{s})
	if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("the secret is in %q", text)
	}
	if s.Reveal() != "hunter2" {
		t.Error("the secret is lost")
	}
}

func TestSecretSource_ReadsAFileAsEditorsWriteIt(t *testing.T) {
	for content, want := range map[string]string{"hunter2\n": "hunter2", "\ufeffhunter2\r\n": "hunter2", " a b ": "a b"} {
		got, err := SecretSource{File: smtpdSecretFile(t, content)}.Read()
		if err != nil || got.Reveal() != want {
			t.Errorf("%q: %v", content, err)
		}
	}
	for _, content := range []string{"", "two\nlines"} {
		if _, err := (SecretSource{File: smtpdSecretFile(t, content)}).Read(); err == nil {
			t.Errorf("%q is taken for a secret", content)
		}
	}
	t.Setenv("MAIL_TEST_SECRET", "hunter2")
	if got, err := (SecretSource{Env: "$MAIL_TEST_SECRET"}).Read(); err != nil || got.Reveal() != "hunter2" {
		t.Error(err)
	}
	if _, err := (SecretSource{Env: "$MAIL_TEST_UNSET"}).Read(); err == nil || !strings.Contains(err.Error(), "MAIL_TEST_UNSET") {
		t.Error(err)
	}
}
