package config

import (
	"reflect"
	"slices"
	"strings"
)

// unknown reports a key that its table doesn't have, with the best guess at
// what was meant.
func (d *decoder) unknown(fields []field, key, path string) {
	switch {
	case d.misspelt(fields, key, path):
	case d.misplaced(key, path):
	default:
		d.add(path, "there is no such key", "the keys here are "+strings.Join(keysOf(fields), ", "))
	}
}

// misspelt reports a key that is nearly one of its table. The key that was
// meant is settled: it is not missing, it is misspelt.
func (d *decoder) misspelt(fields []field, key, path string) bool {
	meant, found := meantKey(keysOf(fields), key)
	if !found {
		return false
	}
	f, _ := fieldNamed(fields, meant)
	_, isTable := tableOf(f.typ)
	isThere := d.lines.at[joinPath(parentPath(path), meant)] > 0
	if isThere && !isTable {
		return false // the key that seems meant is there as well
	}
	wrong := "there is no such key"
	if strings.EqualFold(meant, key) {
		wrong = "keys are written in small letters"
	}
	d.add(path, wrong, "write "+headed(joinPath(parentPath(path), meant), f))
	if !isThere {
		d.settle(joinPath(parentPath(path), meant))
	}
	return true
}

// headed writes a key, or the header of a table.
func headed(path string, f field) string {
	table, isTable := tableOf(f.typ)
	switch {
	case !isTable:
		return f.key
	case f.typ.Kind() == reflect.Slice && table != nil:
		return "[[" + schemaKey(path) + "]]"
	}
	return "[" + schemaKey(path) + "]"
}

// misplaced reports a key that another table has.
func (d *decoder) misplaced(key, path string) bool {
	var homes []string
	eachKey(reflect.TypeFor[Config](), "", func(at string, f field) {
		if plainWord(f.key) == plainWord(key) {
			homes = append(homes, homeOf(at, f))
		}
	})
	if len(homes) == 0 {
		return false
	}
	where := "at the top of the file"
	if table := parentPath(path); table != "" {
		where = "in [" + schemaKey(table) + "]"
	}
	d.add(path, "there is no such key "+where, "it belongs "+strings.Join(homes, " or "))
	return true
}

// homeOf says where a key or a table of the schema is written.
func homeOf(path string, f field) string {
	if _, isTable := tableOf(f.typ); isTable {
		return "under the header " + headed(path, f)
	}
	table := parentPath(path)
	if table == "" {
		return "at the top of the file, before the first [table]"
	}
	if isList(table) {
		return "in [[" + table + "]]"
	}
	return "in [" + table + "]"
}

// maxGuessed bounds the letters of a key that is worth a guess; comparing takes
// their square.
const maxGuessed = 40

// meantKey guesses which of the keys was meant: the same word in another
// spelling, what other programs call it, or the nearest in letters.
func meantKey(keys []string, written string) (meant string, found bool) {
	plain := plainWord(written)
	if len(plain) > maxGuessed {
		return "", false
	}
	best, distance := "", len(plain)/3+1
	for _, key := range keys {
		if plainWord(key) == plain {
			return key, true
		}
		if d := editDistance(plainWord(key), plain); d < distance {
			best, distance = key, d
		}
	}
	if best != "" {
		return best, true
	}
	for _, key := range elsewhere()[plain] {
		if slices.Contains(keys, key) {
			return key, true
		}
	}
	return "", false
}

// plainWord drops what spellings of one word differ in.
func plainWord(key string) string {
	return strings.TrimSuffix(strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(key)), "s")
}

// elsewhere maps what Apache, nginx and others call a thing to our keys.
func elsewhere() map[string][]string {
	return map[string][]string{
		"servername": {"name"}, "domain": {"name"}, "host": {"name", "url"}, "hostname": {"name"},
		"serveraliase": {"aliases"}, "serveralia": {"aliases"},
		"port": {"listen"}, "bind": {"listen"}, "addres": {"listen", "url"},
		"ssl": {"certificate"}, "tl": {"certificate"}, "cert": {"certificate"},
		"sslcertificate": {"files"}, "sslcertificatefile": {"files"}, "sslcertificatekeyfile": {"files"}, "key": {"files"},
		"upstream": {"backend"}, "proxypas": {"backend", "url"}, "virtualhost": {"site"}, "vhost": {"site"},
		"location": {"route"}, "prefix": {"path"}, "stripprefix": {"strip"}, "regex": {"match"}, "locationmatch": {"match"},
		"documentroot": {"root"}, "docroot": {"root"}, "folder": {"root"}, "alia": {"aliases", "root"}, "directoryindex": {"index"}, "autoindex": {"listing"}, "browse": {"listing"},
		"fallbackresource": {"fallback"}, "tryfile": {"fallback"}, "redir": {"redirect"}, "redirecttemp": {"redirect"}, "return": {"respond"}, "code": {"redirect_status"},
		"header": {"response_set"}, "addheader": {"response_add"}, "requestheader": {"request_set"}, "proxysetheader": {"request_set"}, "hideheader": {"response_remove"},
		"errordocument": {"error_page"}, "errorfile": {"error_page"}, "message": {"text"}, "intercepterror": {"override"}, "proxyerroroverride": {"override"},
		"authuserfile": {"auth_file"}, "htpasswd": {"auth_file"}, "authbasicuserfile": {"auth_file"}, "basicauth": {"auth_file"}, "authname": {"auth_realm"}, "authbasic": {"auth_realm"},
		"require": {"allow"}, "allowfrom": {"allow"}, "denyfrom": {"deny"},
		"cmd": {"command"}, "exec": {"command"}, "execstart": {"command"}, "cwd": {"dir"}, "workingdirectory": {"dir"},
		"healthcheck": {"probe"}, "check": {"probe"}, "interval": {"every"}, "environment": {"env"},
		"customlog": {"access"}, "accesslog": {"access"}, "errorlog": {"error"}, "logformat": {"format"}, "loglevel": {"level"},
		"clientmaxbodysize": {"body"}, "limitrequestbody": {"body"}, "proxypreservehost": {"preserve_host"},
		"proxysslverify": {"verify"}, "sslproxyverify": {"verify"},
		"proxyssltrustedcertificate": {"ca_file"}, "sslproxycacertificatefile": {"ca_file"}, "cacert": {"ca_file"}, "rootca": {"ca_file"},
		"statedir": {"state"}, "datadir": {"state"},
		"smtp": {"mail", "host"}, "email": {"mail"}, "smtpserver": {"host"}, "server": {"site", "host"}, "username": {"user"}, "login": {"user"},
		"sender": {"from"}, "receiver": {"to"}, "recipient": {"to"}, "passwordfile": {"password_file"}, "encryption": {"security"},
		"language": {"lang"}, "type": {"kind"}, "hook": {"webhook"}, "chat": {"webhook"},
	}
}

// editDistance counts the letters to add, drop, change or swap with their
// neighbour to turn a into b.
func editDistance(a, b string) int {
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			change := previous[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			current[j] = min(change, previous[j]+1, current[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
