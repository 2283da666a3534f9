package proxy

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseLogFormat_TellsWhereAndWhatToWriteInstead(t *testing.T) {
	for _, c := range []struct{ format, want string }{
		{`%h %Q`, `%Q at character 4 is not a directive: did you mean %q?`},
		{`%M`, `%M at character 1 is not a directive: did you mean %m?`},
		{`%h %`, `% at character 4 is not finished: write the letter of a directive, or %% for a percent sign`},
		{`%h %>`, `%> at character 4 is not finished`},
		{`"%{Referer"`, `%{Referer" at character 2 has no closing brace: write } after the name`},
		{`%i`, `%i at character 1 needs a name: write %{Name}i`},
		{`%{}o`, `%{}o at character 1 needs a name: write %{Name}o`},
		{`%{Y}T`, `%{Y}T at character 1 has an unknown argument: write %T, %{s}T, %{ms}T or %{us}T`},
		{`%{x}p`, `%{x}p at character 1 has an unknown argument: write %p, %{local}p or %{remote}p`},
		{`%{%Q}t`, `%{%Q}t at character 1 has the unknown time conversion %Q: write conversions of strftime(3)`},
		{`%{%}t`, `%{%}t at character 1 ends with a lone %`},
		{`%{x}n`, `%{x}n at character 1 names no note: write held, tries, first_byte, backend, request_id or reason`},
		{`%{SSL_X}x`, `%{SSL_X}x at character 1 names no variable: write SSL_PROTOCOL, SSL_CIPHER or SSL_TLS_SNI`},
		{`%{PATH}e`, `%{PATH}e at character 1 prints a variable of SetEnv, and gateway has none: leave it out`},
		{`%f`, `%f at character 1 prints the name of a file, and gateway serves none`},
		{`%^xx`, `%^xx at character 1 is not a directive`},
		{"%\xff", "at character 1 is not a directive"},
	} {
		_, err := ParseLogFormat(c.format)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.format, err, c.want)
		}
	}
}

func TestLogFormat_PrintsWhatGatewayAddsToApache(t *testing.T) {
	const format = `%{request_id}n %{backend}n %{held}n %{tries}n %{first_byte}n %{reason}n %L %X %O %{c}a %h %{SSL_PROTOCOL}x %{session}C %{other}C %{Authorization}i`
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.1:1234"
	r.Header.Set("Cookie", "session=s3cret")
	r.Header.Set("Authorization", "Digest s3cret")
	line := logTestLine(t, format, r, func(x *exchange) {
		x.id, x.backend, x.held, x.tries, x.firstByte = "abc", "api", 1500*time.Millisecond, 2, 3*time.Millisecond
		x.failure, x.client = "backend \"api\" away", "192.0.2.7"
	})
	want := `abc api 1500 2 3 backend \"api\" away abc + 19 10.0.0.1 192.0.2.7 - [hidden] - [hidden]`
	if line != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}
}

// logTestLine is the line of a request that a handler answers with nothing but note.
func logTestLine(t *testing.T, format string, r *http.Request, note func(*exchange)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	log, err := NewAccessLog(LogConfig{Access: path, Format: format}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := logTestRun(t, log)
	log.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		note(exchangeOf(r.Context()))
	})).ServeHTTP(httptest.NewRecorder(), r)
	stop()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(text), "\n")
}

func TestStrftime_AgreesWithTheCLibrary(t *testing.T) {
	const format = "%F %a %A %b %B %C %d %D %e %g %G %H %I %j %k %l %m %M %p %P %r %R %S %s %T %u %U %V %w %W %y %Y %z"
	for _, want := range []string{ // as date(1) prints them
		"2026-01-01 Thu Thursday Jan January 20 01 01/01/26  1 26 2026 00 12 001  0 12 01 07 AM am 12:07:09 AM 00:07 09 1767226029 00:07:09 4 00 01 4 00 26 2026 +0000",
		"2024-12-30 Mon Monday Dec December 20 30 12/30/24 30 25 2025 00 12 365  0 12 12 07 AM am 12:07:09 AM 00:07 09 1735517229 00:07:09 1 52 01 1 53 24 2024 +0000",
		"2021-01-03 Sun Sunday Jan January 20 03 01/03/21  3 20 2020 00 12 003  0 12 01 07 AM am 12:07:09 AM 00:07 09 1609632429 00:07:09 7 01 53 0 00 21 2021 +0000",
		"2026-11-22 Sun Sunday Nov November 20 22 11/22/26 22 26 2026 00 12 326  0 12 11 07 AM am 12:07:09 AM 00:07 09 1795306029 00:07:09 7 47 47 0 46 26 2026 +0000",
		"2023-01-01 Sun Sunday Jan January 20 01 01/01/23  1 22 2022 00 12 001  0 12 01 07 AM am 12:07:09 AM 00:07 09 1672531629 00:07:09 7 01 52 0 00 23 2023 +0000",
	} {
		moment, err := time.Parse(time.DateTime, want[:10]+" 00:07:09")
		if err != nil {
			t.Fatal(err)
		}
		print, err := compileStrftime(format)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(print(nil, moment)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func FuzzParseLogFormat(f *testing.F) {
	for _, seed := range append(logTestFormats, `%{%`, `%400,!`, `%{a}^ti`, `\`, `%^t`, `%999999999999999999999s`) {
		f.Add(seed)
	}
	r := httptest.NewRequest("GET", "/x?y", nil)
	f.Fuzz(func(t *testing.T, format string) {
		compiled, err := ParseLogFormat(format)
		if err != nil {
			return
		}
		tr := newTransaction(httptest.NewRecorder(), r)
		tr.finish()
		tr.close()
		compiled.appendLine(nil, tr)
	})
}
