package host

import (
	"slices"
	"testing"
)

func TestProxies_AreTheOnlyVariablesThatAProgramInherits(t *testing.T) {
	got := proxies([]string{"https_proxy=http://p:1", "NO_PROXY=.example.com", "SECRET=x", "LD_PRELOAD=/x", "XHTTP_PROXY=y"})
	if want := []string{"https_proxy=http://p:1", "NO_PROXY=.example.com"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
