package config

import (
	"reflect"
	"testing"
)

func TestSchema_HasEachKeyOnceAndOnlyTypesThatCanBeWritten(t *testing.T) {
	seen := map[string]bool{}
	eachKey(reflect.TypeFor[Config](), "", func(path string, f field) {
		if seen[path] {
			t.Errorf("two rooms have the key %s", path)
		}
		seen[path] = true
		typ := f.typ
		for typ.Kind() == reflect.Pointer || kindOf(typ) == kindList {
			typ = typ.Elem()
		}
		if kindOf(typ) == kindUnknown {
			t.Errorf("%s: a %v cannot be written in the file", path, f.typ)
		}
	})
	if len(seen) < 40 {
		t.Errorf("only %d keys were found", len(seen))
	}
}

func TestSchema_DefaultsAreFreshEachTime(t *testing.T) {
	first := Default()
	first.TrustedProxies = append(first.TrustedProxies, "10.0.0.1")
	first.Log.Access = "changed"
	if again := Default(); reflect.DeepEqual(first, again) || again.Log.Access == "changed" {
		t.Error("a change to one set of defaults shows in the next")
	}
}

func TestMeantKey_GuessesWhatAnAdminMeant(t *testing.T) {
	keys := []string{"name", "aliases", "listen", "plain", "certificate", "files", "backend", "max_size", "trusted_proxies"}
	for written, want := range map[string]string{
		"lisen": "listen", "Listen": "listen", "LISTEN": "listen", "litsen": "listen", "listens": "listen",
		"maxsize": "max_size", "max-size": "max_size", "MaxSize": "max_size",
		"trusted_proxy": "trusted_proxies", "trustedProxies": "trusted_proxies",
		"ServerName": "name", "server_name": "name", "ServerAlias": "aliases", "SSLCertificateFile": "files", "upstream": "backend",
		"certficate": "certificate", "alias": "aliases",
		"colour": "", "x": "", "nam\x00": "name", "": "",
	} {
		if got, _ := meantKey(keys, written); got != want {
			t.Errorf("%q: guessed %q, want %q", written, got, want)
		}
	}
}

func TestPath_IsTakenApartAsItWasJoined(t *testing.T) {
	for _, key := range []string{"name", "a.b", `q"."uo[0]te`, "", "日本", "[0]", `x\`} {
		path := joinPath(elementPath("site", 2), key)
		if got := parentPath(path); got != "site[2]" {
			t.Errorf("%s: its table is %q", path, got)
		}
		if got := parentPath(joinPath("", key)); got != "" {
			t.Errorf("%s at the top: its table is %q", path, got)
		}
	}
	if got := lastKey("site[1].listen[3]"); got != "listen" {
		t.Errorf("the key is %q", got)
	}
}
