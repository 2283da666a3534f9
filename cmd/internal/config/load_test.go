package config

import (
	"testing"
)

func TestLoad_ReadsTheLeastThatServes(t *testing.T) {
	config, err := Load("testdata/right/small.toml")
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Proxy().Sites[0].Name; got != "api.example.com" {
		t.Errorf("the site is %q", got)
	}
	if got := config.Log.Format; got != "combined" {
		t.Errorf("without a key the default holds, got %q", got)
	}
}
