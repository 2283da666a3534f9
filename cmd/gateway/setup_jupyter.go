package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host/jupyter"
)

// gatewayFile is gateway's own file, which the step jupyter writes a backend into.
type gatewayFile struct{ path string }

// Path is the whole path.
func (f gatewayFile) Path() string {
	if absolute, err := filepath.Abs(f.path); err == nil {
		return absolute
	}
	return f.path
}

func (f gatewayFile) Read(text string) (jupyter.Contents, error) {
	c, err := config.Decode(f.path, text)
	if err != nil {
		return jupyter.Contents{}, err
	}
	contents := jupyter.Contents{Backends: map[string]string{}}
	for _, b := range c.Backends {
		contents.Backends[b.Name] = b.URL
	}
	for _, s := range c.Sites {
		site := jupyter.Site{Name: s.Name, Listen: s.Listen, Certificate: s.Certificate, Files: s.Files, Backend: s.Backend, Routes: map[string]string{}}
		for _, r := range s.Routes {
			site.Routes[r.Path] = r.Backend
		}
		contents.Sites = append(contents.Sites, site)
	}
	return contents, nil
}

// Insert reads what it has made, before anybody writes it.
func (f gatewayFile) Insert(text, site, ofSite, rest string) (string, error) {
	made, err := config.Insert(text, site, ofSite, rest)
	if err == nil {
		_, err = config.Decode(f.path, made)
	}
	return made, err
}

// Problems are those of the file without their lines, which move when something
// is written above them.
func (f gatewayFile) Problems() []string {
	_, err := config.Load(f.path)
	var problems config.Problems
	if !errors.As(err, &problems) {
		return nil
	}
	var told []string
	for _, p := range problems {
		p.Line = 0
		told = append(told, p.String())
	}
	return told
}

func newSetupJupyterCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "jupyter",
		Short: "Hash a password for a Jupyter Server without a hub",
		Args:  unknownVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(newJupyterPasswordCommand())
	return command
}

func newJupyterPasswordCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "password",
		Short: "Hash a password as Jupyter does, and print it or write it for a user",
		Long: `password asks for a password on the terminal, or reads the first line of the
standard input, and prints its hash as Jupyter Server and notebook want it
(c.IdentityProvider.hashed_password, c.NotebookApp.password). With --user it is
written to ~/.jupyter/jupyter_server_config.json of that user instead. JupyterHub
needs none: people log in with the passwords of their accounts.

  sudo gateway setup jupyter password --user alice`,
		Args: noArguments,
	}
	flags := addApplyFlags(command)
	user := command.Flags().String("user", "", "write it for this user instead of printing it")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		if *user != "" {
			if err := needRoot(cmd); err != nil {
				return err
			}
		}
		secret, err := askSecret(cmd, "Password for Jupyter")
		if err != nil {
			return err
		}
		hash, err := jupyter.Hash(string(secret))
		if err != nil {
			return err
		}
		if *user != "" {
			return applyOnce(cmd, flags, jupyter.NewPassword(*user, hash))
		}
		if *flags.json {
			return printJSON(cmd.OutOrStdout(), map[string]string{"hash": hash})
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), hash)
		return err
	}
	return command
}
