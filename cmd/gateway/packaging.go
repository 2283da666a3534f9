//go:build packaging

// With this tag the command is another one: it writes what packages bring besides
// the program, so that the program itself need not know how.
//
//	go run -tags packaging ./cmd/gateway FOLDER VERSION SECONDS
//
// README.md must be in FOLDER: the first page of the manual has its tables.
// SECONDS is the time of the sources since 1970, which the pages bear
// (SOURCE_DATE_EPOCH).
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host/service"
	"gateway/cmd/internal/manual"
	"gateway/health"
)

// packagedProgram is where packages put the program.
const packagedProgram = "/usr/bin/gateway"

func main() {
	if err := writePackaging(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "packaging: %v\n", err)
		os.Exit(exitFailed)
	}
}

func writePackaging(args []string) error {
	if len(args) != 3 {
		return errors.New("give it a folder, a version and the time of the sources")
	}
	seconds, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return fmt.Errorf("the time of the sources: %w", err)
	}
	readme, err := os.ReadFile(filepath.Join(args[0], "README.md"))
	if err != nil {
		return err
	}
	common, err := commonSections(string(readme))
	if err != nil {
		return fmt.Errorf("README.md: %w", err)
	}
	root := newRoot()
	root.InitDefaultCompletionCmd()
	edition := manual.Edition{Source: "gateway " + args[1], Title: "The manual of gateway", Date: time.Unix(seconds, 0), Common: common}
	return errors.Join(
		writeFiles(filepath.Join(args[0], "man"), edition.Pages(root)),
		writeCompletions(filepath.Join(args[0], "completions"), root),
		writeFiles(args[0], map[string]string{service.UnitName: packagedUnit()}),
	)
}

// commonSections are what README.md says of all commands.
func commonSections(readme string) ([]manual.Section, error) {
	codes, err := manual.List(readme, "Exit codes of all: ")
	if err != nil {
		return nil, err
	}
	variables, problems := manual.Table(readme, "### Environment")
	files, err := manual.Table(readme, "### Files that gateway writes")
	problems = errors.Join(problems, err)
	signals, err := manual.Table(readme, "### Signals")
	return []manual.Section{
		{Title: "EXIT STATUS", Items: codes},
		{Title: "ENVIRONMENT", Items: variables},
		{Title: "FILES", Items: append([]manual.Item{{Head: "`" + defaultConfig + "`", Text: "What gateway serves, unless `-c` names another file."}}, files...),
			Text: "`state` is the folder that the file names so, by default `" + config.Default().State + "`."},
		{Title: "SIGNALS", Items: signals},
		{Title: "SEE ALSO", Items: []manual.Item{
			{Head: "`journalctl`(1), `systemctl`(1), `systemd.socket`(5)", Text: "for gateway as a service"},
			{Head: "README.md", Text: "all of the reference; the Debian package puts it into `/usr/share/doc/gateway`"},
			{Head: "config.example.toml", Text: "every key of the file, beside README.md"},
		}},
	}, errors.Join(problems, err)
}

// packagedUnit is for a file that nobody has written yet: all that it leaves out
// is as by default, and there is a backend that runs as another user.
func packagedUnit() string {
	c := config.Default()
	c.Backends = []config.Backend{{Config: health.Config{Command: []string{"./run.sh"}}}}
	around := aroundService(setupParts{Config: &c, path: defaultConfig})
	around.Program = packagedProgram
	return service.Packaged(around)
}

// writeCompletions writes one file for each shell, by the name under which the
// shell looks for it.
func writeCompletions(folder string, root *cobra.Command) error {
	var bash, zsh, fish bytes.Buffer
	err := errors.Join(root.GenBashCompletionV2(&bash, true), root.GenZshCompletion(&zsh), root.GenFishCompletion(&fish, true))
	if err != nil {
		return err
	}
	return writeFiles(folder, map[string]string{"gateway": bash.String(), "_gateway": zsh.String(), "gateway.fish": fish.String()})
}

func writeFiles(folder string, texts map[string]string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
