package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
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
	show, err := hideTyping(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	defer show()
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

// hideTyping has a terminal not show what is typed, before anybody is asked:
// whoever is quick, or pastes, would see the password on the screen. show brings
// the terminal back to where it was, also after Ctrl-C.
func hideTyping(fd int) (show func(), err error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	silent, err := unix.IoctlGetTermios(fd, termiosRead)
	if err != nil {
		return nil, err
	}
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, termiosWrite, silent); err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(fd, before) }, nil
}

// typed reads a line from a terminal that does not show it.
func typed(cmd *cobra.Command, in *os.File, question string) ([]byte, error) {
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
		return nil, context.Cause(ctx)
	}
}
