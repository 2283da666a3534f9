package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// refusal is what a CA said when it did not give a certificate: a problem
// document (RFC 8555 section 6.7).
type refusal struct {
	kind       string // last part of its type, such as "rateLimited"
	detail     string // the CA's own words
	ofAccount  bool   // it is about the account, not about a name
	retryAfter time.Time
	err        error
}

func (r *refusal) Error() string { return r.kind + ": " + r.detail }
func (r *refusal) Unwrap() error { return r.err }

const refusalNamespace = "urn:ietf:params:acme:error:"

// newRefusal makes one from the fields of a problem document.
func newRefusal(kind, detail string, err error) *refusal {
	return &refusal{kind: strings.TrimPrefix(kind, refusalNamespace), detail: detail, retryAfter: namedTime(detail), err: err}
}

// retryTime is how Let's Encrypt writes in its details when a limit ends; not all
// clients show its Retry-After.
var retryTime = regexp.MustCompile(`(?i)retry after (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)`)

func namedTime(detail string) time.Time {
	found := retryTime.FindStringSubmatch(detail)
	if found == nil {
		return time.Time{}
	}
	at, err := time.Parse(time.DateTime, strings.Replace(found[1], "T", " ", 1))
	if err != nil {
		return time.Time{}
	}
	return at
}

// retryAfter is when the CA wants to be asked again (RFC 9110 section 10.2.3); zero:
// it does not say.
func retryAfter(header http.Header, now time.Time) time.Time {
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return now.Add(time.Duration(seconds) * time.Second)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return time.Time{}
	}
	return at
}

// longestPause bounds what a CA may ask for. The longest limits of public CAs last a
// week.
const longestPause = 7 * 24 * time.Hour

// until takes over the time that the CA named in the head of its answer. Where it
// refuses for another reason than being asked too often, that is only when to look
// at something again.
func (r *refusal) until(pause time.Time) *refusal {
	if r.kind == "rateLimited" && pause.After(r.retryAfter) {
		r.retryAfter = pause
	}
	if latest := time.Now().Add(longestPause); r.retryAfter.After(latest) {
		r.retryAfter = latest
	}
	return r
}

// failure words for an admin why there is no new certificate for a name.
func (a ACME) failure(name string, err error) Problem {
	var refused *refusal
	var elsewhere *notDirectory
	var damaged *damagedAccount
	cause, remedy := err.Error(), "see the error log; it is tried again by itself"
	switch {
	case errors.As(err, &refused):
		cause, remedy = a.refused(name, refused)
	case errors.As(err, &damaged):
		cause, remedy = damaged.Error(), "remove "+damaged.path+": a new account is made at the next try"
	case errors.As(err, &elsewhere):
		cause = "the URL " + a.directory() + " is not that of a CA's directory: " + elsewhere.Error()
		remedy = "write the URL that the CA names for ACME clients as directory in [acme]"
	case a.unreachable(err) != "":
		cause = fmt.Sprintf("the CA %s cannot be asked: %s", a.host(), a.unreachable(err))
		remedy = "see whether this machine reaches it: curl -v " + a.directory()
	case ofStorage(err):
		cause, remedy = "the state folder cannot be used: "+err.Error(), "let gateway read and write there: see ls -ld"
		if isFull(err) {
			remedy = "make room on that disk: see df -h, and df -i for the number of files"
		}
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		remedy = "write the root certificate of that CA as ca_file in [acme]"
	}
	return Problem{Severity: Warning, Subject: "certificate for", File: name, Cause: withoutLinks(cause), Remedy: remedy}
}

// damagedAccount tells that what is kept of the account with the CA is no account.
type damagedAccount struct {
	path  string // what to remove
	cause error
}

func (d *damagedAccount) Error() string {
	return fmt.Sprintf("the account with the CA that is kept in %s is damaged: %v", d.path, d.cause)
}

func (d *damagedAccount) Unwrap() error { return d.cause }

// ofStorage tells whether an error is about a file. certmagic tells the text only of
// what went wrong with its own.
func ofStorage(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return errors.As(err, &path) || errors.As(err, &link) || isFull(err) ||
		says(err, syscall.EACCES) || says(err, syscall.EPERM) || says(err, syscall.EROFS) || says(err, syscall.EIO)
}

func isFull(err error) bool { return says(err, syscall.ENOSPC) || says(err, syscall.EDQUOT) }

func says(err error, number syscall.Errno) bool {
	return errors.Is(err, number) || strings.Contains(err.Error(), number.Error())
}

// unreachable is why a connection to the CA failed; "" if it did not.
func (a ACME) unreachable(err error) string {
	var broken *url.Error
	var network *net.OpError
	switch {
	case errors.As(err, &broken):
		return broken.Err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "it did not answer in time"
	case errors.As(err, &network):
		return network.Error()
	}
	return ""
}

// refused words what the CA said, and what an admin can do about it.
func (a ACME) refused(name string, r *refusal) (cause, remedy string) {
	said := ": the CA " + a.host() + " says: " + r.detail
	if r.ofAccount && r.kind != "rateLimited" {
		return a.refusedAccount(r, said)
	}
	switch r.challengeKind() {
	case "connection", "tls":
		return "the CA could not check the name from outside" + said,
			"let port 443 or 80 of " + name + " lead here from the internet: see the DNS, the firewall, the provider's security group, and in mainland China the ICP filing"
	case "dns":
		return "the name leads nowhere" + said, "enter this machine's address for " + name + " as A (or AAAA) record in the DNS"
	case "unauthorized", "incorrectResponse":
		return "another server answered for the name" + said, "make the A and AAAA records of " + name + " lead to this machine, and nothing in between end TLS"
	case "caa":
		return "the DNS forbids this CA" + said, "add the CA to the CAA records of " + name + ", or remove them"
	case "rateLimited":
		return "too many certificates or failures lately" + said, r.patience()
	case "rejectedIdentifier", "unsupportedIdentifier":
		return "the CA gives no certificate for this name" + said, `take the name out of the site, or write certificate = "files" with a certificate from elsewhere`
	}
	return a.refusedAccount(r, said)
}

// challengeKind is the kind by its meaning: some CAs call it unauthorized when they
// could not connect.
func (r *refusal) challengeKind() string {
	if r.kind == "unauthorized" && strings.Contains(strings.ToLower(r.detail), "failed to connect") {
		return "connection"
	}
	return r.kind
}

// patience says how long.
func (r *refusal) patience() string {
	if r.retryAfter.IsZero() {
		return "wait; gateway does so by itself"
	}
	return "wait until " + r.retryAfter.Local().Format("2006-01-02 15:04:05 -0700") + "; gateway does so by itself"
}

// refusedAccount words what has to do with the account or the CA itself.
func (a ACME) refusedAccount(r *refusal, said string) (cause, remedy string) {
	switch r.kind {
	case "externalAccountRequired":
		return "the CA wants to know the customer" + said, "write eab_kid and eab_key_file into [acme], with what the CA gave you"
	case "accountDoesNotExist":
		return "the CA does not know the account any more" + said, "nothing; a new account is made at the next try"
	case "invalidContact", "unsupportedContact":
		return "the CA does not accept the mail address" + said, "write another email into [acme]"
	case "userActionRequired":
		return "the CA wants its new terms to be agreed to" + said, "open the page that it names"
	case "serverInternal":
		return "the CA has a fault" + said, "wait; it is tried again by itself"
	case "malformed":
		return "the CA did not take the request" + said, "see eab_kid, eab_key_file and profile in [acme]"
	case "badNonce":
		return "the CA takes none of the numbers that it gave itself" + said,
			"wait; it is tried again by itself. If it stays so, look for something between this machine and the CA that answers from a cache"
	}
	if r.ofAccount && a.EABKeyID != "" {
		return "the CA does not accept the account of the customer" + said, "compare eab_kid and the key in eab_key_file with what the CA gave you"
	}
	if r.ofAccount {
		return "the CA gives no account" + said, "ask the CA what it wants: a mail address is email in [acme], a customer's key eab_kid and eab_key_file"
	}
	return "the CA refused with " + r.kind + said, "look the message up in the documentation of the CA"
}

// link is an address of one order, which differs at every try.
var link = regexp.MustCompile(`\(?https://\S+/(acme|order|authz|chall|my-order|authZ|chalZ)\S*`)

func withoutLinks(text string) string { return strings.TrimSpace(link.ReplaceAllString(text, "")) }
