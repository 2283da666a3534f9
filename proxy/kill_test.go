package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	killAddress = "GATEWAY_TEST_BACKEND_ADDRESS"
	killBoot    = 200 * time.Millisecond
)

// TestMain makes the test binary be the backend of the test below where that
// asks for it.
func TestMain(m *testing.M) {
	if address := os.Getenv(killAddress); address != "" {
		killBackend(address)
	}
	os.Exit(m.Run())
}

// killBackend is a backend in a process of its own. It tells each request on its
// standard output.
func killBackend(address string) {
	time.Sleep(killBoot)
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = os.Stdout.WriteString(r.Method + " " + r.URL.Path + "\n")
		time.Sleep(2 * time.Millisecond)
	}))
	fmt.Println(err)
	os.Exit(1)
}

// killLoop keeps the backend alive as an ideal supervisor does, and takes down
// what it was asked.
type killLoop struct {
	t       *testing.T
	address string
	known   *holdKnown
	mu      sync.Mutex
	asked   map[string]int
	dying   time.Duration // from the kills to the ends, in all
}

// life starts the backend, and returns a function that kills it and waits for
// the end of its output.
func (l *killLoop) life() (kill func()) {
	l.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killAddress+"="+l.address)
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == "ready" {
				close(ready)
				continue
			}
			l.mu.Lock()
			l.asked[lines.Text()]++
			l.mu.Unlock()
		}
	}()
	select {
	case <-ready:
	case <-ended:
		l.t.Fatal("the backend ended before it was ready")
	}
	l.known.set(holdUp)
	return func() {
		killed := time.Now()
		_ = cmd.Process.Kill()
		<-ended
		l.dying += time.Since(killed)
		_ = cmd.Wait()
		l.known.set(holdComing)
	}
}

func TestKill_CostsNoRequestButPostsThatWereUnderWay(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes three seconds")
	}
	url, _ := holdAddress(t, nil)
	loop := &killLoop{t: t, address: strings.TrimPrefix(url, "http://"), known: newHoldKnown(holdComing), asked: map[string]int{}}
	f := newHoldFront(t, url, loop.known)
	f.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 200
	const lives, requests = 5, 600
	load := make(chan map[string]<-chan *holdAnswer)
	go func() { // also while the backend is away
		answers := map[string]<-chan *holdAnswer{}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := range requests {
			<-tick.C
			method := []string{"GET", "POST"}[n%2]
			path := fmt.Sprintf("/%d", n)
			answers[method+" "+path] = f.start(t, f.request(t, method, path, strings.NewReader("body")))
		}
		load <- answers
	}()
	for range lives {
		kill := loop.life()
		time.Sleep(300 * time.Millisecond)
		kill()
	}
	kill := loop.life()
	answers := <-load
	lost, unseen, twice, unlucky := 0, 0, 0, 0
	statuses := map[string]int{}
	for what, answer := range answers {
		a := frontWait(t, answer, "an answer")
		statuses[what] = a.status()
	}
	kill()
	for what, status := range statuses {
		asked, post := loop.asked[what], strings.HasPrefix(what, "POST")
		switch {
		case status == 502 && post:
			lost++
			if asked == 0 {
				unseen++
			}
		case status == 502 && killTriedTwice(f.log.String(), what):
			unlucky++ // it met two deaths, read there or not, and is sent once more only
		case status != 200:
			t.Errorf("%s: %d", what, status)
		}
		if asked > 1 {
			twice++
		}
		if asked > 1 && post || asked > 2 {
			t.Errorf("%s was carried out %d times", what, asked)
		}
	}
	t.Logf("%d requests, %d kills: %d POSTs were lost under way, %d of them unread by the backend; %d GETs were carried out twice, and %d died twice", len(answers), lives, lost, unseen, twice, unlucky)
	// On a busy machine a process takes long to die, and takes requests all the time.
	if lost > lives*5+int(loop.dying/(5*time.Millisecond)) {
		t.Errorf("%d POSTs were lost", lost)
	}
}

// killTriedTwice reports whether a GET was given up after it was sent twice.
func killTriedTwice(log, what string) bool {
	path := strings.TrimPrefix(what, "GET ")
	for line := range strings.Lines(log) {
		if strings.Contains(line, " path="+path+" ") && strings.Contains(line, " tries=2 ") {
			return true
		}
	}
	return false
}
