package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"gateway/cmd/internal/host/conda"
	"gateway/cmd/internal/host/user"
	"gateway/health"
	"gateway/health/mail"
	"gateway/proxy"
)

// A line of the example that shows a setting which is off, or its header.
var exampleSetting = regexp.MustCompile(`(?m)^# (\[.*\]|[a-z0-9_]+ = .*)$`)

func exampleText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "config.example.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// exampleDecoded is the example with every line switched on.
func exampleDecoded(t *testing.T) (*Config, *lineIndex) {
	t.Helper()
	text := exampleSetting.ReplaceAllString(exampleText(t), "$1")
	index := indexLines(text)
	f := newFindings("config.example.toml", index)
	config := decodeText(text, "/etc/gateway", f)
	if problems := f.sorted(); problems != nil {
		t.Fatalf("with every setting switched on:\n%v", problems)
	}
	return config, index
}

func TestExample_LoadsAsItStandsWhereItsFoldersExist(t *testing.T) {
	root := t.TempDir()
	for _, folder := range []string{"/etc/gateway/ssl", "/var/lib/gateway", "/run/gateway"} {
		if err := os.MkdirAll(root+folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text := exampleText(t) + "socket = \"/run/gateway/gateway.sock\"\n"
	text = strings.Replace(text, "\n# state =", "\nstate =", 1)
	text = regexp.MustCompile(`"/(etc|var|run)/`).ReplaceAllString(text, `"`+root+`/$1/`)
	path := filepath.Join(root, "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err != nil {
		t.Error(err)
	}
}

func TestExample_NamesEveryKeyOfTheSchema(t *testing.T) {
	_, index := exampleDecoded(t)
	named := map[string]bool{}
	for path := range index.at {
		named[schemaKey(path)] = true
	}
	eachKey(reflect.TypeFor[Config](), "", func(path string, _ field) {
		if !named[path] {
			t.Errorf("%s is not in the example", path)
		}
	})
}

// Lines that are switched off show what holds without them. Where there is
// nothing by default, such as for a list of names, they show an example. The
// keys of a supervised backend are held to its defaults by the room health.
func TestExample_ShowsTheDefaultsAsTheyAre(t *testing.T) {
	shown, _ := exampleDecoded(t)
	defaults := exampleDefaults()
	off := exampleKeysOff(t)
	for path := range off {
		if exampleOfHealth(path) {
			continue
		}
		got, want := exampleValue(reflect.ValueOf(shown).Elem(), path), exampleValue(reflect.ValueOf(defaults).Elem(), path)
		free := want.IsZero() && (want.Kind() == reflect.String || want.Kind() == reflect.Slice || want.Kind() == reflect.Pointer || strings.HasSuffix(path, ".respond"))
		if !free && !reflect.DeepEqual(got.Interface(), want.Interface()) {
			t.Errorf("%s shows %v, the default is %v", path, got, want)
		}
	}
	if len(off) < 30 {
		t.Errorf("only %d settings were found switched off", len(off))
	}
}

func exampleOfHealth(path string) bool {
	below, found := strings.CutPrefix(path, "backend[0].")
	key, _, _ := strings.Cut(below, ".")
	_, ofHealth := fieldNamed(fieldsOf(reflect.TypeFor[health.Config]()), key)
	return found && ofHealth
}

// exampleDefaults is Default with one element in every array of tables, filled
// with what its type answers when a key is left out.
func exampleDefaults() *Config {
	config := Default()
	if runtime.GOOS != "linux" { // the example is for the servers that people run
		config.Admin.Socket = defaultSocket("linux")
	}
	limit, backend := config.Limits.Body, proxy.Backend{}
	preserve, hold := backend.PreservesHost(), backend.HoldFor()
	backend.PreserveHost, backend.Hold = &preserve, &hold
	backend.FirstByte = backend.FirstByteOr(config.Timeouts.FirstByte)
	backend.HoldRequests, backend.HoldBytes = backend.HoldsRequests(), backend.HoldsBytes()
	config.Backends = []Backend{{Backend: backend}}
	config.Mail.Port = 465 // of "tls", which it shows
	config.Setup = exampleSetup()
	config.Webhooks = []mail.WebhookConfig{{Timeout: 15 * time.Second}}
	rules := proxy.Rules{RedirectStatus: proxy.Rules{}.RedirectsWith(), ErrorPages: []proxy.ErrorPage{{}}}
	config.Sites = []Site{{Site: proxy.Site{Plain: "redirect", Body: &limit, Rules: rules, Routes: []proxy.Route{{Body: &limit, Rules: rules}}}}}
	return &config
}

// exampleSetup has every table of [setup], as it is with its header alone.
func exampleSetup() Setup {
	tables := Setup{Users: make([]user.Config, 1)}
	into := reflect.ValueOf(&tables).Elem()
	for _, table := range setupDefaults() {
		for i := range into.NumField() {
			if into.Field(i).Type() == reflect.PointerTo(reflect.TypeOf(table)) {
				into.Field(i).Set(reflect.New(reflect.TypeOf(table)))
				into.Field(i).Elem().Set(reflect.ValueOf(table))
			}
		}
	}
	tables.Conda.Envs = make([]conda.Environment, 1)
	return tables
}

// exampleKeysOff are the paths of the settings that the example shows switched off.
func exampleKeysOff(t *testing.T) map[string]bool {
	t.Helper()
	text := exampleText(t)
	lines := strings.Split(text, "\n")
	_, index := exampleDecoded(t)
	off := map[string]bool{}
	for path, line := range index.at {
		if exampleSetting.MatchString(lines[line-1]) && !strings.HasPrefix(lines[line-1], "# [") && !strings.HasSuffix(path, "]") {
			off[path] = true
		}
	}
	return off
}

// exampleValue follows a path such as "site[0].route[0].body" into a Config.
func exampleValue(v reflect.Value, path string) reflect.Value {
	for _, part := range strings.Split(strings.ReplaceAll(path, "[0]", ""), ".") {
		if v.Kind() == reflect.Slice {
			v = v.Index(0)
		}
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		f, _ := fieldNamed(fieldsOf(v.Type()), part)
		v = v.FieldByIndex(f.index)
	}
	return v
}
