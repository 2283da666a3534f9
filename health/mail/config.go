package mail

import (
	"net"
	"os"
	"strconv"
	"time"
)

// Report receives one problem of a configuration: the key below the table that
// is validated, what is wrong with it, and what to write instead.
type Report func(key, wrong, instead string)

// How the connection to the mail server is secured.
const (
	SecurityTLS      = "tls"      // TLS from the first byte (RFC 8314), usually port 465
	SecurityStartTLS = "starttls" // STARTTLS (RFC 3207), usually port 587; never goes on in clear
	SecurityNone     = "none"     // in clear, usually port 25
)

// Ports that the registry of IANA gives to mail.
const (
	portSMTP        = 25  // RFC 5321
	portSubmissions = 465 // RFC 8314, TLS from the first byte
	portSubmission  = 587 // RFC 6409
	portSMTPS163    = 994 // a second port of smtp.163.com, TLS from the first byte
)

// Config is the table [mail]. It is a value: nothing writes it after it was loaded.
type Config struct {
	From           string        `toml:"from"`            // sender; left out: user, because QQ, 163 and Exmail refuse any other
	To             []string      `toml:"to"`              // receivers
	Host           string        `toml:"host"`            // mail server; left out: no mail is sent
	Port           int           `toml:"port"`            // left out: 465 for "tls", 587 for "starttls", 25 for "none"
	Security       string        `toml:"security"`        // "tls", "starttls" or "none"; left out: "tls" on 465 and 994, else "starttls"
	Auth           string        `toml:"auth"`            // "plain", "login", "cram-md5" or "none"; left out: the best that the server offers
	InsecureAuth   bool          `toml:"insecure_auth"`   // a password may be sent in clear to a host that is not this one
	User           string        `toml:"user"`            // login; left out: no login
	Password       string        `toml:"password"`        // "$NAME" of an environment variable
	PasswordFile   string        `toml:"password_file"`   // path of a file that holds the password alone
	CAFile         string        `toml:"ca_file"`         // PEM file of the authorities to trust instead of the system's
	Hostname       string        `toml:"hostname"`        // name said in EHLO and used in Message-IDs; left out: the host's
	Lang           string        `toml:"lang"`            // language of notices: "en" or "zh"
	TestOnStart    bool          `toml:"test_on_start"`   // send a test mail to every receiver when gateway starts
	ConnectTimeout time.Duration `toml:"connect_timeout"` // to reach the server
	Timeout        time.Duration `toml:"timeout"`         // one delivery in all, connecting included
	RetryFor       time.Duration `toml:"retry_for"`       // how long a notice is tried again
	MaxQueue       int           `toml:"max_queue"`       // most notices waiting
}

// DefaultConfig returns the settings that hold where the file says nothing.
func DefaultConfig() Config {
	return Config{
		Lang:           "en",
		ConnectTimeout: 10 * time.Second,
		Timeout:        time.Minute,
		RetryFor:       5 * 24 * time.Hour, // RFC 5321, 4.5.4.1: at least 4 to 5 days
		MaxQueue:       1000,
	}
}

// Enabled reports whether mail is to be sent at all.
func (c Config) Enabled() bool { return c.Host != "" }

// security returns how the connection is secured once the defaults are filled in.
func (c Config) security() string {
	switch {
	case c.Security != "":
		return c.Security
	case c.Port == 0, c.Port == portSubmissions, c.Port == portSMTPS163:
		return SecurityTLS
	}
	return SecurityStartTLS
}

// port returns the server's port once the defaults are filled in.
func (c Config) port() int {
	switch {
	case c.Port != 0:
		return c.Port
	case c.security() == SecurityStartTLS:
		return portSubmission
	case c.security() == SecurityNone:
		return portSMTP
	}
	return portSubmissions
}

func (c Config) server() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.port())) }

func (c Config) from() string {
	if c.From != "" {
		return c.From
	}
	return c.User
}

// secret says where the password is kept.
func (c Config) secret() SecretSource { return SecretSource{File: c.PasswordFile, Env: c.Password} }

// hostname returns the name to say in EHLO. RFC 5321, 4.1.3 wants an address
// literal of a host without a usable name.
func (c Config) hostname() string {
	name := c.Hostname
	if name == "" {
		name, _ = os.Hostname()
	}
	if name = cleanHost(name); name == "" {
		return "[127.0.0.1]"
	}
	return name
}
