package health

// AdoptOrphans: macOS gives orphans to process 1 alone.
func AdoptOrphans() error { return nil }

// anyEndedChild: macOS cannot tell without reaping, so that each is looked for.
func anyEndedChild() bool { return true }
