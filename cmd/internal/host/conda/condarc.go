package conda

import (
	"regexp"
	"strings"
)

// condarcFile is conda's own file of settings, below the prefix.
const condarcFile = ".condarc"

// condarcHead is the first line of our part of a .condarc.
const condarcHead = "# Written by gateway setup conda: the keys below are kept as [setup.conda] says."

// condarc is our part of prefix/.condarc. "#!final" takes the channels out of
// users' hands: without it the channels of ~/.condarc are merged in, in front.
func (c Config) condarc() string {
	var b strings.Builder
	b.WriteString(condarcHead + "\n")
	mirror := strings.TrimRight(c.Mirror, "/")
	if mirror != "" {
		b.WriteString("channel_alias: " + mirror + "/cloud #!final\n")
	}
	b.WriteString("channels: #!final\n" + items(c.Channels))
	b.WriteString("default_channels: #!final\n" + items(c.defaultChannels()))
	b.WriteString("auto_activate_base: false\n")
	b.WriteString("envs_dirs:\n" + items([]string{"~/.conda/envs", c.Prefix + "/envs"}))
	b.WriteString("pkgs_dirs:\n" + items([]string{"~/.conda/pkgs", c.Prefix + "/pkgs"}))
	return b.String()
}

// defaultChannels are what the name "defaults" stands for: Anaconda's own
// channels only where the table asks for them, since they have a price.
func (c Config) defaultChannels() []string {
	site := anacondaSite
	if c.Mirror != "" {
		site = strings.TrimRight(c.Mirror, "/")
	}
	for _, channel := range c.Channels {
		if channel == "defaults" {
			return []string{site + "/pkgs/main", site + "/pkgs/r"}
		}
	}
	return c.channelURLs()
}

// channelURLs are the channels with their whole addresses.
func (c Config) channelURLs() []string {
	site := "https://conda.anaconda.org"
	if c.Mirror != "" {
		site = strings.TrimRight(c.Mirror, "/") + "/cloud"
	}
	var urls []string
	for _, channel := range c.Channels {
		if !strings.Contains(channel, "://") {
			channel = site + "/" + channel
		}
		urls = append(urls, channel)
	}
	return urls
}

func items(values []string) string {
	var b strings.Builder
	for _, value := range values {
		b.WriteString("  - " + value + "\n")
	}
	return b.String()
}

// topKey is a key of a YAML mapping that begins its line.
var topKey = regexp.MustCompile(`^["']?([A-Za-z_][A-Za-z0-9_]*)["']?[ \t]*:`)

// aliasOfEarlier is the line that an earlier run has written for a mirror.
var aliasOfEarlier = regexp.MustCompile(`^channel_alias: \S+/cloud #!final$`)

// mergeCondarc puts our keys into what an admin has written, and keeps the rest
// of it byte for byte.
func mergeCondarc(old, ours string) string {
	mine := map[string]bool{}
	for line := range strings.Lines(ours) {
		if key := topKey.FindStringSubmatch(line); key != nil {
			mine[key[1]] = true
		}
	}
	var kept strings.Builder
	dropping := false
	for line := range strings.Lines(old) {
		key := topKey.FindStringSubmatch(line)
		switch text := strings.TrimSpace(line); {
		case text == condarcHead:
			dropping = false
			continue
		case key != nil:
			dropping = mine[key[1]] || aliasOfEarlier.MatchString(text)
		case line[0] == '#' || text == "---":
			dropping = false // a comment, or the start of the file, belongs to nobody
		}
		if !dropping {
			kept.WriteString(line)
		}
	}
	text := kept.String()
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + ours
}
