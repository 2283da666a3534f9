package mail

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The kinds of webhooks.
const (
	kindWeCom    = "wecom"
	kindDingTalk = "dingtalk"
	kindFeishu   = "feishu"
	kindSlack    = "slack"
	kindGeneric  = "generic"
)

// When a webhook is used.
const (
	whenAlways    = "always"
	whenMailFails = "mail-fails"
)

// webhookTimeout bounds one request to a webhook where the file says nothing.
const webhookTimeout = 15 * time.Second

// WebhookConfig is the table [[webhook]]: a chat or a program that gets each notice.
type WebhookConfig struct {
	Kind       string        `toml:"kind"`        // "wecom", "dingtalk", "feishu", "slack" or "generic"
	Name       string        `toml:"name"`        // left out: the kind; two webhooks need two names
	URL        string        `toml:"url"`         // "$NAME" of an environment variable: whoever knows the URL can write to the chat
	URLFile    string        `toml:"url_file"`    // path of a file that holds the URL alone
	Secret     string        `toml:"secret"`      // "$NAME"; signs the requests of "dingtalk", "feishu" and "generic"
	SecretFile string        `toml:"secret_file"` // path of a file that holds the secret alone
	When       string        `toml:"when"`        // "always" (left out), or "mail-fails": only when a mail does not go through
	CAFile     string        `toml:"ca_file"`     // PEM file of the authorities to trust instead of the system's
	Timeout    time.Duration `toml:"timeout"`     // one request in all; left out: 15s
}

func (c WebhookConfig) name() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Kind
}

func (c WebhookConfig) timeout() time.Duration {
	if c.Timeout != 0 {
		return c.Timeout
	}
	return webhookTimeout
}

func (c WebhookConfig) url() SecretSource    { return SecretSource{File: c.URLFile, Env: c.URL} }
func (c WebhookConfig) secret() SecretSource { return SecretSource{File: c.SecretFile, Env: c.Secret} }

// Validate reports every problem of the table's own text.
func (c WebhookConfig) Validate(report Report) {
	if c.Kind == "" {
		report("kind", "is missing", `one of "wecom", "dingtalk", "feishu", "slack", "generic"`)
	}
	oneOf(report, "kind", c.Kind, kindWeCom, kindDingTalk, kindFeishu, kindSlack, kindGeneric)
	oneOf(report, "when", c.When, whenAlways, whenMailFails)
	if c.name() == MailChannel || strings.ContainsFunc(c.name(), func(r rune) bool { return r <= ' ' }) {
		report("name", fmt.Sprintf("%q cannot be a webhook's name", c.Name), `one word other than "mail", such as "ops-chat"`)
	}
	c.validateSecrets(report)
	if c.Timeout != 0 {
		checkDuration(report, "timeout", c.Timeout, "15s")
	}
}

func (c WebhookConfig) validateSecrets(report Report) {
	validateEnv(report, "url", c.URL, "url_file")
	validateEnv(report, "secret", c.Secret, "secret_file")
	if !c.url().Set() {
		report("url_file", "is missing, so there is nowhere to send to", "a file that holds the webhook's URL alone")
	}
	if c.URL != "" && c.URLFile != "" {
		report("url", "url and url_file are both given", "one of them")
	}
	if c.Secret != "" && c.SecretFile != "" {
		report("secret", "secret and secret_file are both given", "one of them")
	}
	if c.secret().Set() && (c.Kind == kindWeCom || c.Kind == kindSlack) {
		report("secret_file", fmt.Sprintf("%q does not sign its requests, so the secret would do nothing", c.Kind), "no secret: leave the key out")
	}
}

// CheckFiles reports every problem of the files and variables that the table names.
func (c WebhookConfig) CheckFiles(report Report) {
	checkSecret(report, "secret", c.secret())
	key := "url"
	if c.URLFile != "" {
		key = "url_file"
	}
	if _, err := c.readURL(); err != nil {
		tellFile(report, key, err, "name a file or an environment variable that holds the webhook's URL alone")
	}
	if c.CAFile != "" {
		if _, err := loadAuthorities(c.CAFile); err != nil {
			tellFile(report, "ca_file", err, "name a PEM file with the authority's certificate")
		}
	}
}

// readURL fetches the URL. Its errors don't show it.
func (c WebhookConfig) readURL() (*url.URL, error) {
	secret, err := c.url().Read()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(secret.Reveal())
	switch {
	case err != nil || u.Hostname() == "" || !slices.Contains([]string{"https", "http"}, u.Scheme):
		return nil, withRemedy("it must look like https://host/path", "the webhook's URL (not shown) is none")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, withRemedy("write https://", "the webhook's URL for %s begins with http://, so everybody on the way could read and use it", u.Hostname())
	}
	return u, nil
}

// ValidateWebhooks reports the problems of all [[webhook]] tables, and two that
// share a name. Keys begin with "[0]." for the first table.
func ValidateWebhooks(webhooks []WebhookConfig, report Report) {
	seen := map[string]int{}
	for i, webhook := range webhooks {
		webhook.Validate(func(key, wrong, instead string) { report(fmt.Sprintf("[%d].%s", i, key), wrong, instead) })
		if first, taken := seen[webhook.name()]; taken {
			report(fmt.Sprintf("[%d].name", i), fmt.Sprintf("%q is also the name of webhook number %d", webhook.name(), first+1), `a name of its own, such as name = "ops-chat"`)
			continue
		}
		seen[webhook.name()] = i
	}
}
