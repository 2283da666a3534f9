// Package conda is the step of `gateway setup` that installs one conda for all
// users of a host: base belongs to root, and what users make lies in their homes.
//
// It runs an installer of conda's makers only once its SHA-256 is right, keeps
// what an admin has written in .condarc and in the files of shells, and adopts a
// conda that is there already.
package conda

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

	"gateway/cmd/internal/host"
)

// Config is the table [setup.conda].
type Config struct {
	Installer string        `toml:"installer"` // URL or absolute path of a self-extracting installer (.sh); default a pinned Miniforge
	SHA256    string        `toml:"sha256"`    // of the installer, in hex; needed with installer
	Prefix    string        `toml:"prefix"`    // default /opt/conda
	Upgrade   bool          `toml:"upgrade"`   // whether the installer is run over a conda that others have installed; default false
	Mirror    string        `toml:"mirror"`    // https URL of a site with conda's files: channels in cloud/, installers in archive/ and miniconda/
	Channels  []string      `toml:"channels"`  // default conda-forge
	CAFile    string        `toml:"ca_file"`   // PEM file with the authorities to trust for the download; default the system's
	Envs      []Environment `toml:"env"`
}

// Environment is the table [[setup.conda.env]].
type Environment struct {
	Name     string   `toml:"name"`
	User     string   `toml:"user"`     // whose; "": of all
	Packages []string `toml:"packages"` // as `conda create` takes them: "python=3.12"
}

// Default is the table as it is where the file has only its header.
func Default() Config {
	return Config{Prefix: "/opt/conda", Channels: []string{"conda-forge"}}
}

// maxPrefix keeps the first line of scripts in prefix/envs/NAME/bin below the
// 127 bytes that older kernels read of it.
const maxPrefix = 80

var (
	plainPath   = regexp.MustCompile(`^/[A-Za-z0-9._/+-]+$`)
	channelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:-]*$`)
	envName     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)
	specPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:/-]*( ?[=<>!~][A-Za-z0-9.*+!=<>~,|_ -]+)?$`)
	namePattern = regexp.MustCompile(`^[A-Za-z0-9._-]+\.sh$`)
)

// Validate reports what is wrong with the words of the table.
func (c Config) Validate(report host.Report) {
	c.validateInstaller(report)
	if len(c.Prefix) > maxPrefix || !plainPath.MatchString(c.Prefix) || path.Clean(c.Prefix) == "/" {
		report("prefix", fmt.Sprintf("%q is no folder for conda", c.Prefix),
			`write a folder of its own, of at most 80 letters, digits, ".", "_", "-" and "+", such as "/opt/conda"`)
	}
	if c.Mirror != "" && !isHTTPS(c.Mirror) {
		report("mirror", fmt.Sprintf("%q is no https URL", c.Mirror), `write the folder that has cloud/ in it, such as "https://mirrors.example.edu/anaconda"`)
	}
	if len(c.Channels) == 0 {
		report("channels", "is empty, so no package could be found", `write channels = ["conda-forge"]`)
	}
	for i, channel := range c.Channels {
		if !channelName.MatchString(channel) {
			report(fmt.Sprintf("channels[%d]", i), fmt.Sprintf("%q is no channel", channel), `write a name such as "conda-forge", or a URL`)
		}
	}
	validateEnvs(c.Envs, report)
}

func (c Config) validateInstaller(report host.Report) {
	if c.Installer != "" {
		const instead = `write the https URL of an installer for Linux, or the whole path of one that is here; its name ends in ".sh"`
		if !isHTTPS(c.Installer) && !path.IsAbs(c.Installer) || !namePattern.MatchString(path.Base(c.Installer)) {
			report("installer", fmt.Sprintf("%q is no installer", c.Installer), instead)
		}
		if c.SHA256 == "" {
			report("sha256", "is missing: an installer is run as root, so it must be known which one is meant",
				"write the 64 hexadecimal digits that are published beside the installer")
		}
	}
	if sum, err := hex.DecodeString(c.SHA256); c.SHA256 != "" && (err != nil || len(sum) != 32) {
		report("sha256", "is no SHA-256", "write the 64 hexadecimal digits that are published beside the installer")
	}
}

func isHTTPS(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && !strings.ContainsAny(text, " \"'\n")
}

func validateEnvs(envs []Environment, report host.Report) {
	first := map[string]int{}
	for i, env := range envs {
		key := fmt.Sprintf("env[%d].", i)
		if err := env.checkName(); err != nil {
			report(key+"name", err.Error(), `write a name such as "work"`)
		}
		for j, spec := range env.Packages {
			if !specPattern.MatchString(spec) {
				report(fmt.Sprintf("%spackages[%d]", key, j), fmt.Sprintf("%q is no package", spec), `write a name, or a name and a version, such as "python=3.12"`)
			}
		}
		identity := env.User + "/" + env.Name
		if at, taken := first[identity]; taken {
			report(key+"name", fmt.Sprintf("setup.conda.env[%d].name has the same name", at), "put the packages of both under one [[setup.conda.env]]")
			continue
		}
		first[identity] = i
	}
}

// checkName refuses what conda refuses, and what would be an option or a path.
func (e Environment) checkName() error {
	switch {
	case e.Name == "":
		return errors.New("is missing")
	case e.Name == "base", e.Name == "root":
		return fmt.Errorf("%q is conda's own environment, which stays as it was installed", e.Name)
	case !envName.MatchString(e.Name):
		return fmt.Errorf("%q is no name for an environment", e.Name)
	}
	return nil
}
