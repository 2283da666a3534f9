package proxy

import (
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// directiveProblem is what is wrong with one directive.
type directiveProblem struct{ wrong, instead string }

const directives = `%h %l %u %t %r %s %b %B %O %I %S %D %T %v %V %p %a %A %m %U %q %H %k %P %L %X %R ` +
	`%{Name}i %{Name}o %{Name}C %{Name}n %{Name}x %{Name}^ti %{Name}^to`

// compileDirective turns a letter of Apache's mod_log_config, mod_logio or
// mod_ssl and its {argument} into code.
func compileDirective(letter, argument string) (appendField, *directiveProblem) {
	switch letter {
	case "i", "o", "C", "n", "x", "c", "^ti", "^to":
		return compileNamed(letter, argument)
	case "t", "T", "p", "P", "a", "h":
		return compileUnit(letter, argument)
	case "e":
		return nil, &directiveProblem{"prints a variable of SetEnv, and gateway has none", "leave it out"}
	case "f":
		return nil, &directiveProblem{"prints the name of a file, and gateway serves none", `leave it out, or write %{backend}n`}
	}
	if field := plainField(letter[0]); field != nil {
		return field, nil
	}
	return nil, &directiveProblem{"is not a directive", didYouMean(letter)}
}

func didYouMean(letter string) string {
	for _, other := range []string{strings.ToLower(letter), strings.ToUpper(letter)} {
		if other != letter && strings.Contains(directives, "%"+other+" ") {
			return "did you mean %" + other + "? There are " + directives
		}
	}
	return "write one of " + directives
}

// plainField is a directive that takes no argument, nil if there is none of that letter.
func plainField(letter byte) appendField {
	switch letter {
	case '%':
		return func(line []byte, _ *transaction) []byte { return append(line, '%') }
	case 'l': // nobody asks identd
		return func(line []byte, _ *transaction) []byte { return append(line, '-') }
	case 'r':
		return appendRequestLine
	case 's':
		return func(line []byte, t *transaction) []byte { return strconv.AppendInt(line, int64(t.status), 10) }
	case 'b':
		return func(line []byte, t *transaction) []byte { return appendCount(line, t.written) }
	case 'B':
		return func(line []byte, t *transaction) []byte { return strconv.AppendInt(line, t.written, 10) }
	case 'I':
		return func(line []byte, t *transaction) []byte { return strconv.AppendInt(line, t.received, 10) }
	case 'O':
		return func(line []byte, t *transaction) []byte { return strconv.AppendInt(line, t.sent, 10) }
	case 'S':
		return func(line []byte, t *transaction) []byte { return strconv.AppendInt(line, t.received+t.sent, 10) }
	case 'D':
		return func(line []byte, t *transaction) []byte {
			return strconv.AppendInt(line, t.duration().Microseconds(), 10)
		}
	}
	return plainTextField(letter)
}

func plainTextField(letter byte) appendField {
	var text func(t *transaction) string
	switch letter {
	case 'A':
		text = func(t *transaction) string { return hostOf(t.localAddress()) }
	case 'H':
		text = func(t *transaction) string { return t.protocol() }
	case 'L':
		text = func(t *transaction) string { return t.exchange.id }
	case 'R':
		text = (*transaction).handlerName
	case 'U':
		text = (*transaction).path
	case 'V':
		text = (*transaction).hostName
	case 'X':
		text = (*transaction).connectionStatus
	case 'k':
		text = func(t *transaction) string { return strconv.FormatInt(t.nth, 10) }
	case 'm':
		text = func(t *transaction) string { return t.request.Method }
	case 'u':
		text = func(t *transaction) string { return t.exchange.user }
	case 'q':
		return func(line []byte, t *transaction) []byte { return appendEscaped(line, t.query()) } // empty, not "-", without one
	case 'v':
		text = (*transaction).siteName
	default:
		return nil
	}
	return func(line []byte, t *transaction) []byte { return appendText(line, text(t)) }
}

// compileUnit compiles the directives whose argument chooses among a few ways to print.
func compileUnit(letter, argument string) (appendField, *directiveProblem) {
	var field appendField
	var instead string
	switch letter {
	case "t":
		atEnd, print, err := compileTime(argument)
		if err != nil {
			return nil, &directiveProblem{err.Error(), "write conversions of strftime(3), or sec, msec, usec, msec_frac, usec_frac"}
		}
		return timeField(atEnd, print), nil
	case "T":
		field, instead = durationField(argument), "%T, %{s}T, %{ms}T or %{us}T"
	case "p":
		field, instead = portField(argument), "%p, %{local}p or %{remote}p"
	case "P":
		field, instead = processField(argument), "%P"
	case "a", "h":
		field, instead = addressField(argument), "%"+letter+" or %{c}"+letter
	}
	if field == nil {
		return nil, &directiveProblem{"has an unknown argument", "write " + instead}
	}
	return field, nil
}

func timeField(atEnd bool, print appendTime) appendField {
	return func(line []byte, t *transaction) []byte {
		moment := t.start
		if atEnd {
			moment = t.end
		}
		return print(line, moment.Local())
	}
}

func durationField(unit string) appendField {
	divisor := map[string]time.Duration{"": time.Second, "s": time.Second, "ms": time.Millisecond, "us": time.Microsecond}[unit]
	if divisor == 0 {
		return nil
	}
	return func(line []byte, t *transaction) []byte {
		return strconv.AppendInt(line, int64(t.duration()/divisor), 10)
	}
}

func portField(which string) appendField {
	address := (*transaction).localAddress
	switch strings.ToLower(which) {
	case "", "canonical", "local":
	case "remote":
		address = func(t *transaction) string { return t.request.RemoteAddr }
	default:
		return nil
	}
	return func(line []byte, t *transaction) []byte {
		_, port, _ := net.SplitHostPort(address(t))
		return appendText(line, port)
	}
}

func processField(which string) appendField {
	if which != "" && which != "pid" {
		return nil
	}
	pid := strconv.Itoa(os.Getpid())
	return func(line []byte, _ *transaction) []byte { return append(line, pid...) }
}

// addressField prints the client, or with {c} the peer, which may be a trusted proxy.
func addressField(which string) appendField {
	switch which {
	case "":
		return func(line []byte, t *transaction) []byte { return appendText(line, t.clientAddress()) }
	case "c":
		return func(line []byte, t *transaction) []byte { return appendText(line, hostOf(t.request.RemoteAddr)) }
	}
	return nil
}

func compileNamed(letter, name string) (appendField, *directiveProblem) {
	if name == "" {
		return nil, &directiveProblem{"needs a name", "write %{Name}" + letter}
	}
	switch letter {
	case "n":
		return noteField(name)
	case "x", "c":
		return tlsField(name)
	case "C":
		return cookieField(name), nil
	}
	key := http.CanonicalHeaderKey(name)
	values := func(t *transaction) []string { return t.request.Header[key] }
	switch {
	case letter == "i" && key == "Host": // net/http keeps it apart from the other fields
		values = func(t *transaction) []string { return []string{t.request.Host} }
	case letter == "^ti":
		values = func(t *transaction) []string { return t.request.Trailer[key] }
	case letter == "^to":
		values = func(t *transaction) []string { return t.trailer(key) }
	case letter == "o":
		values = func(t *transaction) []string { return t.responseField(key) }
	}
	return headerField(key, values), nil
}

// headerField prints a field "-" when it is absent and empty when it is empty,
// and several lines of one name as a list, as Apache does.
func headerField(key string, values func(*transaction) []string) appendField {
	secret := isSecretHeader(key)
	return func(line []byte, t *transaction) []byte {
		all := values(t)
		switch {
		case len(all) == 0:
			return append(line, '-')
		case secret:
			return append(line, hidden...)
		}
		for i, value := range all {
			if i > 0 {
				line = append(line, ", "...)
			}
			line = appendEscaped(line, redactHeader(value))
		}
		return line
	}
}

func cookieField(name string) appendField {
	return func(line []byte, t *transaction) []byte {
		if _, err := t.request.Cookie(name); err != nil {
			return append(line, '-')
		}
		return append(line, hidden...)
	}
}

// appendText appends a value, "-" when there is none.
func appendText(line []byte, s string) []byte {
	if s == "" {
		return append(line, '-')
	}
	return appendEscaped(line, s)
}

func appendCount(line []byte, n int64) []byte {
	if n == 0 {
		return append(line, '-')
	}
	return strconv.AppendInt(line, n, 10)
}
