package config

import (
	"path/filepath"
	"reflect"
)

// Load reads and checks the file at path. If anything is wrong the error is a
// Problems that holds all of it, as far as it can be told: a file that is no
// TOML has one problem, the first. Load only reads; it does look whether what
// the file names is there.
func Load(path string) (*Config, error) {
	config, f, err := read(path)
	if err != nil {
		return nil, err
	}
	if problems := f.sorted(); len(problems) > 0 {
		return nil, problems
	}
	return config, nil
}

// read gives the file as far as it is sound, and what was found to be wrong. The
// config is nil for a file that is no TOML.
func read(path string) (*Config, *findings, error) {
	text, unreadable := readText(path)
	if unreadable != nil {
		return nil, nil, Problems{*unreadable}
	}
	config, f, err := decodeFile(path, text)
	if config != nil {
		config.validate(f)
	}
	return config, f, err
}

// decodeFile decodes the text of the file at path.
func decodeFile(path, text string) (*Config, *findings, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, Problems{{File: path, Wrong: "its folder cannot be told: " + err.Error(), Instead: "write the whole path after -c"}}
	}
	f := newFindings(path, indexLines(text))
	return decodeText(text, filepath.Dir(absolute), f), f, nil
}

// decodeText decodes over fresh defaults what is sound of a text; nil if it is no TOML.
func decodeText(text, folder string, f *findings) *Config {
	tree := parse(text, f)
	if tree == nil {
		return nil
	}
	config := Default()
	d := decoder{findings: f, folder: folder}
	d.table(reflect.ValueOf(&config).Elem(), tree, "")
	return &config
}
