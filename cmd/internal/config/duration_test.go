package config

import (
	"testing"
	"time"
)

func TestParseDuration_TakesTimesWithTheirUnit(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "1m30s": 90 * time.Second, "500ms": 500 * time.Millisecond, "1.5h": 90 * time.Minute,
		"24h": 24 * time.Hour, "0": 0, "0s": 0, "1ms": time.Millisecond,
	} {
		got, wrong, _ := parseDuration(text)
		if got != want || wrong != "" {
			t.Errorf("%q: got %v (%s), want %v", text, got, wrong, want)
		}
	}
}

func TestParseDuration_SaysWhatWasMeant(t *testing.T) {
	const general = `write a number with a unit: "500ms", "30s", "5m" or "24h"`
	for text, want := range map[string]string{
		"30": `write "30s" for seconds, or "30ms"`, "1.5": `write "1.5s" for seconds, or "1.5ms"`,
		"1d": `write "24h"`, "2 weeks": `write "336h"`, "10 s": `write "10s"`, "5 Minutes": `write "5m"`,
		"3 hours": `write "3h"`, "200 msec": `write "200ms"`, "1 sec": `write "1s"`,
		"-5s": `write "5s"`, "1ns": `write "1ms" or more`, "999us": `write "1ms" or more`,
		"": general, "soon": general, "5 lightyears": general, "99999999999999999999d": general, "2147483647w": general,
		"99999999999h": general,
	} {
		if got, wrong, instead := parseDuration(text); wrong == "" || instead != want {
			t.Errorf("%q: got %v, %q, %q, want %q", text, got, wrong, instead, want)
		}
	}
}
