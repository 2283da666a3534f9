package wechat

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"gateway/certs"
)

// mostProof bounds a verification file. They have 32 bytes.
const mostProof = 4 << 10

// Proof is the file that WeChat wants to find at the root of a business domain,
// whose pages a mini-program shows in a web-view.
type Proof struct {
	Name    string // as WeChat gave it; the path is this below the root
	Content []byte
}

// ReadProof reads the file as it was downloaded from WeChat's console.
func ReadProof(path string) (*Proof, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(content) == 0 || len(content) > mostProof {
		return nil, fmt.Errorf("%s has %d bytes, and the file of WeChat's console has a few dozen: download it again", path, len(content))
	}
	return &Proof{filepath.Base(path), content}, nil
}

// proof tells whether the server gives the file to a plain client. WeChat asks as
// curl does.
func (c Check) proof(ctx context.Context, client *http.Client) certs.Finding {
	f := certs.Finding{Item: itemProof, Verdict: certs.Failed}
	a := c.ask(ctx, client, http.MethodGet, "/"+c.Proof.Name, "curl/8.5.0")
	where := c.Target.url("/" + c.Proof.Name)
	switch {
	case a.err != nil:
		f.Seen = where + " brought no answer: " + a.cause()
	case a.status != http.StatusOK:
		f.Seen = fmt.Sprintf("%s: %d", where, a.status)
	case !bytes.Equal(bytes.TrimSpace(a.body), bytes.TrimSpace(c.Proof.Content)):
		f.Seen = where + " gives another content than the file"
	default:
		return certs.Finding{Item: itemProof, Verdict: certs.Passed, Seen: where}
	}
	f.Remedies = []string{"let the backend answer GET /" + c.Proof.Name + " with exactly the content of the file, to every client; WeChat says error 86103 until then",
		"nginx: location = /" + c.Proof.Name + " { root /srv/wechat; }", "Apache: Alias /" + c.Proof.Name + " /srv/wechat/" + c.Proof.Name + ", and ProxyPass /" + c.Proof.Name + " !"}
	return f
}
