package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/conda"
)

func newSetupCondaCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "conda",
		Short: "Make, list and remove the environments of conda",
		Args:  unknownVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	env := &cobra.Command{
		Use:   "env",
		Short: "Make, list and remove environments, of all or of one user",
		Long: `env changes one environment at once, without a table in the file. Without --user it
is one of all, which only root can change; with --user it lies in that user's
home and is made by the user's own hand.

  sudo gateway setup conda env add work python=3.12 numpy
  sudo gateway setup conda env add mine python=3.12 --user alice
  sudo gateway setup conda env remove work`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	env.AddCommand(newCondaEnvAddCommand(), newCondaEnvRemoveCommand(), newCondaEnvListCommand())
	command.AddCommand(env)
	return command
}

func newCondaEnvAddCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "add NAME [PACKAGE...]",
		Short: "Make an environment, or add packages that it lacks",
		Long: `add makes an environment with packages as conda takes them, such as python=3.12.
Where there is one of that name, it gets the packages that it lacks. Jupyter shows
every environment that has ipykernel.`,
		Args: cobra.ArbitraryArgs,
	}
	flags := addApplyFlags(command)
	user := command.Flags().String("user", "", "whose environment it is; without: of all")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{errors.New("add takes the name of the environment, and packages")}
		}
		env := conda.Environment{Name: args[0], User: *user, Packages: args[1:]}
		return applyEnv(cmd, flags, env, (*conda.Step).Add)
	}
	return command
}

func newCondaEnvRemoveCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove an environment with all that is in it",
		Long: `remove removes an environment. The list of its packages is kept, with which conda
makes it again; what was put into it by hand is gone.`,
		Args: cobra.ArbitraryArgs,
	}
	flags := addApplyFlags(command)
	user := command.Flags().String("user", "", "whose environment it is; without: of all")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{errors.New("remove takes the name of one environment")}
		}
		return applyEnv(cmd, flags, conda.Environment{Name: args[0], User: *user}, (*conda.Step).Remove)
	}
	return command
}

// applyEnv has what is to be done with one environment shown, asked for and done.
func applyEnv(cmd *cobra.Command, flags applyFlags, env conda.Environment, what func(*conda.Step, conda.Environment) conda.Single) error {
	if err := env.Check(); err != nil {
		return usageError{err}
	}
	step, err := condaOf(cmd)
	if err != nil {
		return err
	}
	return applyOnce(cmd, flags, what(step, env))
}

// condaOf is conda as the file says.
func condaOf(cmd *cobra.Command) (*conda.Step, error) {
	c, err := config.LoadForSetup(configPath(cmd), cmd.Flags().Changed("config"))
	if err != nil {
		return nil, setupProblems(cmd, err)
	}
	return newConda(setupParts{Config: c}), nil
}

func newCondaEnvListCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "list",
		Short: "List the environments of all and of the accounts",
		Long: `list tells of the environments below the prefix and in the homes. Only root sees
into the homes of others.`,
		Args: noArguments,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		step, err := condaOf(cmd)
		if err != nil {
			return err
		}
		list, err := step.List(host.This())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), list)
		}
		return printEnvs(cmd.OutOrStdout(), list)
	}
	return command
}

func printEnvs(w io.Writer, list []conda.Found) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tUSER\tPYTHON\tPACKAGES\tPATH")
	for _, env := range list {
		whose, python := env.User, env.Python
		if whose == "" {
			whose = "(all)"
		}
		if python == "" {
			python = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", plainText(env.Name), whose, plainText(python), env.Packages, plainText(env.Path))
	}
	return table.Flush()
}
