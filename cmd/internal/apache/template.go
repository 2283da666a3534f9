package apache

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	reference = regexp.MustCompile(`\\.|[$%]\d|%\{[^}]*\}|\$\{[^}]*\}`)
	// variables of mod_rewrite for which gateway's templates have a name.
	templateNames = map[string]string{
		"%{HTTP_HOST}": "{host}", "%{SERVER_NAME}": "{host}", "%{HTTP:HOST}": "{host}", "%{REQUEST_URI}": "{path}", "%{QUERY_STRING}": "{query}",
		"%{REQUEST_SCHEME}": "{scheme}", "%{SERVER_PORT}": "{port}",
	}
)

// template writes a target with $1 and %{NAME} as gateway's templates have it.
// groups is what $1 holds if the pattern became a prefix.
func (b *builder) template(target, groups string, conditions ...string) string {
	text, _ := asTemplate(target, groups, conditions)
	return text
}

// asTemplate reports as an error what templates do not know. conditions are what
// %1 to %9 hold.
func asTemplate(target, groups string, conditions []string) (text string, err error) {
	text = reference.ReplaceAllStringFunc(target, func(ref string) string {
		switch {
		case ref[0] == '\\':
			return ref[1:]
		case ref == "$0":
			return "{path}"
		case ref[0] == '$' && len(ref) == 2:
			return group(ref[1:], groups)
		case ref[0] == '%' && len(ref) == 2:
			n := int(ref[1] - '0')
			if n < len(conditions) {
				return conditions[n]
			}
		default:
			if name := templateNames[strings.ToUpper(ref)]; name != "" {
				return name
			}
		}
		err = fmt.Errorf("gateway's templates have nothing for %s", ref)
		return ref
	})
	return strings.ReplaceAll(text, "/{path}", "{path}"), err
}

func group(number, groups string) string {
	if groups == "" {
		return "{" + number + "}"
	}
	return groups
}
