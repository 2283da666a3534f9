package sshd

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Verify asks sshd for the settings of everybody who can log in, and the running
// sshd what it asks of an admin.
func (s *Step) Verify(ctx context.Context, m host.Machine) error {
	j, err := s.newJudge(m, func(ctx context.Context, user string, from netip.Addr) (account.Settings, error) {
		return account.SSHD(ctx, m, user, from)
	}, nil)
	if err != nil {
		return err
	}
	refusals, err := j.unmet(ctx)
	if err == nil && len(refusals) == 0 {
		refusals, err = j.refusals(ctx)
	}
	if err != nil {
		return err
	}
	if err := describe(refusals); err != nil {
		return err
	}
	return s.verifyRunning(ctx, m)
}

// unmet tells what sshd's effective settings lack for somebody: a line that the
// step could not go before says otherwise.
func (j judge) unmet(ctx context.Context) ([]host.Refusal, error) {
	for _, user := range append([]string{""}, j.people()...) {
		settings, err := j.settings(ctx, user, j.here.Client.Addr())
		if err != nil {
			return nil, err
		}
		for _, wanted := range j.config.settings() {
			if (user == "" || wanted.everyone) && !wanted.holds(settings) {
				return []host.Refusal{j.contradicted(user, wanted, settings)}, nil
			}
		}
	}
	return nil, nil
}

// contradicted names the line that stands in the way, if it can be found.
func (j judge) contradicted(user string, wanted setting, settings account.Settings) host.Refusal {
	where := "some line of " + mainFile + " or of a file that it includes"
	lines, _ := reader{machine: j.machine}.read(mainFile, "", includeDepth)
	i := slices.IndexFunc(lines, func(l line) bool { return l.sets(wanted.name()) && l.file != dropInFile })
	if i >= 0 {
		where = fmt.Sprintf("%s:%d", lines[i].file, lines[i].number)
	}
	whom := ""
	if user != "" {
		whom = " for " + user
	}
	return host.Refusal{
		What:    fmt.Sprintf("sshd would hold to %q%s, and not to %q alone", wanted.keyword+" "+strings.Join(settings[wanted.name()], " "), whom, wanted.value),
		Why:     where + " counts besides what is written here",
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
	return s.awaitNoOffer(ctx, func(ctx context.Context) []string {
		listeners, err := s.listeners(ctx)
		if err != nil {
			listeners = nil // then by what the configuration says
		}
		return d.addresses(settings, listeners)
	})
}
