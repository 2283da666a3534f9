package mail

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashChild(dir, os.Getenv(crashAddr), os.Getenv(crashLife))
		return
	}
	goleak.VerifyTestMain(m)
}
