package config

import (
	"fmt"
	"regexp"
	"strings"
)

// mistake says in an admin's words what a message of the TOML library comes
// from. words answers "" where it has nothing better to say.
type mistake struct {
	message *regexp.Regexp
	words   func(sourceLine) (wrong, instead string)
}

var mistakes = []mistake{
	{regexp.MustCompile(`out of range`), constantly("the number is too large for any use", "write a smaller one")},
	{regexp.MustCompile(`leading zeroes`), constantly("a number does not begin with 0", "write it without, or in quotes if it is a text")},
	{regexp.MustCompile(`^expected value but found|^Invalid|^invalid datetime|^not an? |^expected a digit`), unquotedValue},
	{regexp.MustCompile(`^expected a top-level item to end`), restOfLine},
	{regexp.MustCompile(`has already been defined|already created`), definedTwice},
	{regexp.MustCompile(`^strings cannot contain newlines|^unexpected EOF; expected '"'|^unexpected EOF; expected "'"`), constantly(
		"the closing quote is missing", "end the text with the quote that it began with")},
	{regexp.MustCompile(`^unexpected EOF; expected '"""'|^unexpected EOF; expected "'''"`), constantly(
		"a text in three quotes is never closed", "end it with three quotes, or write a short text in one quote")},
	{regexp.MustCompile(`^invalid escape|hexadecimal digits after|^Escaped character`), constantly(
		`between double quotes a backslash starts a special character, and this one is none`, `write two backslashes for one, or put the text in single quotes`)},
	{regexp.MustCompile(`^unexpected EOF; expected value$`), endOfFile},
	{regexp.MustCompile(`^expected a comma \(',`), constantly(
		"a comma between the values of a list, or the ] at its end, is missing", `write a list as ["one", "two"]`)},
	{regexp.MustCompile(`^expected a comma or an inline table`), constantly(
		"a comma between the keys of { }, or the } at the end, is missing", `write { path = "/", every = "2s" }, or a table of its own`)},
	{regexp.MustCompile(`^unexpected comma`), constantly("a comma stands where a value should", "take it out")},
	{regexp.MustCompile(`end table name|end of table|table names? cannot be empty|table array name`), badHeader},
	{regexp.MustCompile(`control characters`), constantly("the line has a character that cannot be seen", "delete the line and type it again")},
	{regexp.MustCompile(`expected '\.' or '='|key separator|key name appears blank|keys cannot start|^unexpected '|^unexpected EOF`), notAPair},
}

func constantly(wrong, instead string) func(sourceLine) (string, string) {
	return func(sourceLine) (string, string) { return wrong, instead }
}

var curlyQuotes = regexp.MustCompile(`[“”„‘’«»]`)

// unquotedValue is for a value that the TOML library cannot make sense of.
func unquotedValue(l sourceLine) (wrong, instead string) {
	key, value := l.pair()
	switch word := strings.ToLower(value); {
	case headerOfTable.MatchString(l.text):
		return "a list above this line is not closed", "write the ] that is missing"
	case !strings.Contains(l.text, "="):
		return "a value of the list is not in quotes", `write a list as ["one", "two"]`
	case value == "" || strings.HasPrefix(value, "#"):
		return "there is no value after the =", "write one, or take the line out"
	case curlyQuotes.MatchString(value):
		return "the quotes are typographic ones", "write straight quotes: " + example(key, curlyQuotes.ReplaceAllString(value, ""))
	case word == "yes" || word == "on" || word == "true":
		return value + " is not a word that TOML knows", "write " + key + " = true"
	case word == "no" || word == "off" || word == "false":
		return value + " is not a word that TOML knows", "write " + key + " = false"
	case strings.HasPrefix(value, "["):
		return "a value of the list is not in quotes", `write a list as ["one", "two"]`
	}
	return "the value is not in quotes", "write " + example(key, strings.Trim(value, `"'`))
}

// endOfFile is for a file that ends where a value should stand.
func endOfFile(l sourceLine) (wrong, instead string) {
	if _, value := l.pair(); value == "" && strings.Contains(l.text, "=") {
		return "there is no value after the =", "write one, or take the line out"
	}
	return "the file ends within a list", "write the ] that is missing"
}

// headerOfTable tells [[site]] from a line of a list.
var headerOfTable = regexp.MustCompile(`^\[+\s*[A-Za-z_][A-Za-z0-9_.-]*\s*\]+$`)

var bareWithUnit = regexp.MustCompile(`^[0-9][^\s"',]*$`)

// restOfLine is for a line that goes on after a whole value.
func restOfLine(l sourceLine) (wrong, instead string) {
	key, value := l.pair()
	switch {
	case bareWithUnit.MatchString(value):
		return "the value is not in quotes", "write " + example(key, value)
	case strings.Contains(value, ",") && !strings.ContainsAny(value, "[]#"):
		return "there is more than one value", "write a list: " + key + " = " + listOf(key, value)
	}
	return "something follows the value", "take it out, or put # in front of it to make it a comment"
}

// listOf puts values that were written one after another into brackets.
func listOf(key, values string) string {
	if secretKey.MatchString(key) || len(values) > longestExample {
		return `["one", "two"]`
	}
	return "[" + strings.Trim(values, ", ") + "]"
}

// definedTwice is for a key or table that was there before.
func definedTwice(l sourceLine) (wrong, instead string) {
	first := l.index.nearest(l.indexedPath())
	name, isTable := l.table()
	parent, _, nested := strings.Cut(name, ".")
	switch {
	case !isTable:
		return fmt.Sprintf("is already set in line %d", first), "keep one of the two"
	case isList(name) && strings.HasPrefix(l.text, "[[") && schemaKey(l.index.tableAt(first)) == name:
		return fmt.Sprintf("line %d has it in one bracket", first), fmt.Sprintf("write [[%s]] there too", name)
	case isList(name) && strings.HasPrefix(l.text, "[["):
		return fmt.Sprintf("a part of it stands before it, in line %d", first), fmt.Sprintf("put [[%s]] above its parts", name)
	case isList(name):
		return "has one bracket", fmt.Sprintf("write [[%s]]", name)
	case nested && isList(parent):
		return fmt.Sprintf("is already there in line %d", first), fmt.Sprintf("keep one of the two, or put [[%s]] in front if another one begins here", parent)
	}
	return fmt.Sprintf("is already there in line %d", first), "put the keys of both under one header"
}

// indexedPath is the full path of the line's key or table.
func (l sourceLine) indexedPath() string {
	if name, found := l.table(); found {
		return name
	}
	key, _ := l.pair()
	if table := l.index.tableAt(l.number); table != "" {
		return table + "." + key
	}
	return key
}

func badHeader(l sourceLine) (wrong, instead string) {
	name, _ := l.table()
	word := strings.Fields(name + " log")[0]
	if isList(word) {
		return "the brackets of the header are not right", fmt.Sprintf("write [[%s]]", word)
	}
	return "the brackets of the header are not right", fmt.Sprintf("write [%s]", word)
}

// looksForeign recognises Apache's <VirtualHost>, nginx's and JSON's braces and
// YAML's "site:".
func looksForeign(line string) bool {
	return strings.HasPrefix(line, "<") || strings.HasPrefix(line, "{") ||
		strings.HasSuffix(line, "{") || strings.HasSuffix(line, ":")
}

// notAPair is for a line that is not key = value.
func notAPair(l sourceLine) (wrong, instead string) {
	key, value, colon := strings.Cut(l.text, ":")
	word, rest, _ := strings.Cut(l.text, " ")
	switch {
	case looksForeign(l.text):
		return "this is not TOML", "write tables as [log] and settings as key = value; config.example.toml shows them all"
	case strings.HasPrefix(l.text, "="):
		return "there is no key before the =", "write key = value"
	case colon && bareKey.MatchString(strings.TrimSpace(key)):
		return "a colon stands where an = should", "write " + example(strings.TrimSpace(key), strings.TrimSpace(value))
	case strings.Contains(l.text, "="):
		return "the key before the = has more than one word", "write key = value, the key in one word"
	case rest != "" && bareKey.MatchString(word):
		return "there is no = after the key", "write " + example(word, strings.TrimSpace(rest))
	}
	return "the line has a key and no value", "write key = value"
}
