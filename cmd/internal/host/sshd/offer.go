package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// offerTime is how long a running sshd gets to answer with its new settings: it
// reads them a moment after it was told to.
const offerTime = 10 * time.Second

// offers asks a running sshd whether it would take a password from a user. It
// begins a login and gives nothing.
func offers(ctx context.Context, address, user string) (bool, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	asked := false
	_, _, _, err = ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: user,
		Auth: []ssh.AuthMethod{
			ssh.PasswordCallback(func() (string, error) { asked = true; return "", errNothingToSay }),
			ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { asked = true; return nil, errNothingToSay }),
		},
		// The other end is this host, and nothing is told to it.
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	switch {
	case asked:
		return true, nil
	case err == nil:
		return true, nil // it did not even ask
	case strings.Contains(err.Error(), "unable to authenticate"):
		return false, nil // there is no error value for: no method is left to try
	}
	return false, err
}

var errNothingToSay = errors.New("gateway only asks")

// The first pause between two questions, and the longest; each is twice the one
// before. Since OpenSSH 9.8 an sshd shuts out who comes and goes without a login too
// often, this host as well (PerSourcePenalties: after 15 times), so that there are
// 11 questions in offerTime.
const (
	offerPause   = 50 * time.Millisecond
	longestPause = 1500 * time.Millisecond
)

// awaitNoOffer waits until the running sshd takes no password. It need not answer
// at every address: a host may be configured for IPv6 and have none. Where it
// listens is asked each time, since it does not for a moment while it reloads.
func (s *Step) awaitNoOffer(ctx context.Context, addresses func(context.Context) []string) error {
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	for pause := offerPause; ; pause = min(2*pause, longestPause) {
		wrong := s.offerAt(ctx, addresses(ctx))
		if wrong == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return wrong
		case <-time.After(pause):
		}
	}
}

// offerAt asks once at every address, for root, whom everybody tries.
func (s *Step) offerAt(ctx context.Context, addresses []string) error {
	silent := fmt.Errorf("no address is known at which sshd listens")
	answered := false
	for _, address := range addresses {
		asked, err := s.offers(ctx, address, "root")
		switch {
		case asked:
			return fmt.Errorf("the running sshd still asks for a password at %s, although its configuration says no: does it have an option on its command line that says otherwise (SSHD_OPTS in /etc/default/ssh, `systemctl cat ssh`)?", address)
		case err != nil:
			silent = fmt.Errorf("sshd does not answer at %s: %w", address, err)
		default:
			answered = true
		}
	}
	if answered {
		return nil
	}
	return silent
}
