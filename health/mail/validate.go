package mail

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// Validate reports every problem of the table's own text. It opens no file and
// asks nobody; see CheckFiles for that.
func (c Config) Validate(report Report) {
	if c.isUnset() {
		return
	}
	c.validateServer(report)
	c.validateLogin(report)
	c.validateAddresses(report)
	c.validateChoices(report)
	c.validateLimits(report)
}

// isUnset reports whether the table names neither a server nor anything that
// would need one.
func (c Config) isUnset() bool {
	return c.Host == "" && c.From == "" && len(c.To) == 0 && c.User == "" && !c.secret().Set() && !c.TestOnStart
}

func (c Config) validateServer(report Report) {
	switch {
	case c.Host == "":
		report("host", "is missing, so no mail can be sent", `the mail server's name, such as host = "smtp.example.com"`)
	case strings.ContainsAny(c.Host, " /\t\r\n") || strings.Contains(c.Host, ":") && net.ParseIP(c.Host) == nil:
		report("host", fmt.Sprintf("%q is not a host name", c.Host), `the name alone, such as "smtp.example.com"; the port has its own key`)
	}
	if c.Port < 0 || c.Port > 65535 {
		report("port", fmt.Sprintf("%d is not a port", c.Port), "465 for TLS, 587 for STARTTLS")
	}
	if c.Port == portSubmissions && c.Security == SecurityStartTLS {
		report("security", "port 465 speaks TLS from the first byte, so STARTTLS never gets an answer there", `security = "tls", or port = 587`)
	}
	if c.Port == portSubmission && c.Security == SecurityTLS {
		report("security", "port 587 starts in clear, so TLS from the first byte fails there", `security = "starttls", or port = 465`)
	}
	if c.Hostname != "" && cleanHost(c.Hostname) != c.Hostname {
		report("hostname", fmt.Sprintf("%q is not a host name", c.Hostname), `this host's name, such as "www.example.com"`)
	}
}

func (c Config) validateLogin(report Report) {
	if c.Password != "" && c.PasswordFile != "" {
		report("password", "password and password_file are both given", "one of them")
	}
	validateEnv(report, "password", c.Password, "password_file")
	switch {
	case c.User == "" && c.secret().Set():
		report("user", "is missing, so the password has no user", `the login, usually the sender's address`)
	case c.User != "" && !c.secret().Set() && c.Auth != authNone:
		report("password_file", "is missing, so the user has no password", `a file that holds the password alone, or password = "$NAME" of an environment variable`)
	}
	if strings.ContainsAny(c.User, "\r\n\x00") {
		report("user", "has a line break or a zero byte in it", "the login alone")
	}
}

// validateEnv reports a secret that was written into the file itself.
func validateEnv(report Report, key, value, fileKey string) {
	if value != "" && (!strings.HasPrefix(value, "$") || len(value) < 2) {
		report(key, "is written in the file, where everybody who sees the file sees it", fmt.Sprintf(`%s = "PATH" of a file that holds it alone, or %s = "$NAME" of an environment variable`, fileKey, key))
	}
}

func (c Config) validateAddresses(report Report) {
	if _, err := parseAddress(c.from()); err != nil {
		switch {
		case c.From != "":
			report("from", err.Error(), `an address, such as "gateway@example.com" or "Gateway <gateway@example.com>"`)
		default:
			report("from", "is missing, and user is not an address that could stand in", `the sender's address; QQ, 163 and Exmail want the one that logs in`)
		}
	}
	if len(c.To) == 0 {
		report("to", "is missing, so nobody would get the mails", `the receivers, such as to = ["admin@example.com"]`)
	}
	for i, to := range c.To {
		if _, err := parseAddress(to); err != nil {
			report(fmt.Sprintf("to[%d]", i), err.Error(), `an address, such as "admin@example.com"`)
		}
	}
}

func (c Config) validateChoices(report Report) {
	oneOf(report, "security", c.Security, SecurityTLS, SecurityStartTLS, SecurityNone)
	oneOf(report, "auth", c.Auth, authPlain, authLogin, authCRAMMD5, authNone)
	oneOf(report, "lang", c.Lang, "en", "zh")
}

// oneOf reports a value that is neither left out nor one of the choices.
func oneOf(report Report, key, value string, choices ...string) {
	if value == "" || slices.Contains(choices, value) {
		return
	}
	report(key, fmt.Sprintf("%q is unknown", value), `one of "`+strings.Join(choices, `", "`)+`"`)
}

func (c Config) validateLimits(report Report) {
	checkDuration(report, "connect_timeout", c.ConnectTimeout, "10s")
	checkDuration(report, "timeout", c.Timeout, "60s")
	checkDuration(report, "retry_for", c.RetryFor, "120h")
	if c.MaxQueue < 1 {
		report("max_queue", fmt.Sprintf("%d notices is too few to keep any", c.MaxQueue), "a number of 1 or more, such as 1000")
	}
}

// checkDuration refuses what can only be a number without its unit: TOML's bare
// 30 is read as 30 nanoseconds.
func checkDuration(report Report, key string, value time.Duration, example string) {
	if value < time.Millisecond {
		report(key, fmt.Sprintf("%v is too short", value), fmt.Sprintf("a number with its unit, such as %q", example))
	}
}

// CheckFiles reports every problem of the files and variables that the table
// names: the password's and the authorities'.
func (c Config) CheckFiles(report Report) {
	if !c.Enabled() {
		return
	}
	checkSecret(report, "password", c.secret())
	if c.CAFile == "" {
		return
	}
	if _, err := loadAuthorities(c.CAFile); err != nil {
		tellFile(report, "ca_file", err, "name a PEM file with the authority's certificate")
	}
}

func checkSecret(report Report, key string, source SecretSource) {
	if source.File != "" {
		key += "_file"
	}
	if _, err := source.Read(); err != nil {
		tellFile(report, key, err, "name a file that gateway's user can read and that holds the secret alone")
	}
}

// tellFile reports an error of a file with its own remedy, or else the one given.
// Validate has told of a secret that is in no file.
func tellFile(report Report, key string, err error, otherwise string) {
	own := remedied{err, otherwise}
	errors.As(err, &own)
	if own != errNotAVariable {
		report(key, own.error.Error(), own.remedy)
	}
}

// loadAuthorities reads the certificates of a PEM file into a pool of their own.
func loadAuthorities(path string) (*x509.CertPool, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, withRemedy("give the authority's certificate in PEM (-----BEGIN CERTIFICATE-----)", "%s: no certificate in it", path)
	}
	return pool, nil
}
