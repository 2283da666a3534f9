package mail

import (
	"errors"
	"fmt"
	"strings"
)

func loginRemedies() []remedy {
	return []remedy{
		{is(errClearPassword), lines(
			"gateway does not send a password in clear to another host: use security = \"tls\" (port 465) or \"starttls\" (port 587).",
			"If the network is your own and closed, insecure_auth = true allows it.",
		)},
		{is(errNoAuth), lines(
			"The server offers no login on this port: use the provider's submission port (465 or 587), where logins are taken.",
			"If the server takes mail from this host without a login, leave out `user` and the password.",
		)},
		{is(errNoMechanism), lines(
			"The server takes only other kinds of login here, such as OAuth: ask the provider for a port or a host that takes an app password (PLAIN or LOGIN).",
		)},
		{at(StageLogin, func(f *Failure) bool { return f.Code == 0 && f.Kind == Setup }), lines("Leave out `auth`, so that gateway picks what the server offers.")},
		{at(StageLogin, func(f *Failure) bool { return f.Code/100 == 5 }), sayWrongPassword},
		{at(StageLogin, func(f *Failure) bool { return f.Code/100 == 4 }), lines("The server cannot check logins just now, or there were too many of them; gateway tries again by itself.")},
	}
}

// sayWrongPassword knows the providers whose mail programs need another password
// than their web pages do. That is the most frequent mistake of all.
func sayWrongPassword(f *Failure) []string {
	said := []string{fmt.Sprintf("The server does not take this user and password: check `user` (%s) and the password's file.", f.user)}
	for _, provider := range []struct{ domain, advice string }{
		{"exmail.qq.com", "Exmail (QQ enterprise mail) wants a client password (客户端专用密码) once secure login is on: web mail, Settings, Account, and switch on IMAP/SMTP there."},
		{"qq.com", "QQ wants a 16-letter authorization code (授权码), not the account's password: web mail, Settings, Account, switch on IMAP/SMTP, and generate a code."},
		{"163.com", "163 wants an authorization code (授权码), not the account's password: web mail, Settings, POP3/SMTP/IMAP, switch on SMTP, and make a new code."},
		{"126.com", "126 wants an authorization code (授权码), not the account's password: web mail, Settings, POP3/SMTP/IMAP, switch on SMTP, and make a new code."},
		{"aliyun.com", "Aliyun's enterprise mail wants a client password (三方客户端安全密码): web mail, Settings, Account security; DirectMail has an SMTP password of its own in its console."},
		{"gmail.com", "Gmail wants an app password: Google account, Security, 2-step verification, App passwords."},
		{"office365.com", "Microsoft 365 must allow SMTP AUTH for this mailbox (admin centre, Mail apps, Authenticated SMTP)."},
		{"outlook.com", "Outlook.com no longer takes passwords over SMTP: use another provider for notices."},
	} {
		if host := f.host(); host == provider.domain || strings.HasSuffix(host, "."+provider.domain) {
			return append(said, provider.advice)
		}
	}
	return append(said, "Many providers (QQ, 163, Exmail, Gmail) want an app password or authorization code here, not the one of their web page.")
}

// answerRemedies are for refusals after the login.
func answerRemedies() []remedy {
	return []remedy{
		{func(f *Failure) bool { return f.Code == 530 || isRelayDenied(f) }, lines(
			"The server takes mail for others only after a login: give `user` and `password_file`, and use port 465 or 587.",
		)},
		{at(StageSender, func(f *Failure) bool { return f.Code == 552 }), sayTooBig},
		{isSenderRefused, func(f *Failure) []string {
			return []string{fmt.Sprintf("The server refuses this sender. QQ, 163, Exmail and others want `from` to be the address that logs in (%s): leave out `from`, or correct it.", f.user)}
		}},
		{isGreylisted, lines("Nothing to do: the server asks everybody new to come back a few minutes later (greylisting), and gateway does.")},
		{func(f *Failure) bool { return f.Enhanced == [3]int{5, 6, 7} }, lines("Give this receiver another address in plain letters, or use a mail server that offers SMTPUTF8.")},
		{at(StageReceiver, func(f *Failure) bool { return f.Kind != Temporary }), lines(
			"The server refuses this receiver: check the address in `to`. That keeps the mail from nobody else.",
		)},
		{at(StageData, func(f *Failure) bool { return f.Code == 552 }), sayTooBig},
		{at(StageData, func(f *Failure) bool { return f.Code/100 == 5 }), lines(
			"The server refuses the message itself, usually as spam: ask its admin to let this sender pass, or use another mail server.",
			"A notice that is refused is kept among the dead letters (`gateway mail queue`).",
		)},
		{func(f *Failure) bool { return f.Code/100 == 4 }, lines("The server refuses for now; gateway tries again by itself.")},
		{func(f *Failure) bool { return f.Code/100 == 5 && f.Stage != StageWebhook }, lines(
			"The server refuses this host: its address may be on a blocklist, or is not allowed to send there. Use the provider's submission port (465 or 587) with a login.",
		)},
	}
}

func sayTooBig(*Failure) []string {
	return []string{"The message is too big for this server. gateway's mails stay below 400 KB; ask the server's admin for a higher limit."}
}

// isRelayDenied knows a server that takes mail for others only from its own users:
// by the word, or by a refusal for reasons of policy when there was no login.
func isRelayDenied(f *Failure) bool {
	if f.Stage != StageReceiver || f.Code/100 != 5 {
		return false
	}
	return strings.Contains(strings.ToLower(f.Text), "relay") || f.user == "" && f.Enhanced[1] == 7
}

// isSenderRefused also knows the servers that check the sender late: their
// answers to RCPT or DATA name it.
func isSenderRefused(f *Failure) bool {
	if f.Code/100 != 5 {
		return false
	}
	text := strings.ToLower(f.Text)
	return f.Stage == StageSender || strings.Contains(text, "mail from") || strings.Contains(text, "sender address")
}

// isGreylisted knows a greylisting by its words, or by the code that RFC 6647
// (2.1) recommends.
func isGreylisted(f *Failure) bool {
	if f.Stage != StageReceiver && f.Stage != StageData || f.Code/100 != 4 {
		return false
	}
	text := strings.ToLower(f.Text)
	return strings.Contains(text, "greylist") || strings.Contains(text, "graylist") || f.Code == 450 && f.Enhanced[1] == 7 || f.Code == 451 && f.Enhanced[1] == 7
}

func webhookRemedies() []remedy {
	return []remedy{
		{at(StageWebhook, func(f *Failure) bool { return errors.Is(f.Err, errRateLimit) }), lines("Nothing to do: the chat takes only so many messages a minute (about 20), and gateway waits as long as it is told.")},
		{at(StageWebhook, func(f *Failure) bool { return errors.Is(f.Err, errBadSignature) }), lines(
			"The chat refuses the signature, the keyword or this host's address: check `secret_file`, the bot's security settings, and this machine's clock (a signature is good for an hour at most).",
		)},
		{at(StageWebhook, func(f *Failure) bool { return f.Kind == Setup }), lines(
			"The chat does not know this webhook: the bot was removed or its URL renewed. Copy the bot's URL afresh into `url_file`.",
		)},
		{at(StageWebhook, func(f *Failure) bool { return f.Kind == Permanent }), lines("The receiver refuses this message; a notice that is refused is kept among the dead letters (`gateway mail queue`).")},
		{at(StageWebhook, always), lines("The receiver of the webhook has a trouble of its own; gateway tries again by itself.")},
	}
}
