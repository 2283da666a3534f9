package conda

import (
	"fmt"
	"path"

	"gateway/cmd/internal/host"
)

// installerLimit is the most bytes of an installer. Anaconda's has about 1 GB.
const installerLimit = 4 << 30

// asRoot makes files that users can read whatever the umask of the admin is
// (with 077 conda fails for everybody else), and a home that is ours, so that
// nothing is left in root's own.
const asRoot = `umask 077 && mkdir -p "$HOME" && umask 022 && exec "$@"`

// rootCommand runs a program of conda as root, with a home in our folder.
func (s *Step) rootCommand(argv ...string) host.Command {
	return host.Command{
		Argv: append([]string{"sh", "-c", asRoot, "sh"}, argv...),
		Env:  []string{"HOME=" + s.home(), "CONDA_PKGS_DIRS=" + path.Join(s.config.Prefix, "pkgs")},
		Dir:  "/",
	}
}

// locked makes a command hold a lock on the folder around the prefix, as do
// the programs that it starts. One that outlives a killed gateway is waited for
// by what takes its work back, and does not go on writing behind its back.
func (s *Step) locked(argv ...string) []string {
	return append([]string{"flock", "--no-fork", "--timeout", "900", path.Dir(s.config.Prefix)}, argv...)
}

func (s *Step) home() string         { return path.Join(s.folder, "home") }
func (s *Step) downloadPath() string { return path.Join(s.folder, "download", s.installer.file()) }

func (s *Step) download() host.Act {
	return host.Download{URL: s.installer.url, SHA256: s.installer.sha256, Path: s.downloadPath(), CAFile: s.config.CAFile, Limit: installerLimit}
}

// tidy removes what only the work needed.
func (s *Step) tidy() host.Command {
	const script = `rm -rf -- "$1/download" "$1/home" && { rmdir -- "$1" 2>/dev/null || true; }`
	return host.Command{Argv: []string{"sh", "-c", script, "sh", s.folder}}
}

// install is the change that puts a new conda where there is none.
func (s *Step) install(at base, missing []string) host.Change {
	prefix := s.config.Prefix
	change := host.Change{
		What: fmt.Sprintf("install conda in %s with %s", prefix, s.installer.url),
		Why:  "all users share one conda; it is run only if its SHA-256 is " + s.installer.sha256,
	}
	for _, folder := range missing {
		change.Acts = append(change.Acts, host.Folder{Path: folder, Perm: 0o755})
	}
	argv := s.locked("bash", s.downloadPath(), "-b", "-p", prefix)
	if at.state == baseEmpty {
		argv = append(argv, "-u") // installers refuse a folder that is there
	}
	change.Acts = append(change.Acts, s.download(),
		host.Program{Do: s.rootCommand(argv...), Undo: []host.Command{s.remove(at)}},
		giveToRoot(prefix))
	return s.marked(change)
}

// remove takes a new conda away again, and leaves the folder if it was there
// before. Environments that somebody has made since are worth more than an undo.
func (s *Step) remove(at base) host.Command {
	const guard = `later=$(find "$1/envs" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | head -n 1)
if [ -n "$later" ]; then echo "$later was made since then: remove it first, with conda env remove" >&2; exit 1; fi
`
	script := guard + `rm -rf -- "$1"`
	if at.state == baseEmpty {
		script = guard + `find "$1" -mindepth 1 -delete`
	}
	return host.Command{Argv: s.locked("sh", "-c", script, "sh", s.config.Prefix)}
}

// upgrade is the change that runs the installer over a conda that is there. What
// base was is kept as an archive, for the way back; environments in envs and the
// cache in pkgs are not touched by installers.
func (s *Step) upgrade(at base, condarc string) host.Change {
	prefix := s.config.Prefix
	change := host.Change{
		What: fmt.Sprintf("run %s over the conda in %s", s.installer.url, prefix),
		Why:  "the installer is another one than the one that made it: " + orElse(at.sum, "gateway has not run that"),
	}
	before := path.Join(s.folder, "before-"+s.installer.sha256+".tar")
	const clear = `find "$1" -mindepth 1 -maxdepth 1 ! -name envs ! -name pkgs -exec rm -rf -- {} +`
	change.Acts = append(change.Acts, s.download(),
		host.Program{
			Do: host.Command{Argv: []string{"tar", "--format=posix", "-cf", before, "--numeric-owner", "--one-file-system",
				"--exclude=./envs", "--exclude=./pkgs", "-C", prefix, "."}},
			Undo: []host.Command{{Argv: []string{"sh", "-c", `rm -f -- "$2" && { rmdir -- "$1" 2>/dev/null || true; }`, "sh", s.folder, before}}},
		},
		host.Program{
			Do: s.rootCommand(s.locked("bash", s.downloadPath(), "-b", "-u", "-p", prefix)...),
			Undo: []host.Command{
				{Argv: s.locked("sh", "-c", clear, "sh", prefix)},
				{Argv: []string{"tar", "-xpf", before, "--numeric-owner", "-C", prefix}},
			},
		},
		giveToRoot(prefix),
		// installers bring a .condarc of their own
		host.File{Path: path.Join(prefix, condarcFile), Data: []byte(mergeCondarc(condarc, s.config.condarc())), Perm: 0o644})
	return s.marked(change)
}

// marked notes in the prefix which installer made it, and tidies up.
func (s *Step) marked(change host.Change) host.Change {
	change.Acts = append(change.Acts,
		host.File{Path: path.Join(s.config.Prefix, markFile), Data: s.installer.mark(), Perm: 0o644},
		host.Program{Do: s.tidy()})
	return change
}

func orElse(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}
