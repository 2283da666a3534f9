package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// options is the command line.
type options struct {
	only     []string      // names of contenders; empty: all that can be had
	rows     []string      // keys of measurements; empty: all
	rounds   int           // how often each figure is taken; the median counts
	time     time.Duration // how long each load lasts
	idle     int           // connections that are idle at a time
	settle   time.Duration // how long idle connections rest before memory is read
	binaries []binary      // builds of gateway to compare
	profile  string        // file for gateway's CPU profile; empty: none
	json     bool
}

// binary is a build of gateway that is measured under a name of its own.
type binary struct{ name, path string }

// errTold means that the command line is wrong and package flag has said so.
var errTold = errors.New("see above")

// parseOptions writes what -help asks for, and most complaints, to log itself.
func parseOptions(args []string, log io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	only := flags.String("only", "", "measure only these, such as gateway,nginx; without it all that are installed: "+gatewayName+", "+strings.Join(finderNames(), ", "))
	rows := flags.String("rows", "", "take only these measurements, without it all: "+strings.Join(measurementKeys(), ", "))
	binaries := flags.String("binary", "bin/gateway", "the gateway to measure, or several to compare: old=PATH,new=PATH")
	flags.IntVar(&o.rounds, "rounds", 3, "take each figure so many times; the median counts")
	seconds := flags.Float64("seconds", 5, "how long each load lasts")
	flags.StringVar(&o.profile, "profile", "", "the file to write a CPU profile to, of a gateway built with -tags profile")
	flags.IntVar(&o.idle, "idle", 4000, "how many idle connections there are when memory is read")
	flags.DurationVar(&o.settle, "settle", 150*time.Second, "how long idle connections rest before memory is read; Go's garbage collector needs more than 2m")
	flags.BoolVar(&o.json, "json", false, "print JSON in the place of the table")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return o, err
	} else if err != nil {
		return o, errTold
	}
	o.only, o.rows = list(*only), list(*rows)
	o.time = time.Duration(*seconds * float64(time.Second))
	o.binaries = parseBinaries(*binaries)
	return o, o.check(flags.Args())
}

func (o options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q: there are only flags; see -help", rest[0])
	case o.rounds < 1:
		return fmt.Errorf("-rounds %d: write 1 or more", o.rounds)
	case o.time < 100*time.Millisecond:
		return fmt.Errorf("-seconds %v: write 0.1 or more", o.time.Seconds())
	case len(o.binaries) == 0:
		return errors.New("-binary: write the path of a gateway")
	case o.idle < 1:
		return fmt.Errorf("-idle %d: write 1 or more", o.idle)
	}
	if err := known("-rows", o.rows, measurementKeys()); err != nil {
		return err
	}
	names := finderNames()
	for _, b := range o.binaries {
		names = append(names, b.name)
	}
	return known("-only", o.only, names)
}

// known says which of the words is none of those that there are.
func known(flag string, words, all []string) error {
	for _, word := range words {
		if !slices.Contains(all, word) {
			return fmt.Errorf("%s %s: there are: %s", flag, word, strings.Join(all, ", "))
		}
	}
	return nil
}

// wants reports whether a contender is to be measured.
func (o options) wants(name string) bool {
	return len(o.only) == 0 || slices.Contains(o.only, name)
}

// parseBinaries reads "PATH" or "NAME=PATH,NAME=PATH".
func parseBinaries(text string) []binary {
	var all []binary
	for _, item := range list(text) {
		name, path, named := strings.Cut(item, "=")
		if !named {
			name, path = gatewayName, item
		}
		all = append(all, binary{name: name, path: path})
	}
	return all
}

// list is the items between commas.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}
