package certs

// Verdict is what a checklist says of one item.
type Verdict string

const (
	Passed  Verdict = "ok"
	Warned  Verdict = "warn"    // phones get through; the admin should know
	Failed  Verdict = "fail"    // phones, or some of them, do not get through
	Skipped Verdict = "skipped" // could not be looked at, or does not apply
)

// Finding is what was seen of one item of a checklist.
type Finding struct {
	Item     string   `json:"item"`
	Verdict  Verdict  `json:"verdict"`
	Seen     string   `json:"seen"`
	Remedies []string `json:"remedies,omitempty"` // what the admin does about it, the way of gateway first
}

// Items of the list that a phone goes through, in its order.
const (
	ItemTLS       = "tls"
	ItemOldTLS    = "old tls"
	ItemSuites    = "suites"
	ItemHTTP2     = "http/2"
	ItemSNI       = "sni"
	ItemChain     = "chain"
	ItemOrder     = "order"
	ItemRoot      = "root"
	ItemKey       = "key"
	ItemSignature = "signature"
	ItemName      = "name"
	ItemUsage     = "usage"
	ItemValidity  = "validity"
	ItemTrust     = "trust"
	ItemAndroid   = "android"
)

func passed(item, seen string) Finding  { return Finding{Item: item, Verdict: Passed, Seen: seen} }
func skipped(item, seen string) Finding { return Finding{Item: item, Verdict: Skipped, Seen: seen} }

// finding words problems as one item; without any it has passed with what was
// seen. A Warning leaves clients content, all else does not.
func finding(item, seen string, problems []Problem) Finding {
	if len(problems) == 0 {
		return passed(item, seen)
	}
	f := Finding{Item: item, Verdict: Warned}
	for i, problem := range problems {
		if i > 0 {
			f.Seen += "; "
		}
		f.Seen += problem.Cause
		f.Remedies = unique(append(f.Remedies, problem.Remedy))
	}
	if worst(problems) > Warning {
		f.Verdict = Failed
	}
	return f
}

// elsewhere says what cures an item in the words of the servers that most others
// use: nginx and Apache httpd.
func elsewhere(item string) []string {
	const (
		versions = "TLSv1.2 TLSv1.3"
		suites   = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
	)
	switch item {
	case ItemTLS, ItemOldTLS:
		return []string{"nginx: ssl_protocols " + versions + ";", "Apache: SSLProtocol -all +TLSv1.2 +TLSv1.3"}
	case ItemSuites:
		return []string{"nginx: ssl_ciphers " + suites + ";", "Apache: SSLCipherSuite " + suites}
	case ItemHTTP2:
		return []string{"nginx: http2 on; (before 1.25.1: listen 443 ssl http2;)", "Apache: a2enmod http2, and Protocols h2 http/1.1"}
	case ItemChain, ItemOrder, ItemRoot:
		return []string{"nginx: ssl_certificate names one file with the server's certificate first, then each one that signed the one before it, without the root; then nginx -s reload",
			"Apache: the same file in SSLCertificateFile, and no SSLCertificateChainFile"}
	}
	return nil
}
