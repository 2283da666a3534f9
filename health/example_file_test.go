package health

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/BurntSushi/toml"
)

// Lines of the example that are switched off show what holds without them.
func TestConfig_DefaultsAreThoseThatTheExampleShows(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "config.example.toml"))
	if err != nil {
		t.Fatal(err)
	}
	var example struct {
		Backend []Config `toml:"backend"`
	}
	on := regexp.MustCompile(`(?m)^# (\[.*\]|[a-z0-9_]+ = .*)$`).ReplaceAll(text, []byte("$1"))
	if err := toml.Unmarshal(on, &example); err != nil || len(example.Backend) != 1 {
		t.Fatalf("%d backends, error %v", len(example.Backend), err)
	}
	shown, none := example.Backend[0], Config{}
	for key, check := range map[string][2]any{
		"log_max_size":  {shown.LogMaxSize, none.logMaxSize()},
		"log_keep":      {shown.LogKeep, none.logKeep()},
		"stop_signal":   {shown.StopSignal, none.stopSignal()},
		"stop_grace":    {shown.StopGrace, none.stopGrace()},
		"start_grace":   {shown.StartGrace, none.startGrace()},
		"oom_score":     {shown.OOMScore, none.OOMScore},
		"probe.method":  {shown.Probe.Method, none.Probe.method()},
		"probe.status":  {shown.Probe.Status, none.Probe.status()},
		"probe.every":   {shown.Probe.Every, none.Probe.every()},
		"probe.fast":    {shown.Probe.Fast, none.Probe.fast()},
		"probe.timeout": {shown.Probe.Timeout, none.Probe.timeout()},
		"probe.fall":    {shown.Probe.Fall, none.Probe.fall()},
		"probe.rise":    {shown.Probe.Rise, none.Probe.rise()},
		"probe.hang":    {shown.Probe.hang(), none.Probe.hang()},
	} {
		if check[0] != check[1] {
			t.Errorf("%s: the example shows %v, the default is %v", key, check[0], check[1])
		}
	}
}
