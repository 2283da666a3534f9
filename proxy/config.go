package proxy

import "time"

// Config is what the proxy needs of the file. It is a value: nothing writes it
// after it was loaded, and a reload makes a new one.
type Config struct {
	TrustedProxies []string // addresses or CIDR prefixes whose X-Forwarded-* are believed
	Log            LogConfig
	Limits         Limits
	Timeouts       Timeouts
	Sites          []Site
	Backends       []Backend
}

// Report receives one problem of a configuration: the key below the table that
// is validated, what is wrong with it, and what to write instead.
type Report func(key, wrong, instead string)

// LogConfig is the table [log].
type LogConfig struct {
	Access      string        `toml:"access"`       // path, or "-" for standard output, or "" for none
	Format      string        `toml:"format"`       // "combined", "common", "json" or an Apache LogFormat string
	Error       string        `toml:"error"`        // path, or "-" for standard error
	Level       string        `toml:"level"`        // "debug", "info", "warn", "error"
	MaxSize     Size          `toml:"max_size"`     // a log file is rotated when it reaches this size
	MaxAge      time.Duration `toml:"max_age"`      // rotated files older than this are removed
	RotateEvery time.Duration `toml:"rotate_every"` // a log file is rotated when it is this old, counted from midnight; 0: by size only
	Keep        int           `toml:"keep"`         // so many rotated files are kept
	Compress    bool          `toml:"compress"`     // rotated files are compressed with gzip
}

// Limits is the table [limits]: what one client, and all clients together, may take.
type Limits struct {
	Connections           int  `toml:"connections"`             // open client connections in all
	ConnectionsPerAddress int  `toml:"connections_per_address"` // open client connections from one address
	Streams               int  `toml:"streams"`                 // concurrent HTTP/2 requests in one connection
	Header                Size `toml:"header"`                  // request line and header lines together
	HeaderLines           int  `toml:"header_lines"`            // number of header lines of a request
	Body                  Size `toml:"body"`                    // request body; 0: no limit
	Buffer                Size `toml:"buffer"`                  // a request body up to this size is read before the backend is asked
}

// Timeouts is the table [timeouts].
type Timeouts struct {
	Handshake time.Duration `toml:"handshake"`  // first byte and TLS handshake of a new connection
	Header    time.Duration `toml:"header"`     // a request head, from its first byte
	Body      time.Duration `toml:"body"`       // without progress while a request body is read
	Write     time.Duration `toml:"write"`      // without progress while a response is written
	Idle      time.Duration `toml:"idle"`       // an open connection without a request
	Connect   time.Duration `toml:"connect"`    // to reach a backend
	FirstByte time.Duration `toml:"first_byte"` // from a request sent to the first byte of the backend's response
	Drain     time.Duration `toml:"drain"`      // for requests in flight when gateway stops
	Upgraded  time.Duration `toml:"upgraded"`   // for WebSockets when gateway stops
	Handover  time.Duration `toml:"handover"`   // for requests and WebSockets when another gateway takes over

	handedOver bool
}

// Site is the table [[site]]: one public name, what a virtual host was.
type Site struct {
	Name    string   `toml:"name"`
	Aliases []string `toml:"aliases"`
	Listen  []string `toml:"listen"`  // ":443", "127.0.0.1:7879", "[::1]:443"; "http://:80" is plain only
	Plain   string   `toml:"plain"`   // plain HTTP on a TLS port: "redirect", "proxy" or "refuse"
	Default bool     `toml:"default"` // answers for unknown names and for clients that send none
	Backend string   `toml:"backend"`
	Body    *Size    `toml:"body"` // overrides [limits] body
	Rules
	Routes []Route `toml:"route"`
}

// Route is the table [[site.route]]: of those that match a path, an exact one
// wins, else the first with a regular expression, else the longest prefix.
type Route struct {
	Path    string `toml:"path"`
	Exact   bool   `toml:"exact"`   // path is the whole path, and no prefix
	Match   string `toml:"match"`   // a regular expression in the place of path
	Backend string `toml:"backend"` // a route that names nothing that answers has the site's own
	Strip   bool   `toml:"strip"`   // the prefix is taken off before the backend is asked or the file looked for
	Rewrite string `toml:"rewrite"` // what the backend is asked for, or the file that is looked for, with placeholders
	Body    *Size  `toml:"body"`    // overrides the site's and [limits] body
	Rules
}

// Rules are what a site, and each of its routes, can say of its requests beside
// the backend. A route's own go before those of its site.
type Rules struct {
	Root     string   `toml:"root"`     // folder of static files
	Index    []string `toml:"index"`    // files that stand for their folder; default index.html
	Listing  bool     `toml:"listing"`  // a folder without one is listed
	Fallback string   `toml:"fallback"` // path within root of the file for what is not there

	Redirect       string `toml:"redirect"`        // where clients are sent, with placeholders
	RedirectStatus int    `toml:"redirect_status"` // 301, 302, 303, 307 or 308; default 302
	Respond        int    `toml:"respond"`         // a status from 400 on, answered with its page

	Allow []string `toml:"allow"` // addresses or CIDR prefixes, or "all"; with any, nobody else is served
	Deny  []string `toml:"deny"`  // the same, of those that are not served

	AuthFile  *string `toml:"auth_file"`  // users and passwords as htpasswd writes them; "": no login
	AuthRealm string  `toml:"auth_realm"` // what the browser's window says; default the site's name

	Headers
	ErrorPages []ErrorPage `toml:"error_page"`
}

// Headers are what is changed in the headers of requests to the backend and of
// responses to the client, in the order of the fields. A site's changes are made
// first, then those of the route. Each header is written as "Name: value", with
// placeholders in the value.
type Headers struct {
	RequestRemove   []string `toml:"request_remove"` // names
	RequestSet      []string `toml:"request_set"`
	RequestAdd      []string `toml:"request_add"`
	ResponseRemove  []string `toml:"response_remove"`  // names
	ResponseDefault []string `toml:"response_default"` // only where the response has none of the name
	ResponseSet     []string `toml:"response_set"`
	ResponseAdd     []string `toml:"response_add"`
}

// ErrorPage is the table [[site.error_page]] or [[site.route.error_page]]: what
// clients see in the place of gateway's own page.
type ErrorPage struct {
	Status   []int  `toml:"status"`   // from 400 to 599
	File     string `toml:"file"`     // read once, when the configuration is
	Text     string `toml:"text"`     // plain text, in the place of file
	Override bool   `toml:"override"` // also in the place of what the backend sends with such a status
}

// Backend is the proxy's part of the table [[backend]].
type Backend struct {
	Name         string         `toml:"name"`
	URL          string         `toml:"url"`           // http://host:port[/path] or unix:/path/to.sock
	CAFile       string         `toml:"ca_file"`       // https only: PEM file with the roots that its certificate is checked with, or the certificate itself; default: the system's roots
	Verify       *bool          `toml:"verify"`        // https only: its certificate is checked; default true
	PreserveHost *bool          `toml:"preserve_host"` // the client's Host is sent on; default true
	FirstByte    time.Duration  `toml:"first_byte"`    // overrides [timeouts] first_byte
	Connections  int            `toml:"connections"`   // most connections to this backend; 0: no limit
	Hold         *time.Duration `toml:"hold"`          // how long a request waits for a backend that is coming back; 0: not at all
	HoldRequests int            `toml:"hold_requests"` // most requests waiting at once
	HoldBytes    Size           `toml:"hold_bytes"`    // most bytes of request bodies kept for waiting requests
}
