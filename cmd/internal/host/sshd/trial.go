package sshd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// trial lets sshd judge a configuration that is not written yet.
type trial struct {
	machine host.Machine
	text    string // of our file, or of the whole main file
	whole   bool
}

// tryFirst puts a text before the configuration that is there, and hides our own
// file of a former run, whose place the text takes; tryWhole puts it in its
// place. Both write to a file system that only this one program sees.
const (
	tryFirst = `mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
cat >/run/first
[ ! -e ` + dropInFile + ` ] || mount --bind /dev/null ` + dropInFile + `
printf 'Include /run/first\nInclude ` + mainFile + `\n' >/run/main
exec "$@" -f /run/main`
	tryWhole = `mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
cat >/run/main
exec "$@" -f /run/main`
)

func (t trial) sshd(ctx context.Context, args ...string) (host.Result, error) {
	script := tryFirst
	if t.whole {
		script = tryWhole
	}
	argv := []string{"unshare", "--mount", "sh", "-ec", script, "sh", account.Find(t.machine, "sshd")}
	result, err := t.machine.Run(ctx, host.Command{Argv: append(argv, args...), Stdin: []byte(t.text)})
	if exit := (*host.ExitError)(nil); errors.As(err, &exit) {
		exit.Stderr = strings.ReplaceAll(exit.Stderr, "/run/first", dropInFile)
	}
	return result, err
}

// settings are what would hold for a user who comes from an address; "" asks for
// what holds without Match blocks.
func (t trial) settings(ctx context.Context, user string, from netip.Addr) (account.Settings, error) {
	result, err := t.sshd(ctx, "-T", "-C", account.Connection(user, from))
	if err != nil {
		return nil, fmt.Errorf("let sshd try the new settings: %w", err)
	}
	return account.ParseSettings(string(result.Stdout)), nil
}

// canInclude tells whether sshd knows the Include directive.
func canInclude(ctx context.Context, m host.Machine) (bool, error) {
	_, err := trial{machine: m}.sshd(ctx, "-t")
	if exit := (*host.ExitError)(nil); errors.As(err, &exit) && strings.Contains(exit.Stderr, "Bad configuration option: Include") {
		return false, nil
	}
	return err == nil, err
}
