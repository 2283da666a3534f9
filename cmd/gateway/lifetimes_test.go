package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// recording is a lifetime that notes its end.
func recording(name string, ends *[]string) lifetime {
	return lifetime{name, func(ctx context.Context) error {
		<-ctx.Done()
		*ends = append(*ends, name)
		return ctx.Err()
	}}
}

func TestLifetimes_StopOneAfterTheOtherLastStartedFirst(t *testing.T) {
	var ends []string
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := runLifetimes(ctx, []lifetime{recording("outbox", &ends), recording("certificates", &ends), recording("servers", &ends)})
	if err != nil {
		t.Errorf("a stop that was asked for is no error, got %v", err)
	}
	if want := []string{"servers", "certificates", "outbox"}; !slices.Equal(ends, want) {
		t.Errorf("stopped in the order %v, want %v", ends, want)
	}
}

func TestLifetimes_OneThatFailsStopsAllAndIsNamed(t *testing.T) {
	var ends []string
	broken := errors.New("broken")
	err := runLifetimes(t.Context(), []lifetime{
		recording("outbox", &ends),
		{"servers", func(context.Context) error { return broken }},
	})
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "servers: ") {
		t.Errorf("got %v, want the cause with the name in front", err)
	}
	if !slices.Equal(ends, []string{"outbox"}) {
		t.Errorf("the others were not stopped: %v", ends)
	}
}
