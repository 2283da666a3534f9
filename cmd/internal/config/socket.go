package config

import "path/filepath"

// ControlSocket is where the gateway that runs with the file at path can be
// asked. It reads only that: a file that an admin is in the middle of changing
// must not keep the running gateway from being asked, so that one which is no
// TOML means the default socket. The error is a Problems, for a file that
// cannot be read at all.
func ControlSocket(path string) (string, error) {
	return onePath(path, Default().Admin.Socket, "admin", "socket")
}

// StateFolder is the folder where `gateway setup` keeps its journals with the
// file at path. Like ControlSocket it reads only that: a mistake in the file must
// not keep an admin from undoing.
func StateFolder(path string) (string, error) {
	return onePath(path, Default().State, "state")
}

// onePath reads the value of one key that names a path, or what holds without it.
func onePath(path, without string, keys ...string) (string, error) {
	text, unreadable := readText(path)
	if unreadable != nil {
		return "", Problems{*unreadable}
	}
	found := without
	var value any = parse(text, newFindings(path, indexLines(text)))
	for _, key := range keys {
		table, _ := value.(map[string]any)
		value = table[key]
	}
	if written, ok := value.(string); ok {
		found = written
	}
	if filepath.IsAbs(found) {
		return found, nil
	}
	absolute, err := filepath.Abs(path)
	return filepath.Join(filepath.Dir(absolute), found), err
}
