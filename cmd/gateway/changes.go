package main

import (
	"fmt"
	"reflect"
	"strings"

	"gateway/cmd/internal/config"
)

// changesBetween tells what differs between two configurations, for people.
func changesBetween(before, after *config.Config) []string {
	changes := []string{}
	changes = append(changes, differences("site", before.Sites, after.Sites, func(s config.Site) string { return s.Name }, nil)...)
	changes = append(changes, differences("backend", before.Backends, after.Backends, func(b config.Backend) string { return b.Name }, fate)...)
	var tables []string
	for _, table := range []struct {
		name          string
		before, after any
	}{
		{"trusted_proxies", before.TrustedProxies, after.TrustedProxies},
		{"[log]", before.Log, after.Log}, {"[limits]", before.Limits, after.Limits}, {"[timeouts]", before.Timeouts, after.Timeouts},
		{"[acme]", before.ACME, after.ACME}, {"[mail]", before.Mail, after.Mail}, {"[[webhook]]", before.Webhooks, after.Webhooks},
		{"[admin]", before.Admin, after.Admin},
	} {
		if !reflect.DeepEqual(table.before, table.after) {
			tables = append(tables, table.name)
		}
	}
	if len(tables) > 0 {
		changes = append(changes, "changed: "+strings.Join(tables, ", "))
	}
	return changes
}

// differences lists what was added, removed or changed among the tables of one
// kind. Tables of one name are told apart by their order. fate may tell what a
// change entails.
func differences[T any](kind string, before, after []T, nameOf func(T) string, fate func(before, after T) string) []string {
	var changes []string
	left := map[string][]T{}
	for _, one := range before {
		left[nameOf(one)] = append(left[nameOf(one)], one)
	}
	for _, one := range after {
		name := nameOf(one)
		was := left[name]
		if len(was) == 0 {
			changes = append(changes, fmt.Sprintf("%s %s: added", kind, name))
			continue
		}
		left[name] = was[1:]
		if reflect.DeepEqual(was[0], one) {
			continue
		}
		entails := ""
		if fate != nil {
			entails = fate(was[0], one)
		}
		changes = append(changes, fmt.Sprintf("%s %s: changed%s", kind, name, entails))
	}
	for _, one := range before {
		if name := nameOf(one); len(left[name]) > 0 {
			left[name] = left[name][1:]
			changes = append(changes, fmt.Sprintf("%s %s: removed", kind, name))
		}
	}
	return changes
}

// fate tells what a change means for a backend's process.
func fate(before, after config.Backend) string {
	if startedAnew(before, after) {
		return ", and restarted"
	}
	return ""
}

// startedAnew tells whether a backend's process has to be another one after a change.
func startedAnew(before, after config.Backend) bool {
	return before.Supervised() && after.Supervised() && (before.URL != after.URL || !before.SameProcess(after.Config))
}
