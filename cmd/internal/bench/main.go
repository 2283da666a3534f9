// Command bench measures gateway beside other reverse proxies on one machine: the
// same backend, the same certificate, the same load, one after the other in
// interleaved rounds, and one table of medians at the end. "make bench" runs it.
//
// What it counts is the CPU time that the kernel has charged to the whole process
// tree of a proxy, not the time on the clock: other work on the machine makes a
// proxy slower, but hardly makes it compute more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// backendVerb makes this program the backend that all proxies are in front of, so
// that neither its memory nor its garbage is that of the load generator.
const backendVerb = "backend"

// ownGarbage is by how many percent the heaps of the load generator and of the
// backend grow before they are collected. Their collections keep answers waiting as
// much as a proxy's do, and would be taken for its own.
const ownGarbage = 2000

func main() {
	debug.SetGCPercent(ownGarbage)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 0 for a table, 2 for a command line that is wrong, 1
// for anything else.
func run(ctx context.Context, args []string, out, log io.Writer) int {
	if len(args) > 0 && args[0] == backendVerb {
		return told(log, serveBackend(ctx))
	}
	o, err := parseOptions(args, log)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errTold):
		return 2
	case err != nil:
		fmt.Fprintln(log, "bench:", err)
		return 2
	}
	return told(log, bench(ctx, o, out, log))
}

// bench measures what the options ask for and prints the table.
func bench(ctx context.Context, o options, out, log io.Writer) error {
	w, err := newWorkshop(ctx, o, log)
	if err != nil {
		return err
	}
	defer w.close()
	results, err := w.measureAll(ctx)
	if err != nil {
		return err
	}
	if err := w.mergeProfiles(ctx); err != nil {
		return err
	}
	report := newReport(w.machine(), w.contenders, w.measurements, results)
	if o.json {
		return report.writeJSON(out)
	}
	return report.writeTable(out)
}

func told(log io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(log, "bench:", err)
	return 1
}
