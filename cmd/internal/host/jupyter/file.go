package jupyter

import (
	"fmt"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
)

// backendName is how the hub is called in gateway's file.
const backendName = "jupyter"

// File is gateway's own configuration, as far as the step has to do with it.
type File interface {
	Path() string
	// Read tells what the text of the file says.
	Read(text string) (Contents, error)
	// Insert puts tables into a text: ofSite behind what the site of that name has,
	// the rest behind the backends. All other bytes stay.
	Insert(text, site, ofSite, rest string) (string, error)
	// Problems are what keeps gateway from running with the file as it is on the disk.
	Problems() []string
}

// Contents are the sites and backends of a file.
type Contents struct {
	Sites    []Site
	Backends map[string]string // name -> URL
}

// Site is one [[site]].
type Site struct {
	Name, Certificate, Backend string
	Listen, Files              []string
	Routes                     map[string]string // path -> backend
}

// entry is the text of gateway's file with the hub in it. It is the old one if
// the hub is there, whatever else an admin has written about it.
func (h hub) entry(file File, old string) (text string, refusal *host.Refusal, err error) {
	contents, err := file.Read(old)
	if err != nil {
		return "", nil, err
	}
	at := func(what, instead string) *host.Refusal {
		return &host.Refusal{What: file.Path() + ": " + what, Why: "JupyterHub would not be reached", Instead: instead}
	}
	if len(contents.Sites) == 0 {
		return "", at("there is no [[site]]", "write the [[site]] that clients connect to"), nil
	}
	rest := h.backend()
	if url, there := contents.Backends[backendName]; there {
		if url != h.url() {
			return "", at(fmt.Sprintf("the [[backend]] %s has the url %s, and [setup.jupyter] makes it listen at %s", backendName, url, h.url()),
				"write port in [setup.jupyter], or url in that [[backend]], so that they agree"), nil
		}
		rest = ""
	}
	return h.reach(file, old, contents, rest, at)
}

// reach adds the way from a site to the hub.
func (h hub) reach(file File, old string, contents Contents, rest string, at func(what, instead string) *host.Refusal) (string, *host.Refusal, error) {
	name := h.Site
	if name == "" {
		name = contents.Sites[0].Name
	}
	i := slices.IndexFunc(contents.Sites, func(s Site) bool { return s.Name == name })
	ofSite := ""
	switch {
	case i < 0:
		rest = strings.TrimPrefix(rest+"\n"+h.site(contents.Sites[0]), "\n")
	case contents.Sites[i].Backend == backendName && h.Path == "/":
	case h.Path == "/":
		return "", at(fmt.Sprintf("the [[site]] %s serves another backend, and path = \"/\" would take all of it", name),
			`write another path in [setup.jupyter], such as "/jupyter/", or a site of its own`), nil
	default:
		switch taken := contents.Sites[i].Routes[h.Path]; taken {
		case backendName:
		case "":
			ofSite = h.route()
		default:
			return "", at(fmt.Sprintf("the path %s of %s leads to the backend %s", h.Path, name, taken), "write another path in [setup.jupyter]"), nil
		}
	}
	if ofSite == "" && rest == "" {
		return old, nil, nil
	}
	text, err := file.Insert(old, name, ofSite, rest)
	if err != nil {
		return "", at(err.Error(), "write these lines yourself:\n"+ofSite+"\n"+rest), nil
	}
	return text, nil, nil
}
