package certs

import (
	"crypto/tls"
	"time"
)

// TLSConfig returns the terms for every TLS listener: TLS 1.2 and 1.3, forward
// secrecy and authenticated encryption only, HTTP/2 and HTTP/1.1.
//
// The result and its clones are doors to one inner configuration. crypto/tls takes
// the ticket keys of that one, so a session that began on one listener resumes on
// any other, and across Apply; a clone of a plain configuration would have kept
// the keys of its first day for ever.
func (s *Store) TLSConfig() *tls.Config {
	outer := s.server.Clone()
	challenge := s.server.Clone()
	challenge.NextProtos = []string{acmeProtocol}
	challenge.SessionTicketsDisabled = true // a session of a client must not resume into it
	outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if isChallenge(hello) {
			return challenge, nil
		}
		return s.server, nil
	}
	return outer
}

func (s *Store) newServerConfig() *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// For TLS 1.2. The default also has two suites in CBC mode, which scanners
		// hold against a server (RFC 9325 section 4.2). TLS 1.3 has its own.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: s.Get,
	}
	s.tickets.rotate(config, time.Now())
	return config
}
