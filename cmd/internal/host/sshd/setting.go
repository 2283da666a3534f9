package sshd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gateway/cmd/internal/host/account"
)

// setting is one line of sshd_config.
type setting struct {
	keyword  string   // as sshd_config(5) writes it
	value    string   // as it is written
	means    []string // as `sshd -T` may print it
	everyone bool     // no Match block may say otherwise
}

// settings are what the table asks for. What an admin has forbidden holds for
// everyone; what is allowed may still be forbidden for some by a Match block.
func (c Config) settings() []setting {
	password, root := yesNo(c.Password), setting{keyword: "PermitRootLogin", value: "no", means: []string{"no"}, everyone: true}
	if c.Root {
		// By password never: root is the one name that everybody who guesses knows.
		root = setting{keyword: "PermitRootLogin", value: "prohibit-password", means: []string{"prohibit-password", "without-password"}}
	}
	all := []setting{{keyword: "PasswordAuthentication", value: password, means: []string{password}, everyone: !c.Password}}
	if !c.Password {
		// PAM would ask for the same password in its own words.
		all = append(all, setting{keyword: "KbdInteractiveAuthentication", value: "no", means: []string{"no"}, everyone: true})
	}
	all = append(all, root)
	if len(c.AllowUsers) > 0 {
		all = append(all, setting{keyword: "AllowUsers", value: strings.Join(c.AllowUsers, " "), means: []string{strings.Join(sorted(c.AllowUsers), " ")}})
	}
	return append(all, c.limits()...)
}

func (c Config) limits() []setting {
	var all []setting
	number := func(keyword string, n int) {
		text := strconv.Itoa(n)
		all = append(all, setting{keyword: keyword, value: text, means: []string{text}})
	}
	if c.MaxAuthTries > 0 {
		number("MaxAuthTries", c.MaxAuthTries)
	}
	if c.Keepalive > 0 {
		number("ClientAliveInterval", int(c.Keepalive/time.Second))
		number("ClientAliveCountMax", keepaliveTries)
	}
	if !c.Forwarding {
		all = append(all, setting{keyword: "DisableForwarding", value: "yes", means: []string{"yes"}})
	}
	return all
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func sorted(words []string) []string { return slices.Compact(slices.Sorted(slices.Values(words))) }

// name is the keyword as sshd compares and prints it.
func (s setting) name() string { return strings.ToLower(s.keyword) }

// holds tells whether sshd's effective settings are what is wanted.
func (s setting) holds(effective account.Settings) bool {
	got := effective.Get(s.name())
	if s.keyword == "AllowUsers" {
		got = strings.Join(sorted(strings.Fields(strings.Join(effective[s.name()], " "))), " ")
	}
	return slices.Contains(s.means, got)
}

// render writes the file that sshd reads first. A Match block sets values that
// go before those outside of any; of several blocks that fit, the first counts.
// So what holds for everyone is said once more in a block that fits everybody.
func render(all []setting, withMatch bool) string {
	var text strings.Builder
	text.WriteString("# Written by `gateway setup` from [setup.sshd]: change it there, not here.\n" +
		"# sshd keeps the first value that it reads, and it reads this file first.\n")
	for _, s := range all {
		fmt.Fprintf(&text, "%s %s\n", s.keyword, s.value)
	}
	if !withMatch || !slices.ContainsFunc(all, func(s setting) bool { return s.everyone }) {
		return text.String()
	}
	text.WriteString("# Match blocks that are read later can not allow it to some users again.\nMatch all\n")
	for _, s := range all {
		if s.everyone {
			fmt.Fprintf(&text, "\t%s %s\n", s.keyword, s.value)
		}
	}
	return text.String()
}
