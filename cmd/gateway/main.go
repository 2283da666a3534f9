//go:build !packaging

// Command gateway is the front door of a small team's backend: it serves HTTPS,
// proxies to the backend, keeps it running and tells the admins.
//
// This package is the only place where the rooms meet: proxy, certs and health
// do not know each other, and what one must tell the other is wired here. There
// is one file a verb; serve.go holds the order of start and stop, generation.go
// is everything that is made from one configuration.
package main

import (
	"os"
)

func main() {
	stopProfile := startProfile()
	code := run(os.Args[1:], os.Stdout, os.Stderr)
	stopProfile()
	os.Exit(code)
}
