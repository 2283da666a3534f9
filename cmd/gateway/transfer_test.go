package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const gibibyte = 1 << 30

// TestTransfer_OneGiBEachWayInSixtyFourMiB sends and fetches 1 GiB through the
// real binary, over HTTP/1.1 and HTTP/2, compares the digests, and reads the
// peak of the program's resident memory.
func TestTransfer_OneGiBEachWayInSixtyFourMiB(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 4 GiB over loopback")
	}
	t.Parallel()
	ca := newAuthority(t)
	backend := httptest.NewServer(http.HandlerFunc(serveTransfers))
	t.Cleanup(backend.Close)
	port := freePort(t)
	p := startGateway(t, builtGateway(t), oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, "[log]\naccess = ''"))

	url := fmt.Sprintf("https://api.example.com:%d/", port)
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		client := ca.client(t, protocol == "HTTP/2.0")
		client.Timeout = 0
		checkDownload(t, client, url, protocol)
		checkUpload(t, client, url, protocol)
	}
	peak := residentPeak(t, p.cmd.Process.Pid)
	t.Logf("4 GiB moved, resident memory at most %d KiB", peak)
	if peak >= 64<<10 {
		t.Errorf("resident memory reached %d KiB, want under 65536", peak)
	}
}

func checkDownload(t *testing.T, client *http.Client, url, protocol string) {
	t.Helper()
	response, err := client.Get(url + "down")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	digest := sha256.New()
	n, err := io.Copy(digest, response.Body)
	if err != nil || n != gibibyte || response.Proto != protocol {
		t.Fatalf("download: %d bytes over %s, error %v, want 1 GiB over %s", n, response.Proto, err, protocol)
	}
	if got, want := hex.EncodeToString(digest.Sum(nil)), digestOfPattern(); got != want {
		t.Errorf("download over %s: digest %s, want %s", protocol, got, want)
	}
}

func checkUpload(t *testing.T, client *http.Client, url, protocol string) {
	t.Helper()
	request, err := http.NewRequest("POST", url+"up", io.LimitReader(&pattern{}, gibibyte))
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = gibibyte
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 || response.Proto != protocol {
		t.Fatalf("upload over %s: %s, %v", response.Proto, response.Status, err)
	}
	if got, want := strings.TrimSpace(string(answer)), fmt.Sprintf("%d %s", gibibyte, digestOfPattern()); got != want {
		t.Errorf("upload over %s: the backend saw %s, want %s", protocol, got, want)
	}
}

func serveTransfers(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/down" {
		io.Copy(w, io.LimitReader(&pattern{}, gibibyte))
		return
	}
	digest := sha256.New()
	n, err := io.Copy(digest, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%d %x\n", n, digest.Sum(nil))
}

// pattern is an endless stream in which a lost, doubled or swapped block shows:
// each 512 bytes begin with their place. Under the race detector every byte that
// is computed costs a hundred times one that is copied.
type pattern struct {
	at   uint64
	unit [512]byte
}

func (p *pattern) Read(b []byte) (int, error) {
	for done := 0; done < len(b); {
		within := p.at % uint64(len(p.unit))
		if within == 0 {
			binary.BigEndian.PutUint64(p.unit[:], p.at)
		}
		n := copy(b[done:], p.unit[within:])
		done, p.at = done+n, p.at+uint64(n)
	}
	return len(b), nil
}

var knownDigest string

func digestOfPattern() string {
	if knownDigest == "" {
		digest := sha256.New()
		io.Copy(digest, io.LimitReader(&pattern{}, gibibyte))
		knownDigest = hex.EncodeToString(digest.Sum(nil))
	}
	return knownDigest
}
