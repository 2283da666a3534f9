package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"gateway/certs"
	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
)

func newCertsTrustCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "trust",
		Short: "Have this machine trust the local CA",
		Long: `trust installs the certificate of the local CA, which signs for sites with
certificate = "local", among the authorities that this machine trusts, so that
curl and other programs accept these sites. It needs root. The CA's key stays
where it is. What has a list of its own, such as Firefox, phones and other
machines, is told how to be given the file. Exit code 0: the machine trusts it;
1: it does not.`,
		Args: noArguments,
	}
	show := command.Flags().Bool("print", false, "change nothing, and print how it is done by hand")
	undo := command.Flags().Bool("undo", false, "take it out again")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		if *show && *undo {
			return usageError{errors.New("--print and --undo cannot be had together")}
		}
		loaded, err := config.Load(configPath(cmd))
		if err != nil {
			return tellProblems(cmd.ErrOrStderr(), err)
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		t := truster{store: host.NewTrustStore(), root: os.Geteuid() == 0, config: configPath(cmd), out: cmd.OutOrStdout()}
		if err := t.open(loaded.State); err != nil {
			return err
		}
		switch {
		case *show:
			t.guide()
			return nil
		case *undo:
			return t.undo(ctx)
		}
		return t.trust(ctx)
	}
	return command
}

// truster gives this machine the local CA to trust.
type truster struct {
	store  host.TrustStore
	root   bool   // may change the machine
	config string // path of the file
	out    io.Writer

	file string // with the CA's certificate
	ca   *x509.Certificate
}

func (t *truster) open(state string) error {
	path, err := filepath.Abs(certs.LocalRoot(state))
	if err != nil {
		return err
	}
	t.file = path
	t.ca, err = certs.ReadLocalRoot(state)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is not there, so there is no local CA to trust: write certificate = \"local\" into a site and start gateway, which makes it", t.file)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be read by this user: %s", t.file, t.asRoot(""))
	}
	return err
}

// asRoot is the command to run instead.
func (t *truster) asRoot(flag string) string {
	return strings.TrimSpace("run sudo gateway certs trust -c " + t.config + " " + flag)
}

func (t *truster) trust(ctx context.Context) error {
	if !t.root {
		t.guide()
		return errors.New("nothing was changed, since only root may say what this machine trusts: " + t.asRoot(""))
	}
	path, already, err := t.store.Trust(ctx, t.ca)
	switch {
	case errors.Is(err, host.ErrNoTrustStore):
		t.guide()
		return fmt.Errorf("nothing was changed: %w: see its documentation for where to put %s", err, t.file)
	case err != nil:
		return fmt.Errorf("the local CA is not trusted, and nothing was left behind: %w", err)
	case already:
		fmt.Fprintf(t.out, "%s is trusted already, by %s.\n", t.name(), path)
	default:
		fmt.Fprintf(t.out, "%s is trusted by this machine now, by %s.\n", t.name(), path)
	}
	t.others()
	return nil
}

func (t *truster) undo(ctx context.Context) error {
	if !t.root {
		return errors.New("only root may say what this machine trusts: " + t.asRoot("--undo"))
	}
	path, found, err := t.store.Distrust(ctx, t.ca)
	switch {
	case err != nil:
		return fmt.Errorf("taking the local CA out: %w", err)
	case !found:
		fmt.Fprintf(t.out, "%s is not trusted by this machine: nothing to do.\n", t.name())
	default:
		fmt.Fprintf(t.out, "%s is taken out of %s. Browsers and phones that were given the file keep it until it is removed there.\n", t.name(), path)
	}
	return nil
}

// name is what lists of authorities show.
func (t *truster) name() string { return fmt.Sprintf("%q", t.ca.Subject.CommonName) }

// guide is how it is done by hand.
func (t *truster) guide() {
	fmt.Fprintf(t.out, "The certificate of the local CA is\n  %s\n", t.file)
	if commands, err := t.store.Commands(t.file, t.ca); err == nil {
		fmt.Fprintf(t.out, "This machine trusts it after\n  %s\n", strings.Join(commands, "\n  "))
	}
	t.others()
}

// others have lists of their own.
func (t *truster) others() {
	name := t.name()
	for _, line := range []string{
		"Not everything uses the machine's list. Give the file, and never the key beside it, to:",
		"  curl, once:    curl --cacert " + t.file + " https://...",
		"  Firefox:       Settings, Privacy & Security, View Certificates, Authorities, Import; tick \"identify websites\"",
		"  Chrome, Linux: chrome://certificate-manager, Installed by you, Trusted Certificates, Import",
		"  Java:          keytool -importcert -cacerts -alias gateway -file " + t.file,
		"  Node.js:       NODE_EXTRA_CA_CERTS=" + t.file,
		"  Windows:       certutil -addstore Root root.crt, as administrator",
		"  Mac:           sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain root.crt",
		"  iPhone, iPad:  send it there and open it; Settings, General, VPN & Device Management, Install;",
		"                 then General, About, Certificate Trust Settings: switch " + name + " on",
		"  Android:       Settings, Security, Encryption & credentials, Install a certificate, CA certificate",
		"WeChat and most apps trust public CAs only: they need certificate = \"acme\" or \"files\".",
		"Whoever has the key of this CA can pose as any site to those who trust it: it stays in gateway's state folder.",
	} {
		fmt.Fprintln(t.out, line)
	}
}
