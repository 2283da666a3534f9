package hosttest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// programs are what Boot uses; .ci/tools installs their packages.
var programs = []string{"systemd-nspawn", "mmdebstrap", "nsenter", "unshare", "ip", "ssh", "ssh-keygen", "sshpass", "mount", "umount"}

// probe asks the kernel for everything that a host needs, in namespaces of its own.
const probe = `set -e
ip link add name one type veth peer name two
mount -t tmpfs none /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/root
mount -t overlay -o redirect_dir=on,lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work none /mnt/root`

// needs skips a test that can't boot a host here, and says why.
func needs(t testing.TB) {
	t.Helper()
	if why := missing(); why != "" {
		t.Skip("no host can be booted: " + why)
	}
}

func missing() string {
	switch {
	case runtime.GOOS != "linux":
		return "it needs Linux"
	case testing.Short():
		return "-short was given"
	case os.Geteuid() != 0:
		return "it needs root"
	}
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			return name + " is not installed (.ci/tools installs it)"
		}
	}
	if out, err := exec.Command("unshare", "--mount", "--net", "sh", "-c", probe).CombinedOutput(); err != nil {
		return "this machine does not let root make networks and mounts: " + strings.TrimSpace(string(out))
	}
	return ""
}

// command runs a program of this machine.
func command(argv ...string) error {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
