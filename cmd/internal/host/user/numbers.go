package user

import (
	"strconv"
	"strings"
	"syscall"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// numbers hands out uids and gids as useradd(8) would, but none whose files still
// lie in /home: they would belong to a stranger.
type numbers struct {
	defs  loginDefs
	taken map[int]bool
}

func readNumbers(m host.Machine, d account.Database) numbers {
	n := numbers{defs: readLoginDefs(m), taken: map[int]bool{}}
	for _, a := range d.Accounts {
		n.taken[a.UID] = true
	}
	for _, g := range d.Groups {
		n.taken[g.GID] = true
	}
	homes, err := m.ReadDir("/home")
	if err != nil {
		return n
	}
	for _, home := range homes {
		if info, err := home.Info(); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				n.taken[int(stat.Uid)] = true
			}
		}
	}
	return n
}

// next is the number behind the highest one taken, or the first free one when
// there is none behind it; ok is false when all are taken.
func (n *numbers) next() (number int, ok bool) {
	number = n.defs.uidMin
	for taken := range n.taken {
		if taken >= number && taken <= n.defs.uidMax {
			number = taken + 1
		}
	}
	if number > n.defs.uidMax {
		for number = n.defs.uidMin; n.taken[number]; number++ {
		}
	}
	n.taken[number] = true
	return number, number <= n.defs.uidMax
}

// loginDefs is what counts for us of /etc/login.defs (login.defs(5)).
type loginDefs struct {
	uidMin, uidMax int
	homeMode       uint32
}

// readLoginDefs takes the usual values for what is not there: numbers from 1000
// to 60000, and homes that only the account and its own group see into, as in
// Ubuntu.
func readLoginDefs(m host.Machine) loginDefs {
	text, err := m.ReadFile("/etc/login.defs")
	if err != nil {
		text = nil
	}
	return parseLoginDefs(string(text))
}

func parseLoginDefs(text string) loginDefs {
	defs := loginDefs{uidMin: 1000, uidMax: 60000, homeMode: 0o750}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || strings.HasPrefix(f[0], "#") {
			continue
		}
		n, err := strconv.ParseUint(f[1], 0, 31)
		switch {
		case err != nil:
		case f[0] == "UID_MIN":
			defs.uidMin = int(n)
		case f[0] == "UID_MAX":
			defs.uidMax = int(n)
		case f[0] == "HOME_MODE":
			defs.homeMode = uint32(n) & 0o777
		}
	}
	return defs
}
