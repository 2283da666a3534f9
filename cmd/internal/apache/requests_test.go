package apache

import (
	"strings"
	"testing"
)

var apachePlaces = Places{
	{Name: "a.example.com", Port: 80, Address: "localhost:80", Listen: "http://:80"},
	{Name: "b.example.com", TLS: true, Port: 443, Address: "localhost:443", Listen: ":443"},
	{Name: "b.example.com", TLS: true, Port: 7879, Address: "localhost:7879", Listen: ":7879"},
}

func TestParseRequests_TakesListsAndLogs(t *testing.T) {
	text := `# a comment
https://b.example.com/x?y=z#there
https://b.example.com/x?y=z
/path
HEAD /head
HEAD http://a.example.com/
POST /pay
10.0.0.1 - ann [22/Nov/2026:10:00:00 +0000] "GET /combined HTTP/1.1" 200 5 "-" "curl/8"
10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /common HTTP/1.0" 200 -
a.example.com:80 10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /vhost HTTP/1.1" 200 5 "-" "-"
www.example.com:7879 10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /alias?q=\"a\"\xc3\xa9 HTTP/1.1" 200 5 "-" "-"
10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "DELETE /item HTTP/1.1" 200 5 "-" "-"
10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "\x16\x03\x01" 400 226 "-" "-"
10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "-" 408 0 "-" "-"
c.example.com:9999 10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /elsewhere HTTP/1.1" 200 5
some words
`
	got, err := ParseRequests(strings.NewReader(text), apachePlaces, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"GET https://b.example.com/x?y=z", "GET https://b.example.com/path", "HEAD https://b.example.com/head", "HEAD http://a.example.com/",
		"GET https://b.example.com/combined", "GET https://b.example.com/common", "GET http://a.example.com/vhost", "GET https://www.example.com:7879/alias?q=\"a\"é"}
	if len(got.All) != len(want) {
		t.Fatalf("got %v", got.All)
	}
	for i, r := range got.All {
		if r.String() != want[i] {
			t.Errorf("got %s, want %s", r, want[i])
		}
	}
	if got.Strange != 4 || got.Unsafe["POST"] != 1 || got.Unsafe["DELETE"] != 1 {
		t.Errorf("left out: %d strange, %v", got.Strange, got.Unsafe)
	}
	if all, _ := ParseRequests(strings.NewReader(text), apachePlaces, true); len(all.All) != len(want)+2 {
		t.Errorf("with all methods: %v", all.All)
	}
}

func FuzzParseRequests(f *testing.F) {
	f.Add("GET /x\nhttps://b.example.com/%zz\n")
	f.Add(`a:80 1 - - [x] "GET /\x22 HTTP/1.1" 200`)
	f.Fuzz(func(t *testing.T, text string) {
		got, _ := ParseRequests(strings.NewReader(text), apachePlaces, false)
		for _, r := range got.All {
			if r.Method != "GET" && r.Method != "HEAD" || r.URL.Host == "" {
				t.Errorf("%q gives %s", text, r)
			}
		}
	})
}
