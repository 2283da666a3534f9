package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// needRoot says how to run a command that changes the machine.
func needRoot(cmd *cobra.Command) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return fmt.Errorf("only root can do this: sudo %s", commandLine(cmd))
}

// commandLine is what was typed, for a shell: with every flag, since without
// `--key FILE` an account would be made that nobody can come in to.
func commandLine(cmd *cobra.Command) string {
	words := []string{cmd.CommandPath()}
	for _, argument := range cmd.Flags().Args() {
		words = append(words, shellWord(argument))
	}
	cmd.Flags().Visit(func(flag *pflag.Flag) { words = append(words, flagWords(flag)...) })
	return strings.Join(words, " ")
}

// flagWords writes a flag as it can be given again, once for each of its values.
func flagWords(flag *pflag.Flag) []string {
	if flag.Value.Type() == "bool" && flag.Value.String() == "true" {
		return []string{"--" + flag.Name}
	}
	values := []string{flag.Value.String()}
	if list, is := flag.Value.(pflag.SliceValue); is {
		values = list.GetSlice()
	}
	var words []string
	for _, value := range values {
		words = append(words, "--"+flag.Name+"="+shellWord(value))
	}
	return words
}

// plainWord needs no quotes in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=,@%+-]+$`)

func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(plainText(text), "'", `'\''`) + "'"
}
