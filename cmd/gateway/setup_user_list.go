package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
	"gateway/cmd/internal/host/user"
)

func newUserListCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "list",
		Short: "List the accounts: number, shell, groups, sudo, keys, password, last login",
		Long: `list tells of root and of the accounts of people. Only root sees the keys that
work, and why others don't, what sudo allows, and the state of the passwords.`,
		Args: noArguments,
	}
	asJSON := addJSONFlag(command)
	all := command.Flags().Bool("all", false, "list the accounts of the system, too")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := user.List(cmd.Context(), host.This(), *all)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), list)
		}
		return printUsers(cmd.OutOrStdout(), list)
	}
	return command
}

func printUsers(w io.Writer, list []user.Listed) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tNUMBER\tSHELL\tGROUPS\tSUDO\tKEYS\tPASSWORD\tLAST LOGIN")
	for _, u := range list {
		last := "-"
		if !u.LastLogin.IsZero() {
			last = u.LastLogin.Local().Format(clock)
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%d\t%s\t%s\n", u.Name, u.UID, u.Shell, strings.Join(u.Groups, ","), u.Sudo, len(u.Keys), u.Password, last)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, u := range list {
		for _, problem := range u.Problems {
			if _, err := fmt.Fprintf(w, "%s: %s\n", u.Name, plainText(problem)); err != nil {
				return err
			}
		}
	}
	return nil
}

func newUserKeyCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "key NAME",
		Short: "List the ssh keys of an account, add some, or take one away",
		Long: `key lists the keys that an account trusts. The file of an account is never
replaced: keys are added to it, or one is taken out.

  sudo gateway setup user key alice --add laptop.pub
  sudo gateway setup user key alice --remove SHA256:...`,
		Args: userName,
	}
	flags := addApplyFlags(command)
	add := command.Flags().StringArray("add", nil, "add the public keys of this `FILE` (- for the standard input); can be given again")
	remove := command.Flags().String("remove", "", "take away the key with this `FINGERPRINT`, or this comment")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		if err := notTogether(cmd, "add", "remove"); err != nil {
			return err
		}
		switch {
		case *remove != "":
			return applyOnce(cmd, flags, user.RemoveKey(args[0], *remove))
		case len(*add) > 0:
			if err := needRoot(cmd); err != nil {
				return err
			}
			keys, err := readKeys(cmd, *add)
			if err != nil {
				return err
			}
			return applyOnce(cmd, flags, user.AddKeys(args[0], keys))
		}
		keys, err := user.Keys(cmd.Context(), host.This(), args[0])
		if err != nil {
			return err
		}
		return printKeys(cmd.OutOrStdout(), keys, *flags.json)
	}
	return command
}

func printKeys(w io.Writer, keys []account.Key, asJSON bool) error {
	if asJSON {
		return printJSON(w, keys)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TYPE\tFINGERPRINT\tCOMMENT\tOPTIONS")
	for _, k := range keys {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", k.Type, k.Fingerprint, plainText(k.Comment), plainText(strings.Join(k.Options, ",")))
	}
	return table.Flush()
}
