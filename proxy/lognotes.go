package proxy

import (
	"crypto/tls"
	"strconv"
	"strings"
)

// noteField prints what gateway notes of a request, in the place of Apache's module notes.
func noteField(name string) (appendField, *directiveProblem) {
	var text func(t *transaction) string
	switch name {
	case "held":
		text = func(t *transaction) string { return strconv.FormatInt(t.exchange.held.Milliseconds(), 10) }
	case "tries":
		text = func(t *transaction) string { return strconv.Itoa(t.exchange.tries) }
	case "first_byte":
		text = func(t *transaction) string { return strconv.FormatInt(t.exchange.firstByte.Milliseconds(), 10) }
	case "backend":
		text = func(t *transaction) string { return t.exchange.backend }
	case "request_id":
		text = func(t *transaction) string { return t.exchange.id }
	case "reason":
		text = func(t *transaction) string { return redactMessage(t.exchange.failure) }
	default:
		return nil, &directiveProblem{"names no note", "write held, tries, first_byte, backend, request_id or reason"}
	}
	return func(line []byte, t *transaction) []byte { return appendText(line, text(t)) }, nil
}

// tlsField prints the variables of mod_ssl that log formats use.
func tlsField(name string) (appendField, *directiveProblem) {
	var text func(*tls.ConnectionState) string
	switch name {
	case "SSL_PROTOCOL":
		text = func(s *tls.ConnectionState) string { return tlsVersion(s.Version) }
	case "SSL_CIPHER":
		text = func(s *tls.ConnectionState) string { return opensslCipher(tls.CipherSuiteName(s.CipherSuite)) }
	case "SSL_TLS_SNI":
		text = func(s *tls.ConnectionState) string { return s.ServerName }
	default:
		return nil, &directiveProblem{"names no variable", "write SSL_PROTOCOL, SSL_CIPHER or SSL_TLS_SNI"}
	}
	return func(line []byte, t *transaction) []byte {
		if t.request.TLS == nil {
			return append(line, '-')
		}
		return appendText(line, text(t.request.TLS))
	}, nil
}

// tlsVersion names a protocol version as OpenSSL does: TLSv1.3.
func tlsVersion(version uint16) string {
	return "TLSv" + strings.TrimPrefix(tls.VersionName(version), "TLS ")
}

// opensslCipher turns IANA's name of a TLS 1.2 suite into OpenSSL's; those of TLS 1.3 are the same.
func opensslCipher(name string) string {
	exchange, cipher, found := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	if !found {
		return name
	}
	cipher = strings.TrimSuffix(strings.Replace(cipher, "AES_", "AES", 1), "_POLY1305_SHA256")
	if strings.HasPrefix(cipher, "CHACHA20") {
		cipher = "CHACHA20-POLY1305"
	}
	return strings.ReplaceAll(exchange+"-"+cipher, "_", "-")
}
