package mail

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/emersion/go-sasl"
)

// The login mechanisms, as the key "auth" names them.
const (
	authPlain   = "plain"    // RFC 4616
	authLogin   = "login"    // never standardized, offered by old servers and by 163
	authCRAMMD5 = "cram-md5" // RFC 2195
	authNone    = "none"
)

// errNoMechanism is of a server whose every kind of login is foreign to gateway.
var errNoMechanism = errors.New("no kind of login in common")

// errClearPassword is the refusal to show a password to everybody on the way.
var errClearPassword = errors.New("the password would go over the network in clear")

// chooseAuth picks the mechanism: the one that is asked for, else the best one
// offered. Over TLS that is PLAIN, the only one every server handles the same
// way; in clear it is CRAM-MD5, which does not show the password.
func chooseAuth(wanted string, secure bool, offers func(mechanism string) bool) (string, error) {
	order := []string{authPlain, authLogin, authCRAMMD5}
	if !secure {
		order = []string{authCRAMMD5}
	}
	if wanted != "" {
		if wanted != authCRAMMD5 && !secure {
			return "", errClearPassword
		}
		order = []string{wanted}
	}
	for _, mechanism := range order {
		if offers(strings.ToUpper(mechanism)) {
			return mechanism, nil
		}
	}
	if !secure && wanted == "" && (offers("PLAIN") || offers("LOGIN")) {
		return "", errClearPassword
	}
	err := fmt.Errorf("the server offers none of %s", strings.ToUpper(strings.Join(order, ", ")))
	if wanted == "" {
		err = fmt.Errorf("%w: %w", errNoMechanism, err)
	}
	return "", err
}

// saslClient returns the client's half of a mechanism.
func saslClient(mechanism, user string, password Secret) sasl.Client {
	switch mechanism {
	case authLogin:
		return &loginClient{user: user, password: password}
	case authCRAMMD5:
		return &cramMD5Client{user, password}
	}
	return sasl.NewPlainClient("", user, password.Reveal())
}

// loginClient answers the two prompts by their order. Their texts differ from
// server to server ("Username:", "username:", "User Name"), and go-sasl's own
// client stops at any but one.
type loginClient struct {
	user     string
	password Secret
	prompts  int
}

func (l *loginClient) Start() (string, []byte, error) { return "LOGIN", nil, nil }

func (l *loginClient) Next([]byte) ([]byte, error) {
	l.prompts++
	switch l.prompts {
	case 1:
		return []byte(l.user), nil
	case 2:
		return []byte(l.password.Reveal()), nil
	}
	return nil, errors.New("the server asked a third question while logging in")
}

// cramMD5Client answers the challenge with a keyed digest (RFC 2195).
type cramMD5Client struct {
	user     string
	password Secret
}

func (c *cramMD5Client) Start() (string, []byte, error) { return "CRAM-MD5", nil, nil }

func (c *cramMD5Client) Next(challenge []byte) ([]byte, error) {
	mac := hmac.New(md5.New, []byte(c.password.Reveal()))
	mac.Write(challenge)
	return []byte(c.user + " " + hex.EncodeToString(mac.Sum(nil))), nil
}

// isLoopback reports whether host is this host: what goes there is on no network.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
