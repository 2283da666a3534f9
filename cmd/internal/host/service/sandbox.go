package service

import "strings"

// rights are whom gateway runs as, and what it may do beyond that.
func (u unit) rights() []setting {
	all := []setting{{"User", u.user}, {"Group", u.group}}
	if len(u.groups) > 0 {
		all = append(all, setting{"SupplementaryGroups", strings.Join(u.groups, " ")})
	}
	capabilities := strings.Join(u.capabilities(), " ")
	all = append(all, setting{"AmbientCapabilities", capabilities})
	if !u.root {
		all = append(all, setting{"CapabilityBoundingSet", capabilities})
	}
	return all
}

// capabilities are those of capabilities(7) that gateway itself uses. It keeps
// them from its backends.
func (u unit) capabilities() []string {
	all := []string{"CAP_NET_BIND_SERVICE"}
	if u.others || u.root {
		all = append(all, "CAP_SETUID", "CAP_SETGID", "CAP_KILL")
	}
	if u.spare {
		all = append(all, "CAP_SYS_RESOURCE")
	}
	return all
}

// sandbox is what gateway and its backends never need (systemd.exec(5)). A
// backend that runs as root has a reason to, such as to start programs for people
// who log in, and any of this would be in its way.
//
// The backends share it, so that some is left open for them: a private /tmp would
// hide the sockets and the files that they exchange with others, and many of them
// make code while they run (MemoryDenyWriteExecute).
func (u unit) sandbox() []setting {
	if u.root {
		return nil
	}
	all := []setting{
		{"NoNewPrivileges", "yes"},
		{"ProtectSystem", "full"},
		{"PrivateMounts", "yes"},
		{"ProtectKernelTunables", "yes"},
		{"ProtectKernelModules", "yes"},
		{"ProtectKernelLogs", "yes"},
		{"ProtectClock", "yes"},
		{"ProtectHostname", "yes"},
		{"RestrictSUIDSGID", "yes"},
		{"RestrictRealtime", "yes"},
		{"RestrictNamespaces", "yes"},
		{"LockPersonality", "yes"},
		{"RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX AF_NETLINK"},
		{"SystemCallArchitectures", "native"},
		{"SystemCallFilter", "@system-service"},
		{"SystemCallErrorNumber", "EPERM"},
		// gateway's secrets have modes of their own; what backends write is theirs.
		{"UMask", "0022"},
	}
	if !u.cards {
		all = append(all, setting{"PrivateDevices", "yes"})
	}
	if !u.homes {
		all = append(all, setting{"ProtectHome", "yes"})
	}
	if !u.starts {
		all = append(all, setting{"PrivateTmp", "yes"}, setting{"MemoryDenyWriteExecute", "yes"})
	}
	return all
}
