package service

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"gateway/cmd/internal/host"
)

// Label is what the service is called on macOS.
const Label = "com.github.gateway"

const plistFile = "/Library/LaunchDaemons/" + Label + ".plist"

// planDaemon has launchd run gateway (launchd.plist(5)). It runs as root: macOS has
// no capabilities, and only root starts backends as other users.
func (s *Step) planDaemon(m host.Machine) (host.Plan, error) {
	text := []byte(s.plist())
	before, err := m.ReadFile(plistFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return host.Plan{}, err
	}
	if string(before) == string(text) {
		return host.Plan{}, nil
	}
	const (
		load   = `launchctl bootout system "$1" 2>/dev/null; launchctl bootstrap system "$1"`
		unload = `launchctl bootout system "$1" 2>/dev/null; exit 0`
		again  = `[ ! -e "$1" ] || launchctl bootstrap system "$1"`
	)
	shell := func(script string) host.Command {
		return host.Command{Argv: []string{"sh", "-c", script, "sh", plistFile}}
	}
	return host.Plan{
		Notes: []string{"on macOS gateway runs as root, and in no sandbox; an Apache that has its ports is stopped with `sudo apachectl stop`"},
		Changes: []host.Change{{
			What: "write " + plistFile + " and start gateway", Why: "launchd starts gateway at boot, and again whenever it ends", Diff: host.Diff(plistFile, before, text),
			Acts: []host.Act{
				host.Program{Undo: []host.Command{shell(again)}},
				host.File{Path: plistFile, Data: text, Perm: 0o644},
				host.Program{Do: shell(load), Undo: []host.Command{shell(unload)}},
			},
		}},
	}, nil
}

// plist is the description of the service for launchd. What it calls abandoned is
// left alive when gateway is killed, so that the next one takes the backends over.
func (s *Step) plist() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>` + Label + `</string>
	<key>ProgramArguments</key>
	<array>
`)
	for _, word := range []string{s.around.Program, "run", "-c", s.around.File} {
		b.WriteString("\t\t<string>")
		_ = xml.EscapeText(&b, []byte(word)) // a strings.Builder never fails
		b.WriteString("</string>\n")
	}
	fmt.Fprintf(&b, `	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<true/>
	<key>AbandonProcessGroup</key>
	<true/>
	<key>ThrottleInterval</key>
	<integer>1</integer>
	<key>ExitTimeOut</key>
	<integer>%[1]d</integer>
	<key>SoftResourceLimits</key>
	<dict>
		<key>NumberOfFiles</key>
		<integer>%[2]d</integer>
	</dict>
	<key>StandardErrorPath</key>
	<string>/var/log/gateway.log</string>
</dict>
</plist>
`, int(s.around.StopsWithin.Seconds())+stopMargin, unit{connections: s.around.Connections}.files())
	return b.String()
}
