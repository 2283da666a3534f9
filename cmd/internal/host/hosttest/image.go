package hosttest

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

//go:embed image.sh
var imageScript string

// basePackages are what every host has: about what a cloud provider's image of a
// small server has, as far as `gateway setup` cares.
var basePackages = []string{
	"systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "openssh-client",
	"ufw", "iptables", "nftables", "iproute2", "sudo", "adduser", "passwd", "procps",
	"ca-certificates", "curl", "bzip2", "zstd", "python3", "cron", "zsh",
}

// imageOf gives the folder of the image with these packages. The first test that
// asks for it makes it, while others that ask for it wait.
func imageOf(t testing.TB, extra []string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	must(t, err)
	packages := slices.Concat(basePackages, extra)
	sum := sha256.Sum256([]byte(imageScript + strings.Join(packages, " ") + readOSRelease()))
	image := filepath.Join(cache, "gateway", "hosttest", hex.EncodeToString(sum[:6]))
	must(t, os.MkdirAll(filepath.Dir(image), 0o755))
	defer lock(t, image+".lock")()
	if _, err := os.Stat(image); errors.Is(err, fs.ErrNotExist) {
		t.Logf("making an image of Debian for the tests: a minute or two, once")
		makeImage(t, image, packages)
	}
	return image
}

// readOSRelease tells one suite from another, so that an upgraded machine makes
// a new image.
func readOSRelease() string {
	text, _ := os.ReadFile("/etc/os-release")
	return string(text)
}

// unreachable is what apt says when it can't get a package.
var unreachable = regexp.MustCompile(`Failed to fetch|Could not connect|Could not resolve|Unable to connect|Temporary failure`)

// server is the part of an address that names a server. Which mirror a machine
// uses is nobody else's business.
var server = regexp.MustCompile(`://[^/\s]+`)

func makeImage(t testing.TB, image string, packages []string) {
	t.Helper()
	args := append([]string{"-c", imageScript, "image.sh", image}, packages...)
	out, err := exec.Command("/bin/sh", args...).CombinedOutput()
	if err == nil {
		return
	}
	said := server.ReplaceAllString(strings.TrimSpace(string(out)), "://[mirror]")
	if unreachable.MatchString(said) && os.Getenv("CI") == "" {
		t.Skipf("no host can be booted: the packages for its image can't be fetched:\n%s", said)
	}
	t.Fatalf("make the image of the host: %v\n%s", err, said)
}
