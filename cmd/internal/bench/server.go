package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// How long a contender may take to start, and to stop when it is asked to.
const (
	startLimit = 20 * time.Second
	stopLimit  = 10 * time.Second
)

// server is a contender that runs.
type server struct {
	site    site
	cmd     *exec.Cmd
	ended   chan struct{} // closed when it has
	started time.Time
	startup time.Duration // from exec to the first answer
}

// start runs a contender in front of the backend and waits for its first answer.
func (w *workshop) start(ctx context.Context, c contender) (*server, error) {
	s, err := w.newSite(c)
	if err != nil {
		return nil, err
	}
	running, err := s.launch(c)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.name, err)
	}
	if err := running.waitReady(ctx, w.clientTLS()); err != nil {
		words := running.lastWords()
		running.stop()
		return nil, fmt.Errorf("starting %s: %w:\n%s", c.name, err, words)
	}
	return running, nil
}

// launch configures a contender and runs it in a process group of its own, so
// that Ctrl-C reaches the benchmark alone, which then stops it.
func (s site) launch(c contender) (*server, error) {
	args, err := c.configure(s)
	if err != nil {
		return nil, err
	}
	out, err := os.Create(s.file("output"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(c.program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), profileEnv+"="+s.dir+profileEnding)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	running := &server{site: s, cmd: cmd, ended: make(chan struct{}), started: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // the exit status stays in cmd
		close(running.ended)
	}()
	return running, nil
}

// newSite is a folder and a port for one run of a contender.
func (w *workshop) newSite(c contender) (site, error) {
	dir, err := os.MkdirTemp(w.dir, c.name+"-")
	if err != nil {
		return site{}, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // servers started by root serve as another user
		return site{}, err
	}
	port, err := freePort()
	return site{
		dir: dir, port: port, backend: w.backend.address, workers: w.workers,
		certificate: w.credentials.certificate, key: w.credentials.key,
	}, err
}

// waitReady asks until the site answers with 200.
func (s *server) waitReady(ctx context.Context, settings *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		err := askOnce(ctx, s.address(), settings)
		if err == nil {
			s.startup = time.Since(s.started)
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("it has ended: %v", s.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v: %w", startLimit, err)
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *server) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.site.port)) }

// url is what a load generator asks for to get so many bytes.
func (s *server) url(size int64) string {
	return fmt.Sprintf("https://%s:%d/%d", siteName, s.site.port, size)
}

// cpu is the CPU time that the server has taken so far.
func (s *server) cpu() (time.Duration, error) { return treeCPU(s.cmd.Process.Pid) }

// stop asks the server to end, kills what is left of its process group after a
// while, and waits for the end. Its folder goes, too: the access logs of a whole
// run would be gigabytes.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(stopLimit):
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.ended
	}
	_ = os.RemoveAll(s.site.dir) // or else with the folder of the whole run
}

// lastWords is the end of what the server has printed or written as an error.
func (s *server) lastWords() string {
	var all []byte
	for _, name := range []string{"output", "error.log"} {
		text, _ := os.ReadFile(s.site.file(name)) // may not be there
		all = append(all, text[max(0, len(text)-2000):]...)
	}
	return string(bytes.TrimSpace(all))
}

// askOnce makes a connection, asks for the page that probes ask for, and closes.
func askOnce(ctx context.Context, address string, settings *tls.Config) error {
	client := http.Client{Transport: &http.Transport{
		TLSClientConfig:   settings,
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+siteName+"/", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}

// freePort is a port that nothing listened on a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
