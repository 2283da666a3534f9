package main

import (
	"fmt"
	"os"
	"strings"
)

// apacheModules is where Debian's apache2 has its modules.
const apacheModules = "/usr/lib/apache2/modules"

func findApache(string, func(string)) (contender, error) {
	path, err := look("apache2", "apache2")
	if err != nil {
		return contender{}, err
	}
	version, err := firstLine(path, "-v")
	if err != nil {
		return contender{}, err
	}
	_, version, _ = strings.Cut(version, "Apache/")
	return contender{name: "apache", program: path, version: version, configure: configureApache}, nil
}

// threadsPerProcess is how many requests each process of Apache serves at a time.
const threadsPerProcess = 128

// configureApache gives Apache httpd its event MPM with as many processes as
// there are cores, none of which comes or goes while it is measured.
func configureApache(s site) ([]string, error) {
	var text strings.Builder
	for _, name := range []string{"mpm_event", "authz_core", "socache_shmcb", "ssl", "http2", "proxy", "proxy_http"} {
		fmt.Fprintf(&text, "LoadModule %[1]s_module %s/mod_%[1]s.so\n", name, apacheModules)
	}
	if os.Getuid() == 0 {
		text.WriteString("User nobody\nGroup nogroup\n")
	}
	all := s.workers * threadsPerProcess
	fmt.Fprintf(&text, `
ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile apache2.pid
ErrorLog error.log
ServerName %[2]s
Mutex pthread
StartServers %[3]d
ServerLimit %[3]d
ThreadLimit %[4]d
ThreadsPerChild %[4]d
MaxRequestWorkers %[5]d
MaxSpareThreads %[5]d
AsyncRequestWorkerFactor 64
ListenBackLog 4096
Listen 127.0.0.1:%[6]d https
Protocols h2 http/1.1
KeepAlive On
KeepAliveTimeout 600
MaxKeepAliveRequests 0
LimitRequestBody 0
LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%b \"%%{Referer}i\" \"%%{User-Agent}i\"" combined
CustomLog access.log combined
SSLEngine on
SSLProtocol TLSv1.2 TLSv1.3
SSLSessionCache shmcb:sessions(2000000)
SSLCertificateFile %[7]s
SSLCertificateKeyFile %[8]s
ProxyPreserveHost On
ProxyPass / http://%[9]s/
`, s.dir, siteName, s.workers, threadsPerProcess, all, s.port, s.certificate, s.key, s.backend)
	path, err := s.write("apache2.conf", text.String())
	return []string{"-f", path, "-DFOREGROUND"}, err
}
