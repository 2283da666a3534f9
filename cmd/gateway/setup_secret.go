package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// secretLimit is the most bytes that are read where a secret is expected.
const secretLimit = 64 << 10

// readSecret reads the first line of a file, or of the standard input for "-".
func readSecret(cmd *cobra.Command, file string) ([]byte, error) {
	text, err := readInput(cmd, file)
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), err
}

// readInput reads a small file, or the standard input for "-".
func readInput(cmd *cobra.Command, file string) ([]byte, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, secretLimit+1))
	if err == nil && len(text) > secretLimit {
		err = fmt.Errorf("%s is too large for a key or a password", file)
	}
	return text, err
}

// askSecret asks twice on the terminal, without showing what is typed. Without a
// terminal it reads the first line of the standard input.
func askSecret(cmd *cobra.Command, question string) ([]byte, error) {
	in, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || !term.IsTerminal(int(in.Fd())) {
		return readSecret(cmd, "-")
	}
	first, err := typed(cmd, in, question+": ")
	if err != nil {
		return nil, err
	}
	again, err := typed(cmd, in, "The same again: ")
	if err == nil && !bytes.Equal(first, again) {
		err = errors.New("the two are not the same: nothing was changed")
	}
	return first, err
}

// typed reads a line that is not shown. The terminal shows again what is typed
// also after Ctrl-C.
func typed(cmd *cobra.Command, in *os.File, question string) ([]byte, error) {
	state, err := term.GetState(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	ctx, stop := untilInterrupted(cmd.Context())
	defer stop()
	fmt.Fprint(cmd.ErrOrStderr(), question)
	type answer struct {
		line []byte
		err  error
	}
	read := make(chan answer, 1)
	go func() { // it ends with the process: a read of a terminal can't be called off
		line, err := term.ReadPassword(int(in.Fd()))
		read <- answer{line, err}
	}()
	select {
	case got := <-read:
		fmt.Fprintln(cmd.ErrOrStderr())
		return got.line, got.err
	case <-ctx.Done():
		fmt.Fprintln(cmd.ErrOrStderr())
		return nil, errors.Join(context.Cause(ctx), term.Restore(int(in.Fd()), state))
	}
}
