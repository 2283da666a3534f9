package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const phoneName = "api.example.com"

// phoneWorld is a CA with two intermediates, as public ones have, and what stands
// behind the servers.
type phoneWorld struct {
	root    string // file with the root that phones know
	backend string
	dir     string

	ca, upper, lower, stale *phoneCA
	rsa                     crypto.Signer

	mu   sync.Mutex
	made map[string]phoneFiles
}

// phoneFiles are what the settings of a server name.
type phoneFiles struct{ certificate, key string }

type phoneCA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newPhoneWorld(t *testing.T) *phoneWorld {
	t.Helper()
	w := &phoneWorld{backend: phoneBackend(t), dir: t.TempDir(), made: map[string]phoneFiles{}}
	w.ca = phoneIssue(t, nil, newKey(t), phoneTemplate("Test Root", true))
	w.upper = phoneIssue(t, w.ca, newKey(t), phoneTemplate("Upper CA", true))
	w.lower = phoneIssue(t, w.upper, newKey(t), phoneTemplate("Lower CA", true))
	staleTemplate := phoneTemplate("Stale CA", true)
	staleTemplate.NotAfter = time.Now().Add(-30 * time.Minute)
	w.stale = phoneIssue(t, w.ca, newKey(t), staleTemplate)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w.rsa = key
	w.root = writeFile(t, w.dir, "root.pem", pemOf("CERTIFICATE", w.ca.cert.Raw))
	return w
}

func phoneTemplate(name string, isCA bool) *x509.Certificate {
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), IsCA: isCA, BasicConstraintsValid: true}
	if isCA {
		template.KeyUsage = x509.KeyUsageCertSign
		return template
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	template.DNSNames = []string{phoneName}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return template
}

// phoneIssue signs by the issuer; nil: by the key itself.
func phoneIssue(t *testing.T, issuer *phoneCA, key crypto.Signer, template *x509.Certificate) *phoneCA {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &phoneCA{made, key}
}

// files makes a certificate of a kind once.
func (w *phoneWorld) files(t *testing.T, kind string) phoneFiles {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if made, done := w.made[kind]; done {
		return made
	}
	dir := filepath.Join(w.dir, strings.ReplaceAll(kind, " ", "-"))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	chain, key := w.make(t, kind)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, one := range chain {
		text += pemOf("CERTIFICATE", one.Raw)
	}
	made := phoneFiles{writeFile(t, dir, "fullchain.pem", text), writeFile(t, dir, "server.key", pemOf("PRIVATE KEY", der))}
	w.made[kind] = made
	return made
}

// make returns a chain as it is sent, and the key of its leaf.
func (w *phoneWorld) make(t *testing.T, kind string) ([]*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, template := crypto.Signer(newKey(t)), phoneTemplate(phoneName, false)
	issue := func(issuer *phoneCA, rest ...*phoneCA) ([]*x509.Certificate, crypto.Signer) {
		chain := []*x509.Certificate{phoneIssue(t, issuer, key, template).cert}
		for _, one := range rest {
			chain = append(chain, one.cert)
		}
		return chain, key
	}
	switch kind {
	case "leaf only":
		return issue(w.lower)
	case "wrong order":
		return issue(w.lower, w.upper, w.lower)
	case "leaf twice":
		chain, key := issue(w.lower, w.lower, w.upper)
		return append(chain[:1:1], chain...), key
	case "with root":
		return issue(w.lower, w.lower, w.upper, w.ca)
	case "self-signed":
		return issue(nil)
	case "unknown root":
		unknown := phoneIssue(t, nil, newKey(t), phoneTemplate("Unknown Root", true))
		between := phoneIssue(t, unknown, newKey(t), phoneTemplate("Unknown CA", true))
		return issue(between, between, unknown)
	case "expired":
		template.NotBefore, template.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour)
	case "too early":
		template.NotBefore = time.Now().Add(48 * time.Hour)
	case "ends soon":
		template.NotBefore, template.NotAfter = time.Now().Add(-60*24*time.Hour), time.Now().Add(5*24*time.Hour)
	case "expired intermediate":
		return issue(w.stale, w.stale)
	case "other name":
		template.DNSNames = []string{"www.example.com"}
	case "for clients":
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case "RSA":
		key = w.rsa
	case "RSA 1024":
		key = phoneShortKey(t)
	case "SHA-1":
		return w.makeSHA1(t)
	}
	return issue(w.lower, w.lower, w.upper)
}

func phoneShortKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// makeSHA1 has openssl sign, since Go refuses to.
func (w *phoneWorld) makeSHA1(t *testing.T) ([]*x509.Certificate, crypto.Signer) {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(w.lower.key)
	if err != nil {
		t.Fatal(err)
	}
	leafKey := newKey(t)
	leafDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "ca.pem", pemOf("CERTIFICATE", w.lower.cert.Raw))
	writeFile(t, dir, "ca.key", pemOf("PRIVATE KEY", der))
	writeFile(t, dir, "leaf.key", pemOf("PRIVATE KEY", leafDER))
	writeFile(t, dir, "extensions", "subjectAltName=DNS:"+phoneName+"\nextendedKeyUsage=serverAuth\n")
	out, err := readmeShell(t, "cd "+dir+` && openssl req -new -key leaf.key -subj /CN=leaf -out leaf.csr &&
		openssl x509 -req -sha1 -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 90 -extfile extensions -outform DER -out leaf.der`)
	if err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "leaf.der"))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(signed)
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{leaf, w.lower.cert, w.upper.cert}, leafKey
}

const phoneNginxConfig = `
daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log;
worker_processes 1;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server {
		listen 127.0.0.1:%[2]d%[3]s;
		server_name api.example.com;
		%[4]s
		location / {
			proxy_pass http://%[5]s;
			%[6]s
		}
	}
}
`

func (w *phoneWorld) startNginx(t *testing.T, s phoneSetup) (port int) {
	t.Helper()
	dir, files := t.TempDir(), w.kind(t, s)
	port = freePort(t)
	listen, settings, upgrade := s.listen, s.nginx, `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`
	if listen == "" {
		listen = " ssl http2"
	}
	if !s.plain {
		settings += fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s;", files.certificate, files.key)
	}
	if s.noWS {
		upgrade = ""
	}
	path := writeFile(t, dir, "nginx.conf", fmt.Sprintf(phoneNginxConfig, dir, port, listen, settings, w.backend, upgrade))
	p := startProcess(t, "nginx", "-p", dir, "-c", path)
	phoneListening(t, p, port, dir+"/error.log")
	return port
}

func (w *phoneWorld) kind(t *testing.T, s phoneSetup) phoneFiles {
	t.Helper()
	if s.files == "" {
		return w.files(t, "good")
	}
	return w.files(t, s.files)
}

const phoneApacheConfig = `
ServerRoot %[1]q
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
Mutex pthread
LoadModule mpm_event_module %[2]s/mod_mpm_event.so
LoadModule authz_core_module %[2]s/mod_authz_core.so
LoadModule alias_module %[2]s/mod_alias.so
LoadModule ssl_module %[2]s/mod_ssl.so
LoadModule http2_module %[2]s/mod_http2.so
LoadModule proxy_module %[2]s/mod_proxy.so
LoadModule proxy_http_module %[2]s/mod_proxy_http.so
StartServers 1
ServerLimit 1
ThreadsPerChild 16
MaxRequestWorkers 16
User nobody
Group nogroup
ServerName api.example.com
Listen 127.0.0.1:%[3]d
<VirtualHost *:%[3]d>
ServerName api.example.com
%[4]s
</VirtualHost>
`

func (w *phoneWorld) startApache(t *testing.T, s phoneSetup) (port int) {
	t.Helper()
	const modules = "/usr/lib/apache2/modules"
	if _, err := os.Stat(modules); err != nil {
		without(t, "Apache's modules are not where Debian puts them: %v", err)
	}
	dir, files := t.TempDir(), w.kind(t, s)
	port = freePort(t)
	host := s.apache + "\n"
	if !s.plain {
		host += fmt.Sprintf("SSLEngine on\nSSLCertificateFile %s\nSSLCertificateKeyFile %s\n", files.certificate, files.key)
	}
	if !s.h1 {
		host += "Protocols h2 http/1.1\n"
	}
	upgrade := " upgrade=websocket"
	if s.noWS {
		upgrade = ""
	}
	for _, path := range []string{"/gateway-wechat-check", "/api"} {
		if strings.Contains(s.apache, "Redirect") && strings.Contains(s.apache, path) {
			host += "ProxyPass " + path + " !\n" // what mod_alias does comes after mod_proxy
		}
	}
	host += fmt.Sprintf("ProxyPass / http://%s/%s\n", w.backend, upgrade)
	path := writeFile(t, dir, "apache.conf", fmt.Sprintf(phoneApacheConfig, dir, modules, port, host))
	p := startProcess(t, "apache2", "-f", path, "-DFOREGROUND")
	phoneListening(t, p, port, dir+"/error.log")
	return port
}
