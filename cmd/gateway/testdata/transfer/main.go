// Command transfer is the backend and the client of TestTransfer. It is a program
// of its own to be built without the race detector, which would spend a minute of
// a processor on the copying.
//
//	transfer backend                     serves, and prints at which URL
//	transfer client URL ROOTS PROTOCOL   fetches 1 GiB, sends it, and compares
package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

const size = 1 << 30

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "backend":
		err = serve()
	case len(os.Args) == 5 && os.Args[1] == "client":
		err = move(os.Args[2], os.Args[3], os.Args[4])
	default:
		err = fmt.Errorf("transfer %q: say backend, or client URL ROOTS PROTOCOL", os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	return http.Serve(l, http.HandlerFunc(answer))
}

// answer sends the pattern, or tells how much came and its digest.
func answer(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_, _ = io.Copy(w, io.LimitReader(&pattern{}, size))
		return
	}
	got, err := read(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, got)
}

// read tells the length and the digest of what is read.
func read(r io.Reader) (string, error) {
	digest := sha256.New()
	n, err := io.Copy(digest, r)
	return fmt.Sprintf("%d bytes, SHA-256 %x", n, digest.Sum(nil)), err
}

func move(url, roots, protocol string) error {
	client, err := newClient(roots, protocol)
	if err != nil {
		return err
	}
	want, err := read(io.LimitReader(&pattern{}, size))
	if err != nil {
		return err
	}
	down, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	up, err := http.NewRequest(http.MethodPost, url, io.LimitReader(&pattern{}, size))
	if err != nil {
		return err
	}
	up.ContentLength = size
	got, err := do(client, down, protocol, read)
	if err != nil || got != want {
		return fmt.Errorf("download over %s: got %s, %v; want %s", protocol, got, err, want)
	}
	seen, err := do(client, up, protocol, func(r io.Reader) (string, error) {
		text, err := io.ReadAll(r)
		return string(text), err
	})
	if err != nil || seen != want {
		return fmt.Errorf("upload over %s: the backend got %s, %v; want %s", protocol, seen, err, want)
	}
	return nil
}

// newClient reaches every name at 127.0.0.1.
func newClient(roots, protocol string) (*http.Client, error) {
	text, err := os.ReadFile(roots)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
		Protocols: new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(protocol == "HTTP/1.1")
	transport.Protocols.SetHTTP2(protocol == "HTTP/2.0")
	return &http.Client{Transport: transport}, nil
}

func do(client *http.Client, request *http.Request, protocol string, body func(io.Reader) (string, error)) (string, error) {
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Proto != protocol {
		return "", fmt.Errorf("the answer is %s over %s", response.Status, response.Proto)
	}
	return body(response.Body)
}

// pattern is an endless stream in which a lost, doubled or swapped block shows:
// each eight bytes are made of their place.
type pattern struct{ at uint64 }

func (p *pattern) Read(b []byte) (int, error) {
	var word [8]byte
	for done := 0; done < len(b); {
		binary.LittleEndian.PutUint64(word[:], p.at>>3*0x9E3779B97F4A7C15)
		n := copy(b[done:], word[p.at&7:])
		done, p.at = done+n, p.at+uint64(n)
	}
	return len(b), nil
}
