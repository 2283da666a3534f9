package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gateway/cmd/internal/config"
	"gateway/health/mail"
)

// tester tries the ways to admins and tells what happened.
type tester struct {
	config *config.Config
	to     []string // mail to these only; empty: as the file says, and to the webhooks
	out    io.Writer
}

func (t tester) test(ctx context.Context) error {
	channels := channelsOf(t.config)
	if len(t.to) > 0 {
		channels = nil
		if t.config.Mail.Enabled() {
			channels = append(channels, mail.NewSender(t.config.Mail))
		}
	}
	if len(channels) == 0 {
		return errors.New("the file names no way to reach anybody: write [mail] with host, user, password_file and to, or a [[webhook]]")
	}
	failed := 0
	for _, channel := range channels {
		failed += t.try(ctx, channel)
	}
	if failed > 0 {
		fmt.Fprintln(t.out, "A test is sent only once: run it again when the cause is gone. Notices wait in the queue and are tried again.")
		return silentError{errors.New("somebody was not reached")}
	}
	return nil
}

// try sends over one channel, and returns how many receivers were not reached.
func (t tester) try(ctx context.Context, channel mail.Channel) (failed int) {
	notice := mail.Notice{Message: testMessage(t.config, t.to), Kind: "test"}
	outcome := channel.Deliver(ctx, notice, channel.Targets(notice))
	fmt.Fprintf(t.out, "%s:\n", channel.Name())
	for _, line := range outcome.Transcript {
		fmt.Fprintf(t.out, "  %s\n", line)
	}
	told := map[string]bool{}
	for _, receipt := range outcome.Receipts {
		who := receipt.Target
		if who == "" {
			who = channel.Name()
		}
		if receipt.Err == nil {
			fmt.Fprintf(t.out, "%s: taken\n", who)
			continue
		}
		failed++
		fmt.Fprintf(t.out, "%s: NOT taken: %v\n", who, receipt.Err)
		t.advise(receipt.Err, told)
	}
	return failed
}

// advise prints each advice once, though several receivers have the same trouble.
func (t tester) advise(err error, told map[string]bool) {
	for _, line := range mail.Explain(err) {
		if !told[line] {
			told[line] = true
			fmt.Fprintf(t.out, "  -> %s\n", line)
		}
	}
}

// testMessage is the mail that a test sends.
func testMessage(c *config.Config, to []string) mail.Message {
	host := hostName(c)
	when := time.Now().Format("2006-01-02 15:04:05 MST (-07:00)")
	subject, body := "this is a test", []string{
		"This is a test of gateway on " + host + ",",
		"sent at " + when + ".",
		"",
		"You can read it, so notices about backends, certificates and disks reach you, too. Nothing is to be done.",
	}
	if c.Mail.Lang == "zh" {
		subject, body = "这是一封测试通知", []string{
			"这是 " + host + " 上的 gateway 发出的测试通知，",
			"发送时间：" + when + "。",
			"",
			"您能看到它，说明有关后端、证书和磁盘的通知也能送达。无需任何操作。",
		}
	}
	return mail.Message{
		To: to, Subject: host + ": " + subject, Body: strings.Join(body, "\n") + "\n",
		MessageID: mail.NewMessageID(host), Date: time.Now(),
	}
}
