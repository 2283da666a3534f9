package jupyter

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// The cost of a hash is the one that jupyter_server.auth.passwd uses: 10 rounds
// over 10 MiB in 8 lanes, with a salt and a hash of 16 bytes.
const (
	rounds  = 10
	memory  = 10 * 1024 // KiB
	lanes   = 8
	hashLen = 16
)

// Hash makes of a password what a single-user Jupyter compares with at a login:
// argon2id, written as jupyter_server and notebook write it.
func Hash(password string) (string, error) {
	switch {
	case password == "":
		return "", errors.New("the password is empty, and an empty one would let everybody in")
	case !utf8.ValidString(password):
		return "", errors.New("the password is not UTF-8, which is what browsers send")
	}
	salt := make([]byte, hashLen)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	return hashWith(password, salt), nil
}

func hashWith(password string, salt []byte) string {
	sum := argon2.IDKey([]byte(password), salt, rounds, memory, lanes, hashLen)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("argon2:$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, rounds, lanes, encode(salt), encode(sum))
}

// ServerFile is where Jupyter Server keeps settings that programs write, below a home.
const ServerFile = ".jupyter/jupyter_server_config.json"

// SetPassword puts a hash into the text of that file, and keeps the rest of it.
// Jupyter Server 2 reads IdentityProvider, and the one before it ServerApp.
func SetPassword(text []byte, hash string) ([]byte, error) {
	settings := map[string]json.RawMessage{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &settings); err != nil {
			return nil, fmt.Errorf("it is not a JSON object: %w", err)
		}
	}
	if err := setIn(settings, "IdentityProvider", "hashed_password", hash, true); err != nil {
		return nil, err
	}
	if err := setIn(settings, "ServerApp", "password", hash, false); err != nil {
		return nil, err
	}
	written, err := json.MarshalIndent(settings, "", "  ")
	return append(written, '\n'), err
}

// setIn gives a key of a class its value; with create also where it is not there.
func setIn(settings map[string]json.RawMessage, class, key, value string, create bool) error {
	inner := map[string]json.RawMessage{}
	if old, there := settings[class]; there {
		if err := json.Unmarshal(old, &inner); err != nil {
			return fmt.Errorf("%s is not a JSON object: %w", class, err)
		}
	}
	if _, there := inner[key]; !there && !create {
		return nil
	}
	quoted, err := json.Marshal(value)
	if err != nil {
		return err
	}
	inner[key] = quoted
	settings[class], err = json.Marshal(inner)
	return err
}
