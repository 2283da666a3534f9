package config

import "path/filepath"

// ControlSocket is where the gateway that runs with the file at path can be
// asked. It reads only that: a file that an admin is in the middle of changing
// must not keep the running gateway from being asked, so that one which is no
// TOML means the default socket. The error is a Problems, for a file that
// cannot be read at all.
func ControlSocket(path string) (string, error) {
	text, unreadable := readText(path)
	if unreadable != nil {
		return "", Problems{*unreadable}
	}
	socket := Default().Admin.Socket
	tree := parse(text, newFindings(path, indexLines(text)))
	if admin, ok := tree["admin"].(map[string]any); ok {
		if written, ok := admin["socket"].(string); ok {
			socket = written
		}
	}
	if filepath.IsAbs(socket) {
		return socket, nil
	}
	absolute, err := filepath.Abs(path)
	return filepath.Join(filepath.Dir(absolute), socket), err
}
