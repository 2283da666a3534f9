package main

import (
	"errors"
	"path/filepath"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host/jupyter"
)

// gatewayFile is gateway's own file, which the step jupyter writes a backend into.
type gatewayFile struct{ path string }

// Path is the whole path.
func (f gatewayFile) Path() string {
	if absolute, err := filepath.Abs(f.path); err == nil {
		return absolute
	}
	return f.path
}

func (f gatewayFile) Read(text string) (jupyter.Contents, error) {
	c, err := config.Decode(f.path, text)
	if err != nil {
		return jupyter.Contents{}, err
	}
	contents := jupyter.Contents{Backends: map[string]string{}}
	for _, b := range c.Backends {
		contents.Backends[b.Name] = b.URL
	}
	for _, s := range c.Sites {
		site := jupyter.Site{Name: s.Name, Listen: s.Listen, Certificate: s.Certificate, Files: s.Files, Backend: s.Backend, Routes: map[string]string{}}
		for _, r := range s.Routes {
			site.Routes[r.Path] = r.Backend
		}
		contents.Sites = append(contents.Sites, site)
	}
	return contents, nil
}

func (f gatewayFile) Insert(text, site, ofSite, rest string) (string, error) {
	return config.Insert(text, site, ofSite, rest)
}

// Problems are those of the file without their lines, which move when something
// is written above them.
func (f gatewayFile) Problems() []string {
	_, err := config.Load(f.path)
	var problems config.Problems
	if !errors.As(err, &problems) {
		return nil
	}
	var told []string
	for _, p := range problems {
		p.Line = 0
		told = append(told, p.String())
	}
	return told
}
