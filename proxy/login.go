package proxy

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// login asks clients for a user and a password (HTTP Basic, RFC 7617).
type login struct {
	realm string
	users *gatekeeper
}

// longestPassword bounds the work of hashing, in bytes; bcrypt looks at 72.
const longestPassword = 256

// login is nil if the rules ask for none.
func (r Rules) login(site string, users *userFiles) (*login, error) {
	if r.AuthFile == nil || *r.AuthFile == "" {
		return nil, nil
	}
	known, err := users.of(*r.AuthFile)
	if err != nil {
		return nil, err
	}
	if r.AuthRealm != "" {
		site = r.AuthRealm
	}
	return &login{site, known}, nil
}

// refuse tells what a client is answered that may not go on; nil if it may.
func (l *login) refuse(c *call, log *slog.Logger) *failure {
	user, password, given := c.r.BasicAuth()
	if !given || len(password) > longestPassword {
		return l.unauthorized(failure{level: slog.LevelDebug, reason: "the client has not logged in"})
	}
	verdict, err := l.users.judge(c.r.Context(), user, password, c.origin.client)
	if err != nil {
		log.Warn("the file of users could not be read anew, and the last good one stays in use", "error", err)
	}
	switch verdict {
	case passwordRight:
		c.exchange.user = user
		return nil
	case passwordWrong:
		return l.unauthorized(failure{level: slog.LevelInfo, reason: "the user or the password is wrong"})
	case passwordUntried:
		return &failure{status: http.StatusTooManyRequests, level: slog.LevelInfo, reason: "too many wrong passwords came from this address",
			page: "Too many attempts. Please try again in a minute.", retryAfter: time.Minute}
	default:
		f := clientFailure(c.circumstances())
		return &f
	}
}

func (l *login) unauthorized(f failure) *failure {
	f.status, f.page = http.StatusUnauthorized, "Please log in."
	f.challenge = "Basic realm=" + strconv.Quote(l.realm) + `, charset="UTF-8"`
	return &f
}
