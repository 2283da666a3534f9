package main

import (
	"fmt"
	"path/filepath"
)

// gatewayName is what the only build of gateway is called in the table.
const gatewayName = "gateway"

func findGateway(b binary) (contender, error) {
	path, err := filepath.Abs(b.path)
	if err != nil {
		return contender{}, fmt.Errorf("the gateway to measure: %w", err)
	}
	version, err := firstLine(path, "version")
	if err != nil {
		return contender{}, fmt.Errorf("the gateway to measure (make build): %w", err)
	}
	return contender{name: b.name, program: path, version: version, gateway: true, configure: configureGateway}, nil
}

// configureGateway leaves on all that gateway does by default: probes, hold,
// limits, timeouts, recognition of plain HTTP, request ids. Only the wait for the
// next request is longer, as for all contenders: idle connections are measured.
func configureGateway(s site) ([]string, error) {
	path, err := s.write("gateway.toml", fmt.Sprintf(`
state = %q
[admin]
socket = %q
[log]
access = %q
[timeouts]
idle = "10m"
[[site]]
name = %q
listen = ["127.0.0.1:%d"]
certificate = "files"
files = [%q, %q]
backend = "backend"
[[backend]]
name = "backend"
url = "http://%s"
`, s.file("state"), s.file("gateway.sock"), s.file("access.log"), siteName, s.port, s.certificate, s.key, s.backend))
	return []string{"run", "-c", path}, err
}
