package main

import (
	"fmt"
	"strings"
)

func findNginx(string, func(string)) (contender, error) {
	path, err := look("nginx", "nginx-light")
	if err != nil {
		return contender{}, err
	}
	version, err := firstLine(path, "-v")
	if err != nil {
		return contender{}, err
	}
	_, version, _ = strings.Cut(version, "nginx/")
	return contender{name: "nginx", program: path, version: version, configure: configureNginx}, nil
}

// configureNginx gives nginx what its manual recommends in front of an HTTP
// backend. Bodies stream both ways, as those of all others do: by default nginx
// writes large ones to a file first, which would be measured instead.
func configureNginx(s site) ([]string, error) {
	path, err := s.write("nginx.conf", fmt.Sprintf(`
daemon off;
worker_processes %d;
pid %s;
error_log %s;
events { worker_connections 10000; }
http {
    access_log %s combined;
    client_body_temp_path %s;
    proxy_temp_path %s;
    fastcgi_temp_path %[6]s;
    uwsgi_temp_path %[6]s;
    scgi_temp_path %[6]s;
    keepalive_timeout 600s;
    keepalive_requests 100000000;
    client_max_body_size 0;
    upstream backend {
        server %s;
        keepalive 256;
        keepalive_requests 100000000;
    }
    server {
        listen 127.0.0.1:%d ssl http2 backlog=4096;
        server_name %s;
        ssl_certificate %s;
        ssl_certificate_key %s;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:sessions:16m;
        location / {
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
        }
    }
}
`, s.workers, s.file("nginx.pid"), s.file("error.log"), s.file("access.log"), s.file("body"), s.file("temp"),
		s.backend, s.port, siteName, s.certificate, s.key))
	return []string{"-p", s.dir, "-e", s.file("error.log"), "-c", path}, err
}
