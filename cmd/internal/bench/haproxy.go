package main

import (
	"fmt"
	"os"
	"strings"
)

func findHAProxy(string, func(string)) (contender, error) {
	path, err := look("haproxy", "haproxy")
	if err != nil {
		return contender{}, err
	}
	version, err := firstLine(path, "-v")
	if err != nil {
		return contender{}, err
	}
	fields := strings.Fields(version + " ? ? ?")
	return contender{name: "haproxy", program: path, version: fields[2], configure: configureHAProxy}, nil
}

// configureHAProxy writes the access log to the standard output, which is a file:
// HAProxy itself writes to none.
func configureHAProxy(s site) ([]string, error) {
	var pair []byte // HAProxy wants the key in the file of the certificate
	for _, path := range []string{s.certificate, s.key} {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		pair = append(pair, text...)
	}
	both, err := s.write("pair.pem", string(pair))
	if err != nil {
		return nil, err
	}
	path, err := s.write("haproxy.cfg", fmt.Sprintf(`
global
    nbthread %d
    maxconn 9000
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option forwardfor
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout http-keep-alive 600s
frontend clients
    bind 127.0.0.1:%d backlog 4096 ssl crt %s alpn h2,http/1.1 ssl-min-ver TLSv1.2
    http-request set-header X-Forwarded-Proto https
    default_backend backend
backend backend
    server backend %s
`, s.workers, s.port, both, s.backend))
	return []string{"-db", "-f", path}, err
}
