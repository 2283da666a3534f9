package socket

import (
	"errors"
	"io"
	"os"
)

// Pipe carries bytes from one socket to another within the system, which neither
// copies them nor shows them to this program (splice(2)). It is for one goroutine
// at a time, and is filled again only when it is empty.
type Pipe struct {
	r, w *os.File
	held int
}

// Close gives the pipe's two descriptors back.
func (p *Pipe) Close() error { return errors.Join(p.r.Close(), p.w.Close()) }

// Fill waits until c has something to read, and takes up to most bytes of it. The
// error is io.EOF at the end of the stream.
func (p *Pipe) Fill(c *Conn, most int) (int, error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	refused := c.system.Read(func(fd uintptr) bool { return p.fill(&c.in, fd, most) })
	n, err := c.in.outcome(refused)
	if n == 0 && err == nil {
		err = io.EOF
	}
	p.held = n
	return n, c.named("read", err)
}

// Len is how many bytes it holds.
func (p *Pipe) Len() int { return p.held }

// Read is for those that can't take the pipe's bytes otherwise. It does not wait:
// when there are no more, the error is io.EOF.
func (p *Pipe) Read(b []byte) (int, error) {
	if p.held == 0 {
		return 0, io.EOF
	}
	n, err := p.r.Read(b[:min(len(b), p.held)])
	p.held -= n
	return n, err
}

// ReadFrom writes what there is to read from r. What a Pipe holds does not come
// into this program's memory on its way.
func (c *Conn) ReadFrom(r io.Reader) (written int64, err error) {
	p, ok := r.(*Pipe)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	for p.held > 0 {
		refused := c.system.Write(func(fd uintptr) bool { return p.drain(&c.out, fd) })
		n, err := c.out.outcome(refused)
		p.held -= n
		if written += int64(n); err != nil {
			return written, c.named("write", err)
		}
	}
	return written, nil
}
