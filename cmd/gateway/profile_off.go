//go:build !profile

package main

// startProfile does nothing: only "make profile" builds a gateway that measures
// itself.
func startProfile() (stop func()) { return func() {} }
