package hosttest

import (
	"os"
	"os/exec"
)

func hostNetwork(name string) string   { return name + "-host" }
func clientNetwork(name string) string { return name + "-client" }

// wire makes the network of the host afresh, and that of the client when there is
// none. Rules of a firewall live in the namespace: one that outlived a reboot
// would keep what a real machine loses.
func (h *Host) wire() error {
	host, client := hostNetwork(h.name), clientNetwork(h.name)
	if _, err := os.Stat("/run/netns/" + host); err == nil {
		if err := command("ip", "netns", "delete", host); err != nil {
			return err
		}
	}
	return command("sh", "-ec", `
		ip netns add "$1"
		[ -e "/run/netns/$2" ] || ip netns add "$2"
		# The namespace that went away takes its end of the cable with it a little later.
		ip -netns "$2" link delete eth0 2>/dev/null || true
		ip link add eth0 netns "$1" type veth peer name eth0 netns "$2"
		connect() {
			ip -netns "$1" link set lo up
			ip -netns "$1" link set eth0 up
			ip -netns "$1" address add "$2/24" dev eth0
			ip -netns "$1" address add "$3/64" dev eth0 nodad
		}
		connect "$1" "$3" "$4"
		connect "$2" "$5" "$6"
	`, "wire", host, client, Address, Address6, ClientIs, ClientIs6)
}

// inClient is a program of this machine that runs in the client's network.
func (h *Host) inClient(argv ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", clientNetwork(h.name)}, argv...)...)
}
