package config

import (
	"path/filepath"

	"github.com/BurntSushi/toml"
)

// ControlSocket is where the gateway that runs with the file at path can be
// asked. It reads only that: a file that an admin is in the middle of changing
// must not keep the running gateway from being asked. The error is a Problems,
// for a file that cannot be read at all.
func ControlSocket(path string) (string, error) {
	only := struct {
		Admin Admin `toml:"admin"`
	}{Admin: Default().Admin}
	text, unreadable := readText(path)
	if unreadable != nil {
		return "", Problems{*unreadable}
	}
	if _, err := toml.Decode(text, &only); err != nil {
		return Default().Admin.Socket, nil
	}
	absolute, err := filepath.Abs(path)
	if err != nil || filepath.IsAbs(only.Admin.Socket) {
		return only.Admin.Socket, err
	}
	return filepath.Join(filepath.Dir(absolute), only.Admin.Socket), nil
}
