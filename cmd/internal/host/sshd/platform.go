package sshd

import (
	"errors"
	"io/fs"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// unsupported tells why the step can do nothing on a machine.
func (s *Step) unsupported(m host.Machine) *host.Refusal {
	if m.OS != "linux" {
		return &host.Refusal{
			What:    "sshd is changed on Linux only",
			Why:     "who may log in, and who is an admin, is kept elsewhere on " + m.OS,
			Instead: "log in by key first, then: printf '" + printfText(s.config.settings()) + "' | sudo tee /etc/ssh/sshd_config.d/000-gateway.conf",
		}
	}
	if !account.Installed(m, "sshd") {
		return &host.Refusal{What: "there is no sshd on this host", Why: "nothing can be set", Instead: "install it (apt-get install openssh-server), or take [setup.sshd] out"}
	}
	if _, err := m.Stat(mainFile); errors.Is(err, fs.ErrNotExist) {
		return &host.Refusal{What: mainFile + " is not there", Why: "sshd reads another file here, or none", Instead: "make it, it may be empty, and see to it that sshd reads it"}
	}
	return nil
}

// printfText is what printf(1) makes the lines of.
func printfText(all []setting) string {
	text := ""
	for _, s := range all {
		text += s.keyword + " " + s.value + `\n`
	}
	return text
}

// planUnprivileged compares the files. Only root can ask sshd, and see keys.
func (s *Step) planUnprivileged(m host.Machine) (host.Plan, error) {
	p, err := placeIncluded(m, s.config.settings())
	if err != nil {
		return host.Plan{}, err
	}
	changes, err := fileChanges(m, p.edits)
	note := "what sshd makes of its configuration, and who could still log in, can only be told as root: sudo gateway setup plan sshd"
	return host.Plan{Changes: changes, Notes: []string{note}}, err
}
