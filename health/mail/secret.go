package mail

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
)

// hidden stands for a secret wherever one could be printed.
const hidden = "[hidden]"

// maxSecret bounds what is read from a secret's file: a longer file is surely
// not a password or a URL.
const maxSecret = 64 << 10

// Secret is a password, a token or a URL that contains one. It prints as
// "[hidden]" with every verb and in every encoding; only Reveal gives it away.
type Secret struct{ value string }

// NewSecret returns a secret with this value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return s.value }

// Empty reports whether there is no secret.
func (s Secret) Empty() bool { return s.value == "" }

// String returns "[hidden]".
func (s Secret) String() string { return hidden }

// GoString returns "[hidden]", for %#v.
func (s Secret) GoString() string { return hidden }

// Format writes "[hidden]" for every verb, %x and %q too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText returns "[hidden]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns "[hidden]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// SecretSource says where a secret is kept: in a file, or in an environment
// variable. The secret itself is never in the configuration.
type SecretSource struct {
	File string // path of a file that holds the secret alone
	Env  string // "$NAME" of an environment variable
}

// Set reports whether a place is named at all.
func (s SecretSource) Set() bool { return s.File != "" || s.Env != "" }

// Read fetches the secret. It is read afresh each time, so that a replaced file
// is used at once. White space around it is taken off.
func (s SecretSource) Read() (Secret, error) {
	switch {
	case s.File != "":
		return readSecretFile(s.File)
	case s.Env != "":
		return readSecretEnv(s.Env)
	}
	return Secret{}, nil
}

// remedied is an error that comes with what to do about it.
type remedied struct {
	error
	remedy string
}

func (r remedied) Error() string { return r.error.Error() + ": " + r.remedy }
func (r remedied) Unwrap() error { return r.error }

func withRemedy(do string, wrong string, args ...any) error {
	return remedied{fmt.Errorf(wrong, args...), do}
}

// errNotAVariable is of a secret that stands in the configuration itself. It does
// not repeat it.
var errNotAVariable = remedied{errors.New("the secret is written in the configuration"), "name a file or an environment variable that holds it"}

func readSecretEnv(written string) (Secret, error) {
	name, isVariable := strings.CutPrefix(written, "$")
	if !isVariable {
		return Secret{}, errNotAVariable
	}
	value := strings.TrimSpace(os.Getenv(name))
	if value == "" {
		return Secret{}, withRemedy("set it where gateway is started", "the environment variable %s is not set or empty", name)
	}
	return Secret{value}, nil
}

func readSecretFile(path string) (Secret, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Secret{}, withRemedy("make this file with the secret alone in it, readable by gateway's user only (chmod 600)", "%w", err)
	case err != nil:
		return Secret{}, err
	case !info.Mode().IsRegular():
		return Secret{}, withRemedy("name a file that holds the secret alone", "%s is not a file", path)
	case info.Mode().Perm()&0o007 != 0:
		return Secret{}, withRemedy("chmod 600 "+path, "%s can be read by everybody on this host (mode %04o)", path, info.Mode().Perm())
	case info.Size() > maxSecret:
		return Secret{}, withRemedy("name a file that holds the secret alone", "%s is too long for a secret (%d bytes)", path, info.Size())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return Secret{}, err
	}
	return parseSecret(path, string(content))
}

// parseSecret takes the one line of a secret's file. A byte order mark and a
// final newline, which editors add unasked, don't belong to it.
func parseSecret(path, content string) (Secret, error) {
	value := strings.TrimSpace(strings.TrimPrefix(content, "\ufeff"))
	switch {
	case value == "":
		return Secret{}, withRemedy("write the secret into it", "%s is empty", path)
	case strings.ContainsAny(value, "\r\n\x00"):
		return Secret{}, withRemedy("leave the secret alone in it", "%s has more than one line", path)
	}
	return Secret{value}, nil
}
