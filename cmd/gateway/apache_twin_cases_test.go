package main

import "strings"

// twinCase is one connection to the servers.
type twinCase struct {
	name    string
	request string // with HOST for the host and port, and a blank line at its end or a body
	plain   bool   // without TLS
	down    bool   // while the backend is away
	first   bool   // on the port that stands for 443
	answers int    // how many come; 0: one
}

const (
	twinHost  = " HTTP/1.1\r\nHost: HOST\r\n"
	twinClose = "Connection: close\r\n\r\n"
)

func twinGet(name, target string, headers ...string) twinCase {
	return twinCase{name: name, request: "GET " + target + twinHost + strings.Join(append(headers, ""), "\r\n") + twinClose}
}

func twinMethod(name, method, target, body string, headers ...string) twinCase {
	return twinCase{name: name, request: method + " " + target + twinHost + strings.Join(append(headers, ""), "\r\n") + twinClose + body}
}

// twinCases is the list of requests.
var twinCases = []twinCase{
	twinGet("get", "/", "User-Agent: curl/8.5", "Accept: */*"),
	{name: "get on the first port", request: "GET /" + twinHost + twinClose, first: true},
	twinGet("query", "/q?a=1&b=%20+;c=%zz&d"),
	twinGet("empty query", "/q?"),
	twinGet("question marks", "/q??x=?"),
	twinGet("escapes", "/a%20b%C3%A9%7Euser/%41"),
	twinGet("raw bytes", "/caf\xc3\xa9?x=\xe9"),
	twinGet("odd characters", "/a\"b<c>|d^e`{f}\\g"),
	twinGet("sub-delimiters", "/a;b=c,d/!$&'()*+=:@"),
	twinGet("encoded slash", "/a%2Fb"),
	twinGet("double slash", "/a//b"),
	twinGet("dot segments", "/a/./b/../c"),
	twinGet("dots above the root", "/../../etc/passwd"),
	twinGet("encoded dots", "/a/%2e%2e/b"),
	twinGet("encoded nul", "/a%00b"),
	twinGet("bad escape", "/a%zz"),
	twinGet("long target", "/"+strings.Repeat("x", 6000)+"?"+strings.Repeat("y", 1500)),
	twinGet("absolute form", "https://HOST/absolute?x"),
	twinGet("absolute form with another host", "https://other.example.com/absolute"),
	{name: "host in upper case", request: "GET / HTTP/1.1\r\nHost: API.Example.COM\r\n" + twinClose},
	twinMethod("head", "HEAD", "/length", ""),
	twinMethod("head of a chunked response", "HEAD", "/chunked", ""),
	twinMethod("options", "OPTIONS", "/", ""),
	twinMethod("options star", "OPTIONS", "*", ""),
	twinMethod("trace", "TRACE", "/", ""),
	twinMethod("delete", "DELETE", "/item/1", ""),
	twinMethod("patch", "PATCH", "/item/1", "{}", "Content-Type: application/json", "Content-Length: 2"),
	twinMethod("propfind", "PROPFIND", "/", ""),
	twinMethod("unknown method", "FOO", "/", ""),
	twinMethod("method in lower case", "get", "/", ""),
	twinMethod("post", "POST", "/post?x", "a=1&b=2", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 7"),
	twinMethod("post empty", "POST", "/post", "", "Content-Length: 0"),
	twinMethod("post chunked", "POST", "/post", "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
	twinMethod("post chunked with trailer", "POST", "/post", "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", "Transfer-Encoding: chunked", "Trailer: X-Sum"),
	twinMethod("post large", "POST", "/post", strings.Repeat("0123456789", 30000), "Content-Length: 300000"),
	twinMethod("expect", "POST", "/post", "abc", "Expect: 100-continue", "Content-Length: 3"),
	twinMethod("get with a body", "GET", "/", "abc", "Content-Length: 3"),
	twinMethod("length and chunked", "POST", "/post", "3\r\nabc\r\n0\r\n\r\n", "Content-Length: 3", "Transfer-Encoding: chunked"),
	twinMethod("two lengths", "POST", "/post", "abcd", "Content-Length: 3", "Content-Length: 4"),
	twinMethod("bad chunk", "POST", "/post", "zz\r\nabc\r\n", "Transfer-Encoding: chunked"),
	{name: "no host", request: "GET / HTTP/1.1\r\n" + twinClose},
	{name: "two hosts", request: "GET /" + twinHost + "Host: other.example.com\r\n" + twinClose},
	{name: "bad host", request: "GET / HTTP/1.1\r\nHost: a b\r\n" + twinClose},
	{name: "other host", request: "GET / HTTP/1.1\r\nHost: other.example.com\r\n" + twinClose},
	{name: "http/1.0", request: "GET /length HTTP/1.0\r\nHost: HOST\r\n\r\n"},
	{name: "http/1.0 chunked", request: "GET /chunked HTTP/1.0\r\nHost: HOST\r\n\r\n"},
	{name: "http/1.0 without host", request: "GET / HTTP/1.0\r\n\r\n"},
	{name: "http/0.9", request: "GET /\r\n\r\n"},
	{name: "http/3.7", request: "GET / HTTP/3.7\r\nHost: HOST\r\n\r\n"},
	{name: "bare line feeds", request: "GET / HTTP/1.1\nHost: HOST\nConnection: close\n\n"},
	{name: "blank before colon", request: "GET /" + twinHost + "X-A : 1\r\n" + twinClose},
	{name: "folded field", request: "GET /" + twinHost + "X-A: 1\r\n 2\r\n" + twinClose},
	twinGet("repeated fields", "/", "X-Dup: 1", "X-Dup: 2", "Cookie: a=1", "Cookie: b=2", "Accept: a", "Accept: b"),
	twinGet("empty and strange fields", "/", "X-Empty:", "X-Bytes: caf\xc3\xa9 \xff", "X-Quote: \"\\\"", "Referer: \"a\\b\t\xe9", "User-Agent:"),
	twinGet("underscore", "/", "X_Forwarded_For: 1.2.3.4", "My_Field: 1"),
	twinGet("forged forwarding", "/", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil", "X-Forwarded-Proto: gopher", "X-Real-IP: 1.2.3.4", "Forwarded: for=1.2.3.4"),
	twinGet("hop by hop", "/", "X-Hop: 1", "TE: trailers, deflate", "Keep-Alive: 5", "Proxy-Authorization: Basic x", "Proxy-Connection: keep-alive", "Connection: X-Hop, TE"),
	twinGet("authorization", "/", "Authorization: Basic dXNlcjpwYXNz"),
	twinGet("many fields", "/", strings.Split(strings.TrimSuffix(strings.Repeat("X-Many: 1\r\n", 90), "\r\n"), "\r\n")...),
	twinGet("too many fields", "/", strings.Split(strings.TrimSuffix(strings.Repeat("X-Many: 1\r\n", 120), "\r\n"), "\r\n")...),
	twinGet("field of 6 KB", "/", "X-Big: "+strings.Repeat("x", 6000)),
	twinGet("field of 12 KB", "/", "X-Big: "+strings.Repeat("x", 12000)),
	twinGet("upgrade to h2c", "/", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", "Connection: Upgrade, HTTP2-Settings"),
	{name: "websocket", request: "GET /ws" + twinHost + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"},
	twinGet("range", "/file", "Range: bytes=2-4"),
	twinGet("bad range", "/file", "Range: bytes=99-"),
	twinGet("not modified", "/file", `If-None-Match: "v1"`),
	twinGet("modified", "/file", `If-None-Match: "v0"`),
	twinGet("chunked", "/chunked"),
	twinGet("trailers", "/trailers", "TE: trailers"),
	twinGet("early hints", "/early"),
	twinGet("compressed by the backend", "/gzip", "Accept-Encoding: gzip"),
	twinGet("compressible", "/html", "Accept-Encoding: gzip"),
	twinGet("no content", "/status/204"),
	twinGet("not found", "/status/404"),
	twinGet("unauthorized", "/status/401"),
	twinGet("server error", "/status/500"),
	twinGet("unavailable", "/status/503"),
	twinGet("unknown status", "/status/299"),
	twinGet("cookies", "/cookies"),
	twinGet("redirect to a path", "/redirect?to=/x%3Fy"),
	twinGet("redirect to the backend", "/redirect?to=http://BACKEND/x"),
	twinGet("redirect to the backend by address", "/redirect?to=http://BACKENDADDR/x"),
	twinGet("redirect to the name in plain", "/redirect?to=http://HOST/x"),
	twinGet("redirect to the name", "/redirect?to=https://HOST/x"),
	twinGet("redirect elsewhere", "/redirect?to=https://other.example.com/x"),
	twinGet("content location", "/content-location"),
	twinGet("refresh", "/refresh"),
	twinGet("backend's own server fields", "/fields"),
	twinGet("backend closes", "/close"),
	twinGet("backend cuts a counted response", "/cut/length"),
	twinGet("backend cuts a chunked response", "/cut/chunked"),
	twinGet("backend hangs up", "/cut/all"),
	twinGet("backend talks nonsense", "/cut/nonsense"),
	{name: "keep-alive", request: "GET /one" + twinHost + "\r\nGET /two" + twinHost + twinClose, answers: 2},
	{name: "cut request", request: "POST /post" + twinHost + "Content-Length: 10\r\n\r\nabc"},
	{name: "plain http on the tls port", request: "GET /" + twinHost + twinClose, plain: true},
	{name: "backend away", request: "GET /" + twinHost + twinClose, down: true},
	twinGet("backend back again", "/"),
}
