package proxy

import "sync"

// spareWorkers is how many workers may wait for a task. Their stacks are all
// that they hold: 1 MiB together, and less after the next garbage collection.
const spareWorkers = 32

// workers are goroutines for tasks that need a large stack: handshakes, of 16 to
// 32 KiB, and requests of HTTP/2. A new goroutine would begin with a small one and
// copy it each time that it is too small. A connection would keep that of its
// handshake for as long as it idles, so it goes on in a goroutine of its own, and
// the worker makes the next one.
type workers struct {
	tasks chan func()   // taken by a worker that waits
	spare chan struct{} // holds one for each that waits
	all   sync.WaitGroup
}

func newWorkers() *workers {
	return &workers{tasks: make(chan func()), spare: make(chan struct{}, spareWorkers)}
}

// do has a worker run task at once: one that waits, or else a new one. None waits
// for a further task when stopping is closed.
func (w *workers) do(task func(), stopping <-chan struct{}) {
	select {
	case w.tasks <- task:
	default:
		w.all.Go(func() { w.work(task, stopping) })
	}
}

// work runs a task, and then those that come while there is room to wait for them.
func (w *workers) work(task func(), stopping <-chan struct{}) {
	_ = growStack(len(w.spare))
	for task != nil {
		task()
		task = w.next(stopping)
	}
}

// workerStack is about what a request to a backend takes, in bytes.
const workerStack = 8 << 10

// growStack has a frame of this size, which must depend on something that the
// compiler does not know: a stack grows cheaply while there is little on it to copy.
//
//go:noinline
func growStack(at int) byte {
	var room [workerStack]byte
	room[at]++
	return room[at/2]
}

// next returns nil when the worker is to end.
func (w *workers) next(stopping <-chan struct{}) func() {
	select {
	case w.spare <- struct{}{}:
		defer func() { <-w.spare }()
	default:
		return nil
	}
	select {
	case task := <-w.tasks:
		return task
	case <-stopping:
		return nil
	}
}

// wait returns when all workers have ended.
func (w *workers) wait() { w.all.Wait() }
