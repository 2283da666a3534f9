package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// connections is how many clients there are at a time, and streams how many
// requests each of them has under way with HTTP/2.
const (
	connections = 64
	streams     = 4
)

// cipher is the one cipher of all loads. Left alone, a server in Go takes this one
// and OpenSSL's clients get a dearer one from everybody else.
const cipher = "TLS_AES_128_GCM_SHA256"

// wrk is a load of HTTP/1.1: as many requests as the server can answer, of
// answers of this size.
func wrk(size int64) load {
	return func(ctx context.Context, w *workshop, s *server, much effort) (int, error) {
		path, err := look("wrk", "wrk")
		if err != nil {
			return 0, err
		}
		settings, err := writeOpenSSL(s.site)
		if err != nil {
			return 0, err
		}
		out, err := generate(ctx, much, []string{"OPENSSL_CONF=" + settings}, path, "-t", threads(w.workers), "-c", strconv.Itoa(connections),
			"-d", wholeSeconds(much.time)+"s", "--timeout", "30s", s.url(size))
		if err != nil {
			return 0, err
		}
		return parseWrk(string(out))
	}
}

// writeOpenSSL makes settings for programs that have no flags for them.
func writeOpenSSL(s site) (string, error) {
	return s.write("openssl.cnf", fmt.Sprintf(`openssl_conf = conf
[conf]
ssl_conf = ssl
[ssl]
system_default = client
[client]
MinProtocol = TLSv1.3
Ciphersuites = %s
Groups = X25519
`, cipher))
}

// h2load is a load of HTTP/2, in the same way. It is told how many requests to
// send and not for how long: on a busy machine, with a connection that comes after
// the time is over, it would never end (nghttp2 1.52).
func h2load(size int64) load {
	return func(ctx context.Context, w *workshop, s *server, much effort) (int, error) {
		path, err := look("h2load", "nghttp2-client")
		if err != nil {
			return 0, err
		}
		out, err := generate(ctx, much, nil, path, "-t", threads(w.workers), "-c", strconv.Itoa(connections),
			"-m", strconv.Itoa(streams), "-n", strconv.Itoa(much.requests), "--tls13-ciphers="+cipher, "--groups=X25519", s.url(size))
		if err != nil {
			return 0, err
		}
		return parseH2load(string(out))
	}
}

// generate runs a load generator and returns what it prints.
func generate(ctx context.Context, much effort, env []string, program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, much.limit())
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s has not ended: %w: %s", cmd, ctx.Err(), out)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", cmd, err, out)
	}
	return out, nil
}

// threads leaves half of the machine to the server.
func threads(workers int) string { return strconv.Itoa(max(1, workers/2)) }

// wholeSeconds rounds up: wrk does not know parts of seconds.
func wholeSeconds(length time.Duration) string {
	return strconv.Itoa(int((length + time.Second - 1) / time.Second))
}

var (
	wrkRequests    = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)
	wrkFailures    = regexp.MustCompile(`(?m)^\s*(Socket errors|Non-2xx).*$`)
	h2loadRequests = regexp.MustCompile(`(?m)^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$`)
	h2loadProtocol = regexp.MustCompile(`(?m)^Application protocol: (.*)$`)
)

// parseWrk takes the number of requests from what wrk prints. It is an error if
// some of them failed: a server that answers with errors is not fast.
func parseWrk(out string) (int, error) {
	if failed := wrkFailures.FindString(out); failed != "" {
		return 0, fmt.Errorf("wrk: %s", strings.TrimSpace(failed))
	}
	match := wrkRequests.FindStringSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("wrk printed no number of requests: %s", out)
	}
	return strconv.Atoi(match[1])
}

// parseH2load does so for h2load, which also tells the protocol.
func parseH2load(out string) (int, error) {
	if protocol := h2loadProtocol.FindStringSubmatch(out); protocol == nil || protocol[1] != "h2" {
		return 0, fmt.Errorf("h2load: not all connections spoke HTTP/2: %s", out)
	}
	match := h2loadRequests.FindStringSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("h2load printed no number of requests: %s", out)
	}
	for _, failed := range match[2:] {
		if failed != "0" {
			return 0, fmt.Errorf("h2load: %s", match[0])
		}
	}
	return strconv.Atoi(match[1])
}
