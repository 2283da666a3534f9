package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
)

// planPorts looks who has the addresses of gateway now. An Apache makes room if
// the file says so; anybody else is a refusal.
func (d *draft) planPorts(ctx context.Context) error {
	var apaches []string
	for _, address := range d.around.Listen {
		holder, err := d.around.Holder(ctx, address.Network, address.Address)
		switch {
		case errors.Is(err, host.ErrNoHolder):
		case err != nil:
			return err
		case holder.Unit == UnitName || slices.Contains(apaches, holder.Unit) && holder.Unit != "":
		case isApache(holder) && holder.Unit != "" && d.config.Apache == StopApache:
			apaches = append(apaches, holder.Unit)
		default:
			d.refusePort(address, holder)
		}
	}
	for _, name := range apaches {
		d.change(stopApache(name, unitOf(ctx, d.Machine, name)))
	}
	return nil
}

func (d *draft) refusePort(address Address, holder host.Listener) {
	instead := "stop it"
	switch stop := holder.Stop(); {
	case isApache(holder) && holder.Unit != "":
		instead = `write apache = "stop" in [setup.service], and Apache is stopped once gateway's own check passes; or stop it: systemctl disable --now ` + holder.Unit
	case stop != "":
		instead = "stop it: " + stop
	}
	d.refuse(fmt.Sprintf("%s is in use by %s", address.Address, holder), "gateway could not listen there", instead+"; or write another address in the site's listen")
}

// isApache tells an Apache httpd by its unit or its program, as the
// distributions call them.
func isApache(l host.Listener) bool {
	program, _, _ := strings.Cut(strings.TrimLeft(l.Command, `"`), " ")
	program = program[strings.LastIndexByte(program, '/')+1:]
	unit, _, _ := strings.Cut(strings.TrimSuffix(l.Unit, ".service"), "@")
	names := []string{"apache2", "httpd", "httpd2", "httpd-prefork"}
	return slices.Contains(names, program) || slices.Contains(names, unit)
}

// stopApache makes room. Undo runs it again, if it ran, and at boot, if it was.
func stopApache(name string, was unitState) host.Change {
	var undo []host.Command
	if was.enabled {
		undo = append(undo, host.Command{Argv: []string{"systemctl", "enable", "--quiet", name}})
	}
	if was.active {
		undo = append(undo, host.Command{Argv: []string{"systemctl", "start", name}})
	}
	return host.Change{
		What: "stop and disable " + name, Why: "it has a port of gateway; its configuration stays, and undo gives it back",
		Acts: []host.Act{host.Program{Do: host.Command{Argv: []string{"systemctl", "disable", "--quiet", "--now", name}}, Undo: undo}},
	}
}
