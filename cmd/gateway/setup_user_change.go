package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
	"gateway/cmd/internal/host/user"
)

func newUserRemoveCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove an account; its home stays unless you say --remove-home",
		Long: `remove refuses the last admin who can come in by key and become root, and the
account that you are logged in with. The home stays, and is given back to an
account of that name that is added later.`,
		Args: userName,
	}
	flags := addApplyFlags(command)
	removal := user.Removal{}
	command.Flags().BoolVar(&removal.RemoveHome, "remove-home", false, "remove the home, too; this cannot be undone")
	command.Flags().StringVar(&removal.Archive, "archive", "", "pack the home into this `FILE` first (.tar.gz or .tar.zst)")
	command.Flags().BoolVar(&removal.EndAll, "end-all", false, "end its sessions and processes")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		if removal.Archive != "" {
			if removal.Archive, err = filepath.Abs(removal.Archive); err != nil {
				return err
			}
		}
		removal.Name, removal.Present = args[0], presentLogin(host.This())
		if declaredUser(cmd, removal.Name) {
			fmt.Fprintf(cmd.ErrOrStderr(), "gateway: %s declares %s: take its [[setup.user]] out, or the next `gateway setup apply` makes the account again\n", configPath(cmd), removal.Name)
		}
		return applyOnce(cmd, flags, user.Remove(removal))
	}
	return command
}

// declaredUser tells whether the file has a table for an account. A file that
// can't be read declares nothing.
func declaredUser(cmd *cobra.Command, name string) bool {
	c, err := config.LoadForSetup(configPath(cmd), false)
	if err != nil {
		return false
	}
	for _, u := range c.Setup.Users {
		if u.Name == name {
			return true
		}
	}
	return false
}

func newUserPasswordCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "password NAME",
		Short: "Set the password of an account, which is asked for, or lock it",
		Args:  userName,
	}
	flags := addApplyFlags(command)
	password := addPasswordFlags(command, "")
	lock := command.Flags().Bool("lock", false, "let no password fit any more; keys still do")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		if err := notTogether(cmd, "lock", "password-file"); err != nil {
			return err
		}
		if *lock {
			return applyOnce(cmd, flags, user.LockPassword(args[0]))
		}
		if err := needRoot(cmd); err != nil {
			return err
		}
		secret, err := password.read(cmd, args[0])
		if err != nil {
			return err
		}
		return applyOnce(cmd, flags, user.SetPassword(args[0], secret))
	}
	return command
}

func newUserShellCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "shell [NAME [SHELL]]",
		Short: "List the shells of this machine, tell that of an account, or change it",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 {
				return usageError{fmt.Errorf("%s takes an account and a shell", cmd.CommandPath())}
			}
			return nil
		},
	}
	flags := addApplyFlags(command)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 2 {
			if !filepath.IsAbs(args[1]) {
				return usageError{fmt.Errorf("%q is no whole path of a shell: `%s` lists them", args[1], cmd.CommandPath())}
			}
			return applyOnce(cmd, flags, user.Shell(args[0], args[1]))
		}
		shells, err := shellsToTell(args)
		if err != nil {
			return err
		}
		if *flags.json {
			return printJSON(cmd.OutOrStdout(), shells)
		}
		_, err = io.WriteString(cmd.OutOrStdout(), plainText(strings.Join(shells, "\n")+"\n"))
		return err
	}
	return command
}

// shellsToTell are the shells of the machine, or the one of an account.
func shellsToTell(args []string) ([]string, error) {
	m := host.This()
	if len(args) == 0 {
		return user.Shells(m)
	}
	d, err := account.Read(m)
	if err != nil {
		return nil, err
	}
	a, found := d.Account(args[0])
	if !found {
		return nil, fmt.Errorf("there is no account %s: see them with `gateway setup user list`", args[0])
	}
	return []string{a.Shell}, nil
}
