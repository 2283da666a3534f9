package main

import (
	"slices"
	"testing"

	"gateway/certs"
)

func TestCheck_TellsOnceWhatTwoCertificatesOfASiteShare(t *testing.T) {
	trust := certs.Finding{Item: certs.ItemTrust, Verdict: certs.Failed, Seen: "an unknown root", Remedies: []string{"ask another CA"}}
	weak := certs.Finding{Item: certs.ItemKey, Verdict: certs.Failed, Seen: "RSA 1024", Remedies: []string{"make a longer key"}}
	got := (&checker{}).siteLines([][]certs.Finding{{trust}, {trust}, {trust, weak}})
	want := []string{
		"a phone would refuse the certificate: " + certs.ItemTrust,
		certs.ItemTrust + ": an unknown root: ask another CA",
		"a phone would refuse the certificate: " + certs.ItemTrust + ", " + certs.ItemKey,
		certs.ItemKey + ": RSA 1024: make a longer key",
	}
	if !slices.Equal(got, want) {
		t.Errorf("told\n%q\nin place of\n%q", got, want)
	}
}
