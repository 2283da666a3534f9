package proxy

import "strings"

// target is a request-target taken apart without decoding a byte of it, so
// that the backend gets path and query exactly as the client wrote them.
type target struct {
	authority string // of the absolute form, else ""
	path      string // starts with "/"
	query     string // without the "?"
	hasQuery  bool   // there was a "?", maybe with nothing behind it
}

// parseTarget takes the origin form and the absolute form of RFC 9112, section
// 3.2. Neither the asterisk nor the authority form names anything to proxy.
func parseTarget(written string) (target, bool) {
	if strings.ContainsFunc(written, notInTarget) {
		return target{}, false
	}
	var t target
	t.path, t.query, t.hasQuery = strings.Cut(written, "?")
	if strings.HasPrefix(t.path, "/") {
		return t, true
	}
	scheme, rest, found := strings.Cut(t.path, "://")
	if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return target{}, false
	}
	t.authority, t.path = rest, "/"
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		t.authority, t.path = rest[:slash], rest[slash:]
	}
	return t, t.authority != ""
}

// notInTarget finds what no request-target may hold. A fragment is among it:
// some servers cut it off, others take it for a part of the path.
func notInTarget(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }

// String is the target in origin form, byte for byte.
func (t target) String() string {
	if t.hasQuery {
		return t.path + "?" + t.query
	}
	return t.path
}

// readsOneWay reports the paths that every server reads alike, which is nearly all.
func readsOneWay(raw string) bool {
	return !strings.ContainsAny(raw, "%\\;") && !strings.Contains(raw, "//") && !strings.Contains(raw, "/.")
}

// readings are the ways in which servers read one raw path: as it stands with
// its escapes decoded (but no escaped separator), with all of them decoded, with
// dot segments resolved (RFC 3986, section 5.2.4), and as a lenient server does, which also
// decodes separators and doubled escapes, takes "\" for "/", drops ";" parameters
// and merges slashes. ok is false if a reading climbs above the root.
func readings(raw string) (paths []string, ok bool) {
	plain := decode(raw, true)
	resolved, ok := resolveDots(plain)
	lenient, lenientOK := resolveDots(lenientPath(raw))
	return []string{plain, decode(raw, false), resolved, lenient}, ok && lenientOK
}

// lenientPath is a raw path as the most forgiving servers see it before they
// resolve dot segments. Escapes are decoded up to three times over.
func lenientPath(raw string) string {
	for range 3 {
		raw = decode(raw, false)
	}
	raw = strings.ReplaceAll(raw, `\`, "/")
	var out strings.Builder
	for segment := range strings.SplitSeq(raw, "/") {
		segment, _, _ = strings.Cut(segment, ";")
		if segment != "" {
			out.WriteString("/" + segment)
		}
	}
	if out.Len() == 0 || strings.HasSuffix(raw, "/") {
		out.WriteByte('/')
	}
	return out.String()
}

// resolveDots takes "." and ".." segments out of a decoded path. ok is false if
// a ".." finds no segment to remove.
func resolveDots(path string) (resolved string, ok bool) {
	var kept []string
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch {
		case segment == "..":
			if len(kept) == 0 {
				return "", false
			}
			kept = kept[:len(kept)-1]
		case segment != ".":
			kept = append(kept, segment)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/"), true
}

// decode undoes percent-encoding once; what is no escape stays as it is. With
// keepSeparators an escaped "/" or "\" stays escaped, because it does not
// separate segments.
func decode(raw string, keepSeparators bool) string {
	if !strings.Contains(raw, "%") {
		return raw
	}
	var out strings.Builder
	for raw != "" {
		n, c, escaped := nextByte(raw)
		if escaped && keepSeparators && isSeparator(c) {
			out.WriteString(raw[:n])
		} else {
			out.WriteByte(c)
		}
		raw = raw[n:]
	}
	return out.String()
}

// behind is what follows prefix in a raw path. The prefix is decoded, so escapes
// in the raw path count as the byte they stand for.
func behind(raw, prefix string) string {
	for range len(prefix) {
		if raw == "" {
			break
		}
		n, _, _ := nextByte(raw)
		raw = raw[n:]
	}
	return raw
}

// nextByte reads one byte of a raw path, which takes n bytes of it.
func nextByte(raw string) (n int, c byte, escaped bool) {
	if raw[0] != '%' || len(raw) < 3 {
		return 1, raw[0], false
	}
	high, low := unhex(raw[1]), unhex(raw[2])
	if high < 0 || low < 0 {
		return 1, raw[0], false
	}
	return 3, byte(high<<4 | low), true
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	default:
		return -1
	}
}

func isSeparator(c byte) bool { return c == '/' || c == '\\' }
