package sshd

import (
	"fmt"
	"path"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Folder is a folder or file of somebody's keys.
type Folder struct {
	Account string `json:"account"`
	Path    string `json:"path"`
	Mode    string `json:"mode"`  // "0700"
	Wrong   bool   `json:"wrong"` // sshd takes no key from it
}

// Folders are the .ssh of some accounts and the keys in it, as far as we may look.
func Folders(m host.Machine, accounts []account.Account) []Folder {
	found := []Folder{}
	for _, a := range accounts {
		for _, name := range []string{".ssh", ".ssh/authorized_keys"} {
			at := path.Join(a.Home, name)
			if info, err := m.Lstat(at); err == nil {
				found = append(found, Folder{Account: a.Name, Path: at, Mode: fmt.Sprintf("%04o", info.Mode().Perm()), Wrong: bad(info, a)})
			}
		}
	}
	return found
}
