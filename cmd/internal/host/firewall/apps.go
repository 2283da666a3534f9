package firewall

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
)

// appsFolder holds the applications that packages, and admins, make known to ufw.
const appsFolder = "/etc/ufw/applications.d"

// App is an application that ufw knows by name (ufw(8), "APPLICATION INTEGRATION").
type App struct {
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Ports       []string `json:"ports"` // "80,443/tcp"
}

// Apps lists the applications that can be allowed by name.
func Apps(m host.Machine) ([]App, error) {
	entries, err := m.ReadDir(appsFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: install ufw with `apt-get install ufw`", appsFolder)
	}
	if err != nil {
		return nil, err
	}
	apps := []App{}
	for _, e := range entries {
		text, err := m.ReadFile(path.Join(appsFolder, e.Name()))
		if err != nil {
			return nil, err
		}
		apps = append(apps, parseApps(string(text))...)
	}
	slices.SortStableFunc(apps, func(a, b App) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return apps, nil
}

// parseApps reads sections of "[Name]" with "title=", "description=" and
// "ports=80,443/tcp|53/udp".
func parseApps(text string) []App {
	var apps []App
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, found := strings.CutPrefix(line, "["); found {
			apps = append(apps, App{Name: strings.TrimSuffix(name, "]"), Ports: []string{}})
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found || len(apps) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		app, value := &apps[len(apps)-1], strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "title":
			app.Title = value
		case "description":
			app.Description = value
		case "ports":
			app.Ports = strings.Split(value, "|")
		}
	}
	return slices.DeleteFunc(apps, func(a App) bool { return len(a.Ports) == 0 })
}

// opens tells whether an application includes a TCP port.
func (a App) opens(port int) bool {
	return slices.ContainsFunc(a.Ports, func(entry string) bool {
		ports, proto, named := strings.Cut(entry, "/")
		return (!named || proto == "tcp") && portIn(ports, port)
	})
}
