package host

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// diffContext is how many unchanged lines are shown around a change, as diff -u does.
const diffContext = 3

// diffCells bounds the table by which lines are matched: 2 million cells are
// 16 MB, and 1400 changed lines. What is larger is shown as replaced whole.
const diffCells = 2 << 20

// Diff compares two contents of a file in the unified format of diff(1) and
// patch(1), which POSIX describes. A nil content is a file that is not there.
// Equal contents give "".
func Diff(path string, before, after []byte) string {
	if bytes.Equal(before, after) && (before == nil) == (after == nil) {
		return ""
	}
	head := fmt.Sprintf("--- %s\n+++ %s\n", diffName(path, before), diffName(path, after))
	if !isText(before) || !isText(after) {
		return head + "Binary files differ\n"
	}
	edits := diffLines(splitLines(before), splitLines(after))
	var out strings.Builder
	out.WriteString(head)
	for _, h := range hunksOf(edits) {
		h.write(&out, edits)
	}
	return out.String()
}

func diffName(path string, content []byte) string {
	if content == nil {
		return "/dev/null"
	}
	return path
}

func isText(content []byte) bool {
	return utf8.Valid(content) && !bytes.ContainsRune(content, 0)
}

// splitLines keeps the line feeds, so that a last line without one differs from
// one with it.
func splitLines(content []byte) []string {
	return slices.Collect(strings.Lines(string(content)))
}

// edit is one line of a comparison: ' ' is in both, '-' in the old, '+' in the new.
type edit struct {
	mark byte
	line string
}

// diffLines finds a shortest list of edits that makes b of a, by the longest
// common subsequence of what is left between equal beginnings and ends.
func diffLines(a, b []string) []edit {
	var edits []edit
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		edits, a, b = append(edits, edit{' ', a[0]}), a[1:], b[1:]
	}
	same := 0
	for same < min(len(a), len(b)) && a[len(a)-1-same] == b[len(b)-1-same] {
		same++
	}
	tail := a[len(a)-same:]
	edits = append(edits, diffMiddle(a[:len(a)-same], b[:len(b)-same])...)
	for _, line := range tail {
		edits = append(edits, edit{' ', line})
	}
	return edits
}

func diffMiddle(a, b []string) []edit {
	var edits []edit
	if len(a)*len(b) <= diffCells {
		common := commonLengths(a, b)
		for len(a) > 0 && len(b) > 0 {
			i, j := len(common)-1-len(a), len(common[0])-1-len(b)
			switch {
			case a[0] == b[0]:
				edits, a, b = append(edits, edit{' ', a[0]}), a[1:], b[1:]
			case common[i+1][j] >= common[i][j+1]:
				edits, a = append(edits, edit{'-', a[0]}), a[1:]
			default:
				edits, b = append(edits, edit{'+', b[0]}), b[1:]
			}
		}
	}
	for _, line := range a {
		edits = append(edits, edit{'-', line})
	}
	for _, line := range b {
		edits = append(edits, edit{'+', line})
	}
	return edits
}

// commonLengths is, for each pair of rests of a and b, how many lines their
// longest common subsequence has.
func commonLengths(a, b []string) [][]int {
	lengths := make([][]int, len(a)+1)
	for i := range lengths {
		lengths[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				lengths[i][j] = lengths[i+1][j+1] + 1
			} else {
				lengths[i][j] = max(lengths[i+1][j], lengths[i][j+1])
			}
		}
	}
	return lengths
}

// hunk is a range of edits that is shown, and the lines before it in both files.
type hunk struct{ from, to, oldBefore, newBefore int }

// hunksOf groups changes whose contexts touch.
func hunksOf(edits []edit) []hunk {
	var hunks []hunk
	oldLine, newLine := 0, 0
	for i, e := range edits {
		if e.mark != ' ' {
			from := max(0, i-diffContext)
			if last := len(hunks) - 1; last >= 0 && hunks[last].to >= from {
				hunks[last].to = min(len(edits), i+1+diffContext)
			} else {
				hunks = append(hunks, hunk{from, min(len(edits), i+1+diffContext), oldLine - (i - from), newLine - (i - from)})
			}
		}
		if e.mark != '+' {
			oldLine++
		}
		if e.mark != '-' {
			newLine++
		}
	}
	return hunks
}

func (h hunk) write(out *strings.Builder, edits []edit) {
	var oldLines, newLines int
	for _, e := range edits[h.from:h.to] {
		if e.mark != '+' {
			oldLines++
		}
		if e.mark != '-' {
			newLines++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", diffRange(h.oldBefore, oldLines), diffRange(h.newBefore, newLines))
	for _, e := range edits[h.from:h.to] {
		line, ended := strings.CutSuffix(e.line, "\n")
		fmt.Fprintf(out, "%c%s\n", e.mark, line)
		if !ended {
			out.WriteString("\\ No newline at end of file\n")
		}
	}
}

// diffRange is "first,count"; a range without lines is named by the line before it.
func diffRange(before, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", before)
	case 1:
		return fmt.Sprint(before + 1)
	}
	return fmt.Sprintf("%d,%d", before+1, count)
}
