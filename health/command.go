package health

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// findProgram resolves the first word of a command as execvp(3) would after
// changing to dir: with a slash it is a path, without one it is looked for on
// the backend's own PATH.
func findProgram(name, dir, path string, who account) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, executable(name, who)
	}
	for _, folder := range filepath.SplitList(path) {
		candidate := filepath.Join(folder, name)
		if filepath.IsAbs(candidate) && executable(candidate, who) == nil {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("%q is in no folder of PATH (%s)", name, path)
}

func executable(path string, who account) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist", path)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file", path)
	case !who.may(info, 1):
		return fmt.Errorf("%s is not executable for user %s (mode %04o)", path, who.name, info.Mode().Perm())
	}
	return nil
}

// explainStart adds what an admin can do to an error of execve(2), which names
// neither the interpreter that is missing nor the first line that is wrong.
func explainStart(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%w: the kernel knows no way to run it: a script needs a first line such as #!/bin/sh", err)
	case errors.Is(err, fs.ErrNotExist):
		if first := firstLine(path); strings.HasPrefix(first, "#!") {
			return fmt.Errorf("%w: the interpreter of its first line %q is missing%s", err, strings.TrimSpace(first), windowsEnding(first))
		}
	case errors.Is(err, syscall.ETXTBSY):
		return fmt.Errorf("%w: it is being written: replace a running program by rename, not by writing into it", err)
	}
	return err
}

func windowsEnding(line string) string {
	if strings.HasSuffix(line, "\r") {
		return ": the file has Windows line endings; convert it with sed -i 's/\\r$//'"
	}
	return ""
}

func firstLine(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	line, err := bufio.NewReaderSize(file, 256).ReadSlice('\n')
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(line), "\n")
}

// command prepares the backend's process: own session and group, own user,
// nothing of gateway's environment, no shell.
func (h *host) command(mark marker) (*exec.Cmd, error) {
	var problems []error
	h.cfg.Validate(func(key, wrong, instead string) {
		problems = append(problems, fmt.Errorf("%s: %s: %s", key, wrong, instead))
	})
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	cmd, err := prepare(h.cfg, h.cfg.Command)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, markerName+"="+mark.String())
	return prepared(cmd, h.cfg.Rlimit.list(), h.group.toJoin())
}

// prepare makes a command of the backend's user, folder and environment.
func prepare(cfg Config, argv []string) (*exec.Cmd, error) {
	who, err := lookupAccount(cfg.User)
	if err != nil {
		return nil, err
	}
	env, err := cfg.environment(who)
	if err != nil {
		return nil, err
	}
	path, err := findProgram(argv[0], cfg.dir(who), lookup(env, "PATH"), who)
	if err != nil {
		return nil, err
	}
	return &exec.Cmd{
		Path: path, Args: argv, Env: env, Dir: cfg.dir(who),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: who.credential()},
	}, nil
}

// probeCommand makes the process of a command probe.
func (h *host) probeCommand(ctx context.Context, argv []string) (*exec.Cmd, error) {
	cmd, err := prepare(h.cfg, argv)
	if err != nil {
		return nil, err
	}
	// exec.CommandContext is what gives a command its context; the path is
	// already resolved, so it looks nothing up.
	bound := exec.CommandContext(ctx, cmd.Path)
	bound.Args, bound.Env, bound.Dir, bound.SysProcAttr = cmd.Args, cmd.Env, cmd.Dir, cmd.SysProcAttr
	return bound, nil
}

// commandLine is how a command is shown; it may hold secrets only if the file
// wrote them there, where ps shows them as well.
func commandLine(argv []string) string { return strings.Join(argv, " ") }
