package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiff_IsThatOfDiffU(t *testing.T) {
	numbers := func(n int) string {
		var s strings.Builder
		for i := range n {
			fmt.Fprintln(&s, i)
		}
		return s.String()
	}
	for name, c := range map[string]struct{ before, after, want string }{
		"a line is changed":    {"a\nb\nc\n", "a\nB\nc\n", "--- /f\n+++ /f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		"a line is added":      {"", "x\n", "--- /f\n+++ /f\n@@ -0,0 +1 @@\n+x\n"},
		"all is taken out":     {"x\n", "", "--- /f\n+++ /f\n@@ -1 +0,0 @@\n-x\n"},
		"a line feed is added": {"x", "x\n", "--- /f\n+++ /f\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n"},
		"two places": {numbers(20), strings.Replace(strings.Replace(numbers(20), "2\n", "two\n", 1), "\n18\n", "\n", 1),
			"--- /f\n+++ /f\n@@ -1,6 +1,6 @@\n 0\n 1\n-2\n+two\n 3\n 4\n 5\n@@ -16,5 +16,4 @@\n 15\n 16\n 17\n-18\n 19\n"},
		"bytes":     {"a\x00b", "c", "--- /f\n+++ /f\nBinary files differ\n"},
		"no change": {"a\n", "a\n", ""},
	} {
		if got := Diff("/f", []byte(c.before), []byte(c.after)); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", name, got, c.want)
		}
	}
	if got, want := Diff("/f", nil, []byte("x\n")), "--- /dev/null\n+++ /f\n@@ -0,0 +1 @@\n+x\n"; got != want {
		t.Errorf("a new file: got\n%swant\n%s", got, want)
	}
	if got := Diff("/f", nil, []byte{}); !strings.HasPrefix(got, "--- /dev/null\n+++ /f\n") {
		t.Errorf("a new empty file: got %q", got)
	}
}

// What patch(1) makes of a diff is the judge of every other case.
func FuzzDiff_IsUnderstoodByPatch(f *testing.F) {
	if _, err := exec.LookPath("patch"); err != nil {
		f.Skip("needs the program patch")
	}
	f.Add("a\nb\nc\nd\ne\nf\ng\nh\n", "a\nc\nd\nx\ne\nf\ng\nh\ni")
	f.Add("x", "y\n\n\nx")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.ContainsAny(before+after, "\r\x00") {
			t.Skip("patch guesses what these are for")
		}
		diff := Diff("f", []byte(before), []byte(after))
		if diff == "" || strings.Contains(diff, "\nBinary files") {
			return
		}
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		patch := exec.Command("patch", "--quiet", "--no-backup-if-mismatch", path)
		patch.Stdin = strings.NewReader(diff)
		if out, err := patch.CombinedOutput(); err != nil {
			t.Fatalf("patch: %v: %s\nof\n%s", err, out, diff)
		}
		if got, _ := os.ReadFile(path); string(got) != after {
			t.Errorf("%q became %q, not %q, by\n%s", before, got, after, diff)
		}
	})
}
