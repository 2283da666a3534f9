package health

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// playOrphans adopts orphans and counts what becomes of them.
func playOrphans() {
	if err := AdoptOrphans(); err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- ReapOrphans(ctx) }()
	if err := exec.Command("/bin/sh", "-c", "for i in 1 2 3; do sleep 0.1 & done").Run(); err != nil {
		fmt.Println(err)
		return
	}
	for len(children(os.Getpid())) > 0 || len(endedChildren()) == 0 {
		time.Sleep(time.Millisecond) // the parent bounds it
	}
	ended := len(endedChildren())
	for len(endedChildren()) > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println(ended, "orphans ended and were reaped")
	stop()
	fmt.Println(<-done)
}
