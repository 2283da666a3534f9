package health

import (
	"strings"
	"testing"
)

func FuzzParseStat(f *testing.F) {
	f.Add("1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 25 1 2")
	f.Add("7 (a) b (c)) Z 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseStat(text); err == nil && got == (fact{}) && !strings.HasPrefix(strings.TrimSpace(text), "0") {
			t.Errorf("%q is nothing, and no error", text)
		}
	})
}
