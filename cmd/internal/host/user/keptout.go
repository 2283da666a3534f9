package user

import (
	"context"
	"net/netip"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// tellKeptOut notes why an account that is given keys can't log in with them all the
// same: a shell that lets nobody in, or a list of sshd that it is not on. joins are
// the groups that it will be in besides those of today.
func tellKeptOut(ctx context.Context, s *sight, a account.Account, joins []string, p *host.Plan) {
	if !s.isRoot() || !account.Installed(s.Machine, "sshd") {
		return
	}
	settings, err := account.SSHD(ctx, s.Machine, a.Name, netip.Addr{})
	if err != nil {
		return // planKeys tells of it
	}
	settings["allowusers"] = fromAnywhere(settings["allowusers"])
	if why := s.Joined(a.Name, joins).Refused(s.Machine, a, settings, netip.Addr{}); why != "" {
		p.Notes = append(p.Notes, "the keys of "+a.Name+" let nobody in by ssh as it is: "+why)
	}
}

// fromAnywhere takes the addresses out of a list of users: where an account is let
// in from is another matter.
func fromAnywhere(lists []string) []string {
	var users []string
	for _, pattern := range strings.Fields(strings.Join(lists, " ")) {
		user, _, _ := strings.Cut(pattern, "@")
		users = append(users, user)
	}
	return users
}
