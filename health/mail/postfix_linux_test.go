package mail

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// postfixDaemons is where Debian has Postfix's programs.
const postfixDaemons = "/usr/lib/postfix/sbin"

// postfix is a real Postfix with its own configuration and queue, on two free
// ports of loopback, with TLS and logins.
type postfix struct {
	dir             string
	starttls, smtps string // addresses
	caFile          string
}

// postfixStart starts one, or skips the test where there is none to start.
func postfixStart(t *testing.T) *postfix {
	t.Helper()
	owner := postfixOwner(t)
	dir, err := os.MkdirTemp("", "postfix")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &postfix{dir: dir, starttls: senderClosedPort(t), smtps: senderClosedPort(t)}
	if err := os.Chmod(dir, 0o755); err != nil { // Postfix's own user works in it
		t.Fatal(err)
	}
	p.folders(t, owner)
	p.certificate(t)
	p.login(t, owner)
	p.configuration(t, owner)
	p.run(t)
	return p
}

// postfixOwner returns the uid of Postfix's user.
func postfixOwner(t *testing.T) int {
	t.Helper()
	for _, program := range []string{filepath.Join(postfixDaemons, "master"), "/usr/sbin/saslpasswd2"} {
		if _, err := os.Stat(program); err != nil {
			t.Skipf("Postfix and sasl2-bin are not installed (apt install postfix sasl2-bin libsasl2-modules): %v", err)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("Postfix starts as root only")
	}
	account, err := user.Lookup("postfix")
	if err != nil {
		t.Skipf("Postfix has no user: %v", err)
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func (p *postfix) folders(t *testing.T, owner int) {
	t.Helper()
	queue := []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "private", "public", "saved", "trace"}
	for i, name := range queue {
		queue[i] = "queue/" + name
	}
	for _, name := range append(append([]string{"queue"}, queue...), "queue/pid", "data", "mail", "conf", "conf/sasl") {
		path := filepath.Join(p.dir, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if name == "queue" || name == "queue/pid" || name == "conf" || name == "conf/sasl" {
			continue // root's
		}
		if err := os.Chown(path, owner, -1); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *postfix) certificate(t *testing.T) {
	t.Helper()
	pair, certificate := smtpdKeyPair(t, "127.0.0.1", time.Now().Add(time.Hour))
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	p.caFile = p.write(t, "conf/cert.pem", string(certificate), 0o644)
	p.write(t, "conf/key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})), 0o600)
}

func (p *postfix) write(t *testing.T, name, content string, mode os.FileMode) (path string) {
	t.Helper()
	path = filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// login makes Cyrus SASL's database with the one user. Debian's Postfix looks for
// the configuration in the folder sasl below its own.
func (p *postfix) login(t *testing.T, owner int) {
	t.Helper()
	database := filepath.Join(p.dir, "conf/sasl/sasldb2")
	name, domain, _ := strings.Cut(smtpdUser, "@")
	add := exec.Command("/usr/sbin/saslpasswd2", "-p", "-c", "-f", database, "-u", domain, name)
	add.Stdin = strings.NewReader(smtpdPassword)
	if out, err := add.CombinedOutput(); err != nil {
		t.Skipf("a login cannot be made: %v %s", err, out)
	}
	if err := os.Chown(database, owner, -1); err != nil {
		t.Fatal(err)
	}
	p.write(t, "conf/sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN CRAM-MD5\nsasldb_path: "+database+"\n", 0o644)
}

func (p *postfix) configuration(t *testing.T, owner int) {
	t.Helper()
	p.write(t, "conf/main.cf", fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
daemon_directory = %[2]s
maillog_file = %[1]s/maillog
maillog_file_prefixes = %[1]s
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.test
mydestination =
local_recipient_maps =
alias_maps =
virtual_mailbox_domains = example.com
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = inline:{ { admin@example.com = admin/ }, { second@example.com = second/ } }
virtual_minimum_uid = 1
virtual_uid_maps = static:%[3]d
virtual_gid_maps = static:%[3]d
default_transport = error:nothing leaves this host
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = %[1]s/conf/cert.pem
smtpd_tls_key_file = %[1]s/conf/key.pem
smtpd_sasl_auth_enable = yes
cyrus_sasl_config_path = %[1]s/conf/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_sasl_authenticated, reject
`, p.dir, postfixDaemons, owner), 0o644)
	p.write(t, "conf/master.cf", fmt.Sprintf(`%s inet n - n - - smtpd
%s inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`, p.starttls, p.smtps), 0o644)
}

// run starts Postfix's master in a process group of its own, which ends with it.
func (p *postfix) run(t *testing.T) {
	t.Helper()
	var said bytes.Buffer
	master := exec.Command(filepath.Join(postfixDaemons, "master"), "-c", filepath.Join(p.dir, "conf"), "-d")
	master.Env = append(os.Environ(), "MAIL_CONFIG="+filepath.Join(p.dir, "conf"))
	master.Stdout, master.Stderr = &said, &said
	master.WaitDelay = 5 * time.Second
	master.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // also when this test is killed
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = master.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-master.Process.Pid, syscall.SIGTERM)
		<-ended
		if t.Failed() {
			content, _ := os.ReadFile(filepath.Join(p.dir, "maillog"))
			t.Logf("Postfix said:\n%s\n%s", said.String(), content)
		}
	})
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", p.starttls)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatal("Postfix ended at once")
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("Postfix does not listen: %v", err)
		}
	}
}

// received waits for the mails of a mailbox.
func (p *postfix) received(t *testing.T, mailbox string, n int) (mails [][]byte) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(p.dir, "mail", mailbox, "new", "*"))
		if len(files) < n {
			continue
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			mails = append(mails, content)
		}
		return mails
	}
	t.Fatalf("%s did not get %d mails", mailbox, n)
	return nil
}

func TestPostfix_TakesWhatIsSent(t *testing.T) {
	p := postfixStart(t)
	config := func(addr, security string) Config {
		cfg := smtpdLogsIn(t, smtpdConfig(t, addr, security))
		cfg.CAFile, cfg.Timeout, cfg.ConnectTimeout = p.caFile, 20*time.Second, 10*time.Second
		return cfg
	}
	sent := 0
	for _, test := range []struct{ addr, security, auth string }{
		{p.smtps, SecurityTLS, ""}, {p.starttls, SecurityStartTLS, "plain"}, {p.starttls, SecurityStartTLS, "login"}, {p.smtps, SecurityTLS, "cram-md5"},
	} {
		t.Run(test.security+" "+test.auth, func(t *testing.T) {
			cfg := config(test.addr, test.security)
			cfg.Auth = test.auth
			outcome := NewSender(cfg).Send(t.Context(), Message{Subject: "www api is DOWN 后端", Body: "第一行\n.\n" + strings.Repeat("x", 1500) + "\n", MessageID: NewMessageID("www.example.com")})
			if err := outcome.Failed(); err != nil {
				t.Fatalf("%v\n%s", err, strings.Join(outcome.Transcript, "\n"))
			}
			senderShowsNoSecret(t, outcome)
			sent++
		})
	}
	for _, raw := range p.received(t, "admin", sent) {
		header, body := smtpdRead(t, raw)
		subject, _ := header.Subject()
		if subject != "www api is DOWN 后端" || !strings.HasPrefix(body, "第一行\n.\nxxx") || header.Get("Return-Path") != "<"+smtpdUser+">" {
			t.Errorf("a mail came as:\n%s", raw)
		}
	}
	t.Run("one of two receivers is unknown", func(t *testing.T) { postfixOneUnknown(t, p, config(p.smtps, SecurityTLS)) })
	t.Run("wrong password", func(t *testing.T) {
		cfg := config(p.smtps, SecurityTLS)
		cfg.PasswordFile = smtpdSecretFile(t, "wrong")
		postfixRefuses(t, cfg, StageLogin, "app password")
	})
	t.Run("no login", func(t *testing.T) {
		cfg := config(p.starttls, SecurityStartTLS)
		cfg.User = ""
		postfixRefuses(t, cfg, StageReceiver, "only after a login")
	})
	t.Run("unknown authority", func(t *testing.T) {
		cfg := config(p.starttls, SecurityStartTLS)
		cfg.CAFile = ""
		postfixRefuses(t, cfg, StageTLS, "ca_file")
	})
	t.Run("through the outbox", func(t *testing.T) {
		o := NewOutbox(Options{Dir: t.TempDir()}, NewSender(config(p.smtps, SecurityTLS)))
		outboxRun(t, o)
		outboxPut(t, o, outboxNotice("1", "from the outbox"))
		outboxEmpty(t, o)
		p.received(t, "admin", sent+1)
	})
}

func postfixOneUnknown(t *testing.T, p *postfix, cfg Config) {
	cfg.To = []string{"nobody@example.com", "second@example.com"}
	outcome := NewSender(cfg).Send(t.Context(), senderMessage)
	if outcome.Err != nil || KindOf(outcome.Receipts[0].Err) != Permanent || outcome.Receipts[0].Err == nil || outcome.Receipts[1].Err != nil {
		t.Errorf("outcome %+v", outcome)
	}
	p.received(t, "second", 1)
}

func postfixRefuses(t *testing.T, cfg Config, stage Stage, advice string) {
	outcome := NewSender(cfg).Send(t.Context(), senderMessage)
	err := outcome.Failed()
	if err == nil || KindOf(err) != Setup || !strings.Contains(err.Error(), string(stage)) {
		t.Errorf("failed with %v", err)
	}
	if got := strings.Join(Explain(err), "\n"); !strings.Contains(got, advice) {
		t.Errorf("for %v the advice is %q", err, got)
	}
	senderShowsNoSecret(t, outcome)
}
