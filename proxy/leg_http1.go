//go:build !nethttp

package proxy

import "gateway/proxy/http1"

func newLeg(o http1.Options) leg { return http1.New(o) }
