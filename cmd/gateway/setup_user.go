package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
	"gateway/cmd/internal/host/user"
)

func newSetupUserCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "user",
		Short: "Add, remove, list and change the accounts of this machine",
		Long: `user changes one account at once, without a table in the file. As with apply, it
shows what it would do and asks, and ` + "`gateway setup undo`" + ` takes it back.`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(newUserAddCommand(), newUserRemoveCommand(), newUserListCommand(), newUserShellCommand(), newUserPasswordCommand(), newUserKeyCommand())
	return command
}

// applyOnce has steps applied that come from a command line and not from the file.
func applyOnce(cmd *cobra.Command, flags applyFlags, steps ...host.Step) error {
	if err := needRoot(cmd); err != nil {
		return err
	}
	state, err := setupState(cmd)
	if err != nil {
		return setupProblems(cmd, err)
	}
	return applySteps(cmd, newSetupEngine(cmd, state, cmd.OutOrStdout()), steps, flags)
}

// userName is the one argument of most verbs.
func userName(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("%s takes the name of one account", cmd.CommandPath())}
	}
	return nil
}

func newUserAddCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "add NAME",
		Short: "Make an account with its home and keys, or add these to one that is there",
		Long: `add makes an account with a home and a group of its own. Its password is locked:
it is for logins by key. Keys are added to those that are there; one that is
there already stays as it is.

  sudo gateway setup user add alice --key alice.pub --sudo=nopasswd`,
		Args: userName,
	}
	flags := addApplyFlags(command)
	table := user.Config{}
	keys := command.Flags().StringArray("key", nil, "add the public keys of this `FILE` (- for the standard input); can be given again")
	password := addPasswordFlags(command, "give it a password, which is asked for (or read from the standard input)")
	command.Flags().StringVar(&table.Shell, "shell", "", "login `SHELL` (default /bin/bash for a new account)")
	command.Flags().StringVar(&table.Home, "home", "", "home `FOLDER` of a new account (default /home/NAME)")
	command.Flags().StringArrayVar(&table.Groups, "group", nil, "join this `GROUP`, too; can be given again")
	command.Flags().StringVar(&table.Sudo, "sudo", "", "let it do everything by sudo, after its own password; --sudo=nopasswd: without")
	command.Flags().Lookup("sudo").NoOptDefVal = user.SudoPassword
	command.RunE = func(cmd *cobra.Command, args []string) error {
		table.Name = args[0]
		err := notTogether(cmd, "password", "password-file")
		if err == nil {
			err = needRoot(cmd)
		}
		if err != nil {
			return err
		}
		if table.AuthorizedKeys, err = keyLines(cmd, *keys); err != nil {
			return err
		}
		if err := checkUser(table); err != nil {
			return err
		}
		secret, err := password.read(cmd, table.Name)
		if err != nil {
			return err
		}
		return applyOnce(cmd, flags, user.Add(table, secret))
	}
	return command
}

// notTogether refuses flags that contradict each other.
func notTogether(cmd *cobra.Command, one, other string) error {
	if cmd.Flags().Changed(one) && cmd.Flags().Changed(other) {
		return usageError{fmt.Errorf("--%s and --%s can't go together: say one of them", one, other)}
	}
	return nil
}

// checkUser judges flags as the file's tables are judged.
func checkUser(table user.Config) error {
	var wrong []error
	user.Validate([]user.Config{table}, func(key, what, instead string) {
		wrong = append(wrong, fmt.Errorf("%s: %s: %s", strings.TrimPrefix(key, "user[0]."), what, instead))
	})
	if len(wrong) > 0 {
		return usageError{errors.Join(wrong...)}
	}
	return nil
}

// keyLines reads the lines of the public keys in files.
func keyLines(cmd *cobra.Command, files []string) ([]string, error) {
	keys, err := readKeys(cmd, files)
	var lines []string
	for _, key := range keys {
		lines = append(lines, key.Line())
	}
	return lines, err
}

func readKeys(cmd *cobra.Command, files []string) ([]account.Key, error) {
	var all []account.Key
	for _, file := range files {
		text, err := readInput(cmd, file)
		if err != nil {
			return nil, fmt.Errorf("the key: %w", err)
		}
		keys, wrong := account.ParseKeys(text)
		switch {
		case len(wrong) > 0:
			return nil, fmt.Errorf("%s: %w", file, errors.Join(wrong...))
		case len(keys) == 0:
			return nil, fmt.Errorf("%s holds no key: give the file whose name ends in .pub", file)
		}
		all = append(all, keys...)
	}
	return all, nil
}

// passwordFlags are the two ways to give a password; a command line is none, since
// everybody on the machine can read it.
type passwordFlags struct {
	ask  *bool
	file *string
}

func addPasswordFlags(command *cobra.Command, usage string) passwordFlags {
	f := passwordFlags{file: command.Flags().String("password-file", "", "read the password from the first line of this `FILE` (- for the standard input)")}
	if usage != "" {
		f.ask = command.Flags().Bool("password", false, usage)
	}
	return f
}

// read is nil where no password is asked for.
func (f passwordFlags) read(cmd *cobra.Command, name string) (secret []byte, err error) {
	switch {
	case *f.file != "":
		secret, err = readSecret(cmd, *f.file)
	case f.ask == nil || *f.ask:
		secret, err = askSecret(cmd, "Password for "+name)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return secret, user.CheckPassword(secret)
}

// presentLogin is the login that this command was started from. Where the
// accounts can't be read its people have no names, and no step gets along either.
func presentLogin(m host.Machine) account.Present {
	d, err := account.Read(m)
	if err != nil {
		d = account.Database{}
	}
	return account.FindPresent(m, d, os.Getpid())
}
