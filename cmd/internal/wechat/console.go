package wechat

import "fmt"

// Console is what is to be written into WeChat's console.
type Console struct {
	Request      string   `json:"request"`
	Socket       string   `json:"socket"`
	UploadFile   string   `json:"uploadFile"`
	DownloadFile string   `json:"downloadFile"`
	Notes        []string `json:"notes"`
}

// Console returns the entries for the target. An entry with a port allows that
// port alone, and one without allows no port in the mini-program's code, not even
// ":443". For sockets all ports of a name are allowed.
func (t Target) Console() Console {
	origin := t.url("")
	c := Console{Request: origin, UploadFile: origin, DownloadFile: origin, Socket: "wss://" + t.Host}
	if t.Port == httpsPort {
		c.Notes = append(c.Notes, fmt.Sprintf("the mini-program must write %s/..., never with :443", origin))
	} else {
		c.Notes = append(c.Notes, fmt.Sprintf("port %d is an entry of its own, beside https://%s if that is used, too; the mini-program must write %s/...", t.Port, t.Host, origin),
			"WeChat's own calls (messages, payments, OAuth) come to 80 and 443 only")
	}
	c.Notes = append(c.Notes,
		"no path behind it, and each subdomain by itself: a parent domain does not cover them; the console takes 50 changes a month",
		"the domain needs an ICP filing; for a business domain (web-view) 24 hours must have passed since",
		"try it on a phone, or with the check of domains, TLS versions and certificates switched on in the developer tools: off, they hide all this")
	return c
}
