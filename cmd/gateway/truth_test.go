package main

import (
	"testing"
	"time"

	"gateway/certs"
)

func TestTruth_PutsWhatWasSeenBesideTheCertificateOfItsSite(t *testing.T) {
	var seen truth
	all := []certs.Status{{Site: "a"}, {Site: "b"}}
	if got := seen.add(all); len(got[0].Refused) != 0 {
		t.Error("something is wrong before the first look")
	}
	since := time.Now()
	seen.found.Store(&sighting{since: since, differences: []certs.Difference{{Site: "b", Problem: certs.Problem{Cause: "c"}}}})
	got := seen.add(all)
	if len(got[0].Refused) != 0 || len(got[1].Refused) != 1 || !got[1].Since.Equal(since) {
		t.Errorf("%+v", got)
	}
}
