package firewall

import (
	"context"
	"errors"
	"io/fs"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Status is what is told of the firewall.
type Status struct {
	Installed bool         `json:"installed"`
	Active    bool         `json:"active"`  // now
	Enabled   bool         `json:"enabled"` // after a reboot
	IPv6      bool         `json:"ipv6"`    // the rules hold for IPv6; else it is all closed
	Default   string       `json:"default"` // what happens to what no rule is about: "deny", "allow" or "reject"
	Rules     []Rule       `json:"rules"`   // in their order, IPv4 first; they count only while it is active
	Doors     []DoorStatus `json:"doors"`
	Notes     []string     `json:"notes,omitempty"`
}

// DoorStatus is whether a port that must be open is.
type DoorStatus struct {
	Door
	Open   bool `json:"open"`
	Partly bool `json:"partly,omitempty"` // to those only whom a rule names
}

// Look reads the state of the firewall. Only root may.
func Look(ctx context.Context, m host.Machine, around Around) (Status, error) {
	if refusal, refused := unable(ctx, m); refused {
		return Status{}, errors.New(refusal.What + ": " + refusal.Instead)
	}
	status := Status{Installed: account.Installed(m, "ufw"), Rules: []Rule{}, Doors: []DoorStatus{}}
	if m.UID != 0 {
		return status, &fs.PathError{Op: "read", Path: rulesFile, Err: fs.ErrPermission}
	}
	s := &Step{around: around}
	doors, notes, err := s.sshDoors(ctx, m)
	if err != nil {
		return status, err
	}
	status.Notes = append(notes, foreign(ctx, m)...)
	u := ufw{input: "ACCEPT", ipv6: true}
	if status.Installed {
		if u, err = readUFW(ctx, m); err != nil {
			return status, err
		}
	}
	status.Active, status.Enabled, status.IPv6, status.Default = u.active, u.enabled, u.ipv6, policy(u.input)
	status.Rules = append(status.Rules, u.rules...)
	for _, door := range append(doors, around.Doors...) {
		status.Doors = append(status.Doors, u.door(door, around.Present))
	}
	return status, nil
}

func policy(input string) string {
	switch input {
	case "ACCEPT":
		return "allow"
	case "REJECT":
		return "reject"
	}
	return "deny"
}

// door is open when every family lets it in, or when nothing is closed at all.
func (u ufw) door(d Door, present account.Present) DoorStatus {
	status := DoorStatus{Door: d, Open: true}
	if !u.active {
		return status
	}
	for _, family := range u.families() {
		a := ask(u.rules, family, d.Port, present.Client.Addr())
		open := a.open || !a.decided && u.input == "ACCEPT"
		status.Open = status.Open && open
		status.Partly = status.Partly || a.partly || a.rule.From.IsValid()
	}
	return status
}
