package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// Table takes the first two columns of the table below a heading of a text in
// Markdown, so that a manual need not say again what stands there.
func Table(markdown, heading string) ([]Item, error) {
	below, err := belowHeading(markdown, heading)
	if err != nil {
		return nil, err
	}
	var items []Item
	for line := range strings.Lines(below) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 4 || cells[0] != "" || strings.Trim(cells[1], " -:") == "" {
			continue
		}
		items = append(items, Item{plain(cells[1]), plain(cells[2])})
	}
	if len(items) < 2 {
		return nil, fmt.Errorf("there is no table below %q", heading)
	}
	return items[1:], nil // behind the heads
}

// List takes a sentence such as "Codes: 0 done, 1 failed; 2 neither." apart, each
// item at its first space. It begins with the given words, in a text in Markdown.
func List(markdown, begin string) ([]Item, error) {
	_, sentence, found := strings.Cut(markdown, begin)
	sentence, _, ended := strings.Cut(sentence, ".")
	if !found || !ended {
		return nil, fmt.Errorf("there is no sentence that begins with %q", begin)
	}
	var items []Item
	for _, part := range strings.FieldsFunc(sentence, func(r rune) bool { return r == ',' || r == ';' }) {
		head, text, _ := strings.Cut(plain(part), " ")
		items = append(items, Item{head, text})
	}
	return items, nil
}

// belowHeading is what stands between a heading and the next one.
func belowHeading(markdown, heading string) (string, error) {
	_, below, found := strings.Cut("\n"+markdown, "\n"+heading+"\n")
	if !found {
		return "", fmt.Errorf("there is no heading %q", heading)
	}
	below, _, _ = strings.Cut(below, "\n#")
	return below, nil
}

var link = regexp.MustCompile(`\[([^][]*)\]\([^()]*\)`)

// plain is a text without its links. What is code stays between its backticks.
func plain(text string) string {
	return strings.TrimSpace(link.ReplaceAllString(text, "$1"))
}
