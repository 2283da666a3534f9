//go:build profile

package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// profileEnv names the file that a gateway built with -tags profile writes its CPU
// profile to. The gateway that people run has no such thing: what is not built in
// cannot be asked for by anybody.
const profileEnv = "GATEWAY_CPU_PROFILE"

// startProfile measures where the CPU time goes until stop is called.
func startProfile() (stop func()) {
	path := os.Getenv(profileEnv)
	if path == "" {
		return func() {}
	}
	file, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: no profile is written: %v\n", profileEnv, err)
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		if err := file.Close(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: the profile is not whole: %v\n", profileEnv, err)
		}
	}
}
