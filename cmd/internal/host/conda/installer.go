package conda

import (
	"fmt"
	"path"
	"strings"
)

// installer is the program that makes a prefix.
type installer struct{ url, sha256 string }

const miniforgeVersion = "24.7.1-2"

// miniforge is the default installer for a machine (GOARCH). Both sums are those
// that The Littlest JupyterHub pins for this version.
func miniforge(arch string) (installer, error) {
	sums := map[string]struct{ machine, sha256 string }{
		"amd64": {"x86_64", "636f7faca2d51ee42b4640ce160c751a46d57621ef4bf14378704c87c5db4fe3"},
		"arm64": {"aarch64", "7bf60bce50f57af7ea4500b45eeb401d9350011ab34c9c45f736647d8dba9021"},
	}
	known, found := sums[arch]
	if !found {
		return installer{}, fmt.Errorf("no installer is known for %s", arch)
	}
	return installer{
		url: fmt.Sprintf("https://github.com/conda-forge/miniforge/releases/download/%s/Miniforge3-%s-Linux-%s.sh",
			miniforgeVersion, miniforgeVersion, known.machine),
		sha256: known.sha256,
	}, nil
}

// installer is the one that the table asks for.
func (c Config) installer(arch string) (installer, error) {
	if c.Installer == "" {
		one, err := miniforge(arch)
		if err == nil && c.SHA256 != "" {
			one.sha256 = strings.ToLower(c.SHA256)
		}
		return one, err
	}
	return installer{url: mirrored(c.Installer, c.Mirror), sha256: strings.ToLower(c.SHA256)}, nil
}

// anacondaSite is where the installers of Anaconda are published. A mirror has
// the same folders.
const anacondaSite = "https://repo.anaconda.com"

func mirrored(installer, mirror string) string {
	if rest, found := strings.CutPrefix(installer, anacondaSite+"/"); found && mirror != "" {
		return strings.TrimRight(mirror, "/") + "/" + rest
	}
	return installer
}

// file is the name that the installer has here. It ends in ".sh": installers
// refuse to run under another.
func (i installer) file() string { return path.Base(i.url) }

// mark is what is written into a prefix about the installer that made it.
func (i installer) mark() []byte { return []byte(i.sha256 + "  " + i.url + "\n") }

// markedSum is the sum in such a mark.
func markedSum(mark []byte) string {
	sum, _, _ := strings.Cut(string(mark), " ")
	return strings.TrimSpace(sum)
}

// licence is what an admin should know before packages of Anaconda are used, or "".
func (c Config) licence() string {
	fromAnaconda := strings.HasPrefix(c.Installer, anacondaSite) || strings.Contains(path.Base(c.Installer), "Anaconda") || strings.Contains(path.Base(c.Installer), "Miniconda")
	for _, channel := range c.Channels {
		fromAnaconda = fromAnaconda || channel == "defaults" || channel == "anaconda" || strings.Contains(channel, "repo.anaconda.com") || strings.Contains(channel, "pkgs/")
	}
	if !fromAnaconda {
		return ""
	}
	return "Anaconda's installers and its channel \"defaults\" are free of charge for small organisations only: from 200 people on " +
		"they need a paid licence, also through a mirror (https://www.anaconda.com/legal). Miniforge with conda-forge has no such terms."
}
