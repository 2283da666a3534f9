package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// profileEnv is how a gateway that was built with -tags profile is told where to
// write its CPU profile.
const profileEnv = "GATEWAY_CPU_PROFILE"

// profileEnding marks the profiles of the single runs.
const profileEnding = ".prof"

// mergeProfiles makes one profile of those that all runs have written.
func (w *workshop) mergeProfiles(ctx context.Context) error {
	if w.profile == "" {
		return nil
	}
	parts, err := filepath.Glob(filepath.Join(w.dir, "*"+profileEnding))
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return fmt.Errorf("no profile for %s: build the gateway to measure with -tags profile", w.profile)
	}
	merge := exec.CommandContext(ctx, "go", append([]string{"tool", "pprof", "-proto", "-output", w.profile}, parts...)...)
	if out, err := merge.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", merge, err, out)
	}
	return nil
}
