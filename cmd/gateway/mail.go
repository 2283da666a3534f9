package main

import (
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/control"
	"gateway/health/mail"
)

func newMailCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "mail",
		Short: "Try the ways to admins, and see, hurry or drop notices that wait",
		Args:  unknownVerb,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(newMailTestCommand(), newMailQueueCommand(), newMailFlushCommand(), newMailDropCommand())
	return command
}

func newMailTestCommand() *cobra.Command {
	var to []string
	command := &cobra.Command{
		Use:   "test",
		Short: "Send a test notice now, and tell what happened",
		Long: `test sends a notice with the settings of the file, by mail and to each
webhook, whether gateway runs or not. It prints the conversation with the mail
server, secrets hidden, what became of it for each receiver, and what to do if
it failed. Exit code 0: all were reached; 1: somebody was not.`,
		Args: noArguments,
	}
	command.Flags().StringSliceVar(&to, "to", nil, "mail to these `ADDRESSES` instead of those in the file, and to no webhook")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded, err := config.Load(configPath(cmd))
		if err != nil {
			return tellProblems(cmd.ErrOrStderr(), err)
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		return tester{config: loaded, to: to, out: cmd.OutOrStdout()}.test(ctx)
	}
	return command
}

func newMailQueueCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "queue",
		Short: "List the notices that wait for delivery, and those that were given up",
		Args:  noArguments,
	}
	asJSON := addJSONFlag(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		items, err := mailQueue(cmd)
		if err != nil && items == nil {
			return err
		}
		if *asJSON {
			return errors.Join(printJSON(cmd.OutOrStdout(), items), err)
		}
		return errors.Join(printQueue(cmd.OutOrStdout(), items), err)
	}
	return command
}

// mailQueue asks the running gateway, or else reads the folder that it left.
func mailQueue(cmd *cobra.Command) ([]mail.Item, error) {
	items := []mail.Item{}
	err := askGateway(cmd, callMailQueue, struct{}{}, &items, false)
	if !errors.Is(err, control.ErrNotRunning) {
		return items, err
	}
	loaded, err := config.Load(configPath(cmd))
	if err != nil {
		return nil, tellProblems(cmd.ErrOrStderr(), err)
	}
	queue, dead, err := mail.ReadQueue(outboxFolder(loaded))
	return append(append(items, queue...), dead...), err
}

func newMailFlushCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "flush",
		Short: "Have the running gateway try all waiting notices now",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var tried int
			if err := askGateway(cmd, callMailFlush, struct{}{}, &tried, false); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", counted(tried, "notice is tried now", "notices are tried now"))
			return err
		},
	}
}

func newMailDropCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "drop ID",
		Short: "Remove one notice for good, waiting or given up",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return usageError{fmt.Errorf("%s takes one ID, as `gateway mail queue` prints it", cmd.CommandPath())}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			err := askGateway(cmd, callMailDrop, args[0], nil, false)
			if errors.Is(err, control.ErrNotRunning) {
				err = dropStored(cmd, args[0])
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "dropped %s\n", args[0])
			return err
		},
	}
}

// dropStored removes a notice that a gateway left which runs no more.
func dropStored(cmd *cobra.Command, id string) error {
	loaded, err := config.Load(configPath(cmd))
	if err != nil {
		return tellProblems(cmd.ErrOrStderr(), err)
	}
	return mail.NewOutbox(mail.Options{Dir: outboxFolder(loaded)}).Drop(id)
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func printQueue(w io.Writer, items []mail.Item) error {
	if len(items) == 0 {
		_, err := fmt.Fprintln(w, "no notices wait")
		return err
	}
	for _, item := range items {
		if err := printItem(w, item); err != nil {
			return err
		}
	}
	return nil
}

func printItem(w io.Writer, item mail.Item) error {
	var notes []string
	if item.Dead {
		notes = append(notes, "given up")
	}
	if !item.Stored && !item.Dead {
		notes = append(notes, "in memory only, the disk does not take it")
	}
	if item.Dropped > 0 {
		notes = append(notes, counted(item.Dropped, "older one was dropped", "older ones were dropped"))
	}
	if len(notes) > 0 {
		notes[0] = " (" + notes[0]
		notes[len(notes)-1] += ")"
	}
	fmt.Fprintf(w, "%s%s\n  %s\n  raised %s\n", item.ID, strings.Join(notes, ", "), item.Subject, item.Raised.Local().Format(clock))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, target := range item.Targets {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", strings.TrimSpace(target.Channel+" "+target.Target), target.State, targetText(target))
	}
	return table.Flush()
}

func targetText(t mail.ItemTarget) string {
	var parts []string
	if t.Tries > 0 {
		parts = append(parts, counted(t.Tries, "try", "tries"))
	}
	if !t.Next.IsZero() && t.Next.After(time.Now()) {
		parts = append(parts, "next at "+t.Next.Local().Format(clock))
	}
	if t.Error != "" {
		parts = append(parts, t.Error)
	}
	return strings.Join(parts, ", ")
}
