package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test binary the backend when the benchmark starts it as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == backendVerb {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func TestBench_MeasuresGatewayBesidePlainHTTPUtil(t *testing.T) {
	gateway := benchGateway(t)
	var out, log bytes.Buffer
	code := run(t.Context(), []string{
		"-binary", gateway, "-only", "gateway,httputil", "-rows", "h1-1k,h2-1k,resumed,down,up,latency,idle",
		"-rounds", "1", "-seconds", "1", "-idle", "300", "-settle", "0s", "-json",
	}, &out, &log)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, log.String())
	}
	var got report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in:\n%s", err, out.String())
	}
	if !slices.Equal(got.Names, []string{"gateway", "httputil"}) {
		t.Fatalf("the table has columns %q, want gateway and httputil", got.Names)
	}
	benchPlausible(t, got, map[string]float64{
		"h1-1k": 5, "h2-1k": 5, "resumed": 50, "down": 0.1, "up": 0.1, "p50": 20, "p99": 20, "idle": 1,
	})
}

// benchPlausible checks that each row is there, with values above what no proxy
// gets below. What a busy machine makes of such short loads has no upper bound.
func benchPlausible(t *testing.T, got report, least map[string]float64) {
	t.Helper()
	if len(got.Rows) != len(least) {
		t.Errorf("the table has %d rows, want %d", len(got.Rows), len(least))
	}
	for _, line := range got.Rows {
		for i, v := range line.Median {
			if v < least[line.Key] {
				t.Errorf("%s of %s: %v, want %v or more", line.Key, got.Names[i], v, least[line.Key])
			}
		}
		if want := line.Median[0] / line.Median[1]; math.Abs(line.Ratio[0]-want) > 0.001 {
			t.Errorf("%s: ratio %v, want %v", line.Key, line.Ratio[0], want)
		}
	}
}

func TestBench_SaysWhatIsWrongWithItsFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-rows h9":                "-rows h9: there are: h1-1k",
		"-only squid":             "-only squid: there are: nginx, haproxy",
		"-rounds 0":               "-rounds 0: write 1 or more",
		"-seconds 0":              "-seconds 0: write 0.1 or more",
		"-binary ,":               "-binary: write the path of a gateway",
		"nginx":                   `"nginx": there are only flags`,
		"-idle 0":                 "-idle 0: write 1 or more",
		"-binary a=x,b=y -only c": "-only c: there are: nginx, haproxy, apache, caddy, httputil, a, b",
		"-round 2":                "flag provided but not defined: -round",
	} {
		var log bytes.Buffer
		code := run(t.Context(), strings.Fields(args), &log, &log)
		if code != 2 || strings.Count(log.String(), want) != 1 {
			t.Errorf("%s: exit code %d and %q, want 2 and once %q", args, code, log.String(), want)
		}
	}
}

func TestBench_EndsWithTheReasonWhenAContenderDoesNotStart(t *testing.T) {
	fake := filepath.Join(t.TempDir(), "gateway")
	script := "#!/bin/sh\n[ \"$1\" = version ] && echo v && exit\necho 'no such certificate' >&2\nexit 3\n"
	if err := os.WriteFile(fake, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	code := run(t.Context(), []string{"-binary", fake, "-only", "gateway", "-rows", "h1-1k"}, &log, &log)
	if code != 1 || !strings.Contains(log.String(), "exit status 3") || !strings.Contains(log.String(), "no such certificate") {
		t.Errorf("exit code %d and %q, want 1 and both the exit status and what it printed", code, log.String())
	}
}

func TestBench_SaysBeforeItMeasuresThatThereAreTooFewDescriptors(t *testing.T) {
	var log bytes.Buffer
	code := run(t.Context(), []string{"-binary", "/bin/true", "-only", "gateway", "-rows", "h1-1k,idle", "-idle", "100000000"}, &log, &log)
	if code != 1 || !strings.Contains(log.String(), "ulimit -Hn") || strings.Contains(log.String(), "starting") {
		t.Errorf("exit code %d and %q, want 1 and a word on ulimit", code, log.String())
	}
}

func TestMergeProfiles_MakesOneOfAllRunsAndSaysWhenThereIsNone(t *testing.T) {
	w := &workshop{dir: t.TempDir(), options: options{profile: filepath.Join(t.TempDir(), "all.prof")}}
	if err := w.mergeProfiles(t.Context()); err == nil || !strings.Contains(err.Error(), "-tags profile") {
		t.Errorf("without any profile: %v, want the advice to build with -tags profile", err)
	}
	for _, name := range []string{"gateway-1", "gateway-2"} {
		part, err := os.Create(filepath.Join(w.dir, name+profileEnding))
		if err != nil {
			t.Fatal(err)
		}
		if err := pprof.StartCPUProfile(part); err != nil {
			t.Fatal(err)
		}
		pprof.StopCPUProfile()
		if err := part.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.mergeProfiles(t.Context()); err != nil {
		t.Fatal(err)
	}
	merged, err := os.ReadFile(w.profile)
	if err != nil || !bytes.HasPrefix(merged, []byte{0x1f, 0x8b}) {
		t.Errorf("the merged profile: %v and %.20q, want gzip as pprof writes it", err, merged)
	}
}

func TestParseStat_ReadsNamesWithParenthesesAndSpaces(t *testing.T) {
	line := "42 (a) b (c)) S 7 42 42 0 -1 4194560 100 200 0 0 5 6 130 20 20 0 1 0 300 1000 10 0 0 0"
	got, err := parseStat([]byte(line))
	if want := (stat{parent: 7, ended: 1500 * time.Millisecond}); err != nil || got != want {
		t.Errorf("parseStat: %+v, %v; want %+v", got, err, want)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (init) S 0 1 1 0 -1 0 0 0 0 0 1 2 3 4 20 0"))
	f.Add([]byte("1 (init) S 0"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := parseStat(text); err == nil && !bytes.Contains(text, []byte(")")) {
			t.Errorf("%q was taken for a line of /proc/PID/stat", text)
		}
	})
}

func TestDescendants_AreAllGenerationsAndNobodyElse(t *testing.T) {
	all := map[int]stat{1: {}, 10: {parent: 1}, 11: {parent: 10}, 12: {parent: 10}, 13: {parent: 12}, 20: {parent: 1}}
	got := descendants(10, all)
	slices.Sort(got)
	if want := []int{10, 11, 12, 13}; !slices.Equal(got, want) {
		t.Errorf("descendants of 10: %v, want %v", got, want)
	}
}

func TestTreeCPU_CountsChildrenThatRunAndThatHaveEnded(t *testing.T) {
	// The first loop's process has ended when the shell reads, the second's runs on.
	shell := exec.Command("/bin/sh", "-c", `(i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done); (i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo; read line); :`)
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = shell.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	alone, err := processCPU(shell.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := treeCPU(shell.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if tree < alone+20*time.Millisecond {
		t.Errorf("the tree has taken %v and its root %v: both children counted for less than 20 ms", tree, alone)
	}
}

func TestTreeMemory_IsThatOfARunningProcess(t *testing.T) {
	kib, err := treeMemory(os.Getpid())
	if err != nil || kib < 1000 {
		t.Errorf("this test has %d KiB resident, %v; want at least 1000", kib, err)
	}
}

func TestMedian_IsTheMiddleOfAnyOrder(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
}

func TestRatio_ComparesWithinRounds(t *testing.T) {
	// The machine was ten times slower in the second round.
	if got := ratio([]float64{2, 20, 2}, []float64{1, 10, 1}); got != 2 {
		t.Errorf("ratio %v, want 2", got)
	}
}

func TestQuantile_IsTheValueThatSoManyDoNotExceed(t *testing.T) {
	var values []time.Duration
	for i := range 200 {
		values = append(values, time.Duration(199-i)) // 0 to 199
	}
	for q, want := range map[float64]time.Duration{0: 0, 0.5: 100, 0.99: 198, 1: 199} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v of 0 to 199: %d, want %d", q, got, want)
		}
	}
	if got := quantile(nil, 0.99); got != 0 {
		t.Errorf("quantile of nothing: %d, want 0", got)
	}
}

func TestAskAtRate_CountsAStallForAllThatItKeptWaiting(t *testing.T) {
	const stall = 300 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	credentials, err := newCredentials(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { time.Sleep(stall) }) // this is what is measured
		sendBytes(w, make([]byte, 1<<10), 1<<10)
	})}
	go server.ServeTLS(l, credentials.certificate, credentials.key)
	t.Cleanup(func() { server.Close() })
	w := &workshop{credentials: credentials}
	c, err := dial(t.Context(), l.Addr().String(), w.clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	taken, err := askAtRate(t.Context(), []*client{c}, 400*time.Millisecond)
	if err != nil || len(taken) != 400*requestRate/1000 {
		t.Fatalf("%d answers, %v; want %d", len(taken), err, 400*requestRate/1000)
	}
	// Only one request met the stall, but those that became due in its first half
	// waited for at least the other half.
	late := 0
	for _, d := range taken {
		if d > stall/2 {
			late++
		}
	}
	if want := 150 * requestRate / 1000; late < want {
		t.Errorf("%d requests were late by the stall, want at least the %d that became due in its first half", late, want)
	}
}

func TestInParallel_ReturnsTheFirstErrorAndEndsTheOthers(t *testing.T) {
	failed := errors.New("failed")
	err := inParallel(t.Context(), 3, func(ctx context.Context, i int) error {
		if i == 1 {
			return failed
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, failed) {
		t.Errorf("inParallel: %v, want %v", err, failed)
	}
}

func TestParseWrk_RefusesALoadWithFailures(t *testing.T) {
	good := "Running 1s test @ https://localhost:1/1024\n  1 threads and 64 connections\n  12345 requests in 1.00s, 15.31MB read\n"
	if n, err := parseWrk(good); n != 12345 || err != nil {
		t.Errorf("parseWrk: %d, %v; want 12345", n, err)
	}
	for _, bad := range []string{
		good + "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
		good + "  Non-2xx or 3xx responses: 12345\n",
		"unable to connect",
	} {
		if n, err := parseWrk(bad); err == nil {
			t.Errorf("parseWrk took %d requests from %q", n, bad)
		}
	}
}

func TestParseH2load_RefusesALoadWithFailuresOrWithoutHTTP2(t *testing.T) {
	good := "Application protocol: h2\nfinished in 1.00s, 20000.00 req/s, 20MB/s\nrequests: 20000 total, 20010 started, 20000 done, 20000 succeeded, 0 failed, 0 errored, 0 timeout\n"
	if n, err := parseH2load(good); n != 20000 || err != nil {
		t.Errorf("parseH2load: %d, %v; want 20000", n, err)
	}
	for _, bad := range []string{
		strings.Replace(good, "0 failed", "7 failed", 1),
		strings.Replace(good, "h2", "http/1.1", 1),
		"",
	} {
		if n, err := parseH2load(bad); err == nil {
			t.Errorf("parseH2load took %d requests from %q", n, bad)
		}
	}
}

func TestReport_PrintsMediansAndRatiosInOneTable(t *testing.T) {
	all := results{}
	for _, v := range []float64{50, 70, 60} {
		all.add("h1-1k", "old", []float64{v})
		all.add("h1-1k", "new", []float64{v / 2})
		all.add("h1-1k", "nginx", []float64{20})
	}
	contenders := []contender{{name: "old", gateway: true}, {name: "new", gateway: true}, {name: "nginx"}}
	m := measurement{key: "h1-1k", rows: []row{{key: "h1-1k", title: "CPU", digits: 1}}}
	var out strings.Builder
	if err := newReport(machine{}, contenders, []measurement{m}, all).writeTable(&out); err != nil {
		t.Fatal(err)
	}
	squeezed := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"| median of the rounds | old | new | nginx | old / nginx | new / nginx | new / old |",
		"| CPU | 60.0 | 30.0 | 20.0 | 3.00 | 1.50 | 0.50 |",
	} {
		if !strings.Contains(squeezed, want) {
			t.Errorf("no line %q in:\n%s", want, out.String())
		}
	}
}

// benchGateway builds the gateway of this very tree.
func benchGateway(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway")
	build := exec.Command("go", "build", "-o", path, "gateway/cmd/gateway")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	return path
}
