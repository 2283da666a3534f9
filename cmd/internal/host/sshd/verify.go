package sshd

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Verify asks sshd for the settings of everybody who can log in, and the running
// sshd what it asks of an admin.
func (s *Step) Verify(ctx context.Context, m host.Machine) error {
	refusals, err := s.unmet(ctx, m)
	if err != nil {
		return err
	}
	if err := describe(refusals); err != nil {
		return err
	}
	now := func(ctx context.Context, user string, from netip.Addr) (account.Settings, error) {
		return account.SSHD(ctx, m, user, from)
	}
	if err := s.keepsAnAdmin(ctx, m, now); err != nil {
		return err
	}
	return s.verifyRunning(ctx, m)
}

// unmet tells what sshd's effective settings still lack: something is read before
// what this step has written, which it could not see.
func (s *Step) unmet(ctx context.Context, m host.Machine) ([]host.Refusal, error) {
	j, err := s.newJudge(m, nil, nil)
	if err != nil {
		return nil, err
	}
	for _, user := range append([]string{""}, j.people()...) {
		settings, err := account.SSHD(ctx, m, user, j.here.Client.Addr())
		if err != nil {
			return nil, err
		}
		for _, wanted := range s.config.settings() {
			if (user == "" || wanted.everyone) && !wanted.holds(settings) {
				return []host.Refusal{s.overruled(m, user, wanted, settings)}, nil
			}
		}
	}
	return nil, nil
}

// overruled names the line that stands in the way, if it can be found.
func (s *Step) overruled(m host.Machine, user string, wanted setting, settings account.Settings) host.Refusal {
	where := "some line of " + mainFile + " or of a file that it includes"
	lines, _ := reader{machine: m}.read(mainFile, "", includeDepth)
	i := slices.IndexFunc(lines, func(l line) bool { return l.keyword == wanted.name() && l.file != dropInFile })
	if i >= 0 {
		where = fmt.Sprintf("%s:%d", lines[i].file, lines[i].number)
	}
	whom := ""
	if user != "" {
		whom = " for " + user
	}
	return host.Refusal{
		What:    fmt.Sprintf("sshd says %q%s, and not %q", wanted.name()+" "+settings.Get(wanted.name()), whom, wanted.value),
		Why:     where + " goes before what is written here",
		Instead: "take that line out, then run this again",
	}
}

// verifyRunning begins a login at the sshd that runs, which has only been told to
// read its configuration again.
func (s *Step) verifyRunning(ctx context.Context, m host.Machine) error {
	d := findDaemon(ctx, m)
	if s.config.Password || !d.running && len(d.sockets) == 0 {
		return nil
	}
	settings, err := account.SSHD(ctx, m, "", netip.Addr{})
	if err != nil {
		return err
	}
	return s.awaitNoOffer(ctx, d.addresses(settings))
}
