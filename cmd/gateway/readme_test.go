package main

import (
	"encoding"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gateway/cmd/internal/config"
	"gateway/proxy"
)

func readmeText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readmeSection is what stands below a heading, up to the next of its rank or a
// higher one.
func readmeSection(t *testing.T, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(readmeText(t), "\n"+heading+"\n")
	if !found {
		t.Fatalf("README.md has no heading %q", heading)
	}
	rank := strings.IndexByte(heading, ' ')
	if next := regexp.MustCompile(`(?m)^#{1,` + strconv.Itoa(rank) + `} `).FindStringIndex(rest); next != nil {
		rest = rest[:next[0]]
	}
	return rest
}

// readmeRow is a line of a table, and the table's heads.
type readmeRow struct{ heads, cells []string }

func (r readmeRow) cell(head string) string {
	if i := slices.Index(r.heads, head); i >= 0 && i < len(r.cells) {
		return r.cells[i]
	}
	return ""
}

// readmeRows are the rows of all tables of a text.
func readmeRows(text string) []readmeRow {
	var rows []readmeRow
	var heads []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			heads = nil
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case heads == nil:
			heads = cells
		case !strings.HasPrefix(cells[0], "---"):
			rows = append(rows, readmeRow{heads, cells})
		}
	}
	return rows
}

// readmeSpans are what a text has between backticks.
func readmeSpans(text string) []string {
	var spans []string
	for _, found := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(text, -1) {
		spans = append(spans, found[1])
	}
	return spans
}

// readmeSame compares two sets of names.
func readmeSame(t *testing.T, what string, told, real []string) {
	t.Helper()
	for _, name := range told {
		if !slices.Contains(real, name) {
			t.Errorf("README.md tells of the %s %q, which does not exist", what, name)
		}
	}
	for _, name := range real {
		if !slices.Contains(told, name) {
			t.Errorf("README.md does not tell of the %s %q", what, name)
		}
	}
}

// readmeKeys are the default cells of all keys, by their path in the file.
func readmeKeys(t *testing.T) map[string]string {
	t.Helper()
	keys := map[string]string{}
	table := ""
	header := regexp.MustCompile(`^#### \[\[?([a-z._]+)\]?\]`)
	for line := range strings.Lines(readmeSection(t, "### The file")) {
		if found := header.FindStringSubmatch(line); found != nil {
			table = found[1] + "."
		}
		if found := regexp.MustCompile("^\\| `([a-z0-9_]+)` \\| (.*?) \\|").FindStringSubmatch(line); found != nil {
			keys[table+found[1]] = found[2]
		}
	}
	return keys
}

// schemaKeys visits every key that is no table.
func schemaKeys(table reflect.Type, prefix string, visit func(path string)) {
	for i := range table.NumField() {
		f := table.Field(i)
		key := f.Tag.Get("toml")
		if f.Anonymous && key == "" {
			schemaKeys(f.Type, prefix, visit)
			continue
		}
		below := f.Type
		if below.Kind() == reflect.Slice || below.Kind() == reflect.Pointer {
			below = below.Elem()
		}
		read := reflect.PointerTo(f.Type)
		whole := read.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) || read.Implements(reflect.TypeFor[toml.Unmarshaler]())
		if below.Kind() == reflect.Struct && !whole {
			schemaKeys(below, prefix+key+".", visit)
		} else if key != "" && key != "-" {
			visit(prefix + key)
		}
	}
}

func TestReadme_NamesEveryKeyOfTheFile(t *testing.T) {
	var told, real []string
	for key := range readmeKeys(t) {
		told = append(told, key)
	}
	schemaKeys(reflect.TypeFor[config.Config](), "", func(path string) { real = append(real, path) })
	readmeSame(t, "key", told, real)
}

// The rooms prove that config.example.toml shows their defaults, so it is enough
// that README.md says the same.
func TestReadme_ShowsTheDefaultsOfTheExample(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "config.example.toml"))
	if err != nil {
		t.Fatal(err)
	}
	shown, table := map[string]string{}, ""
	line := regexp.MustCompile(`(?m)^(?:# )?(?:\[+([a-z._]+)\]+|([a-z0-9_]+) = (.*?)(?: +# <- yours)?)$`)
	for _, found := range line.FindAllStringSubmatch(string(text), -1) {
		if found[1] != "" {
			table = found[1] + "."
			continue
		}
		shown[table+found[2]] = found[3]
	}
	compared := 0
	for key, cell := range readmeKeys(t) {
		if value, isValue := strings.CutPrefix(cell, "`"); isValue {
			compared++
			if got := strings.TrimSuffix(value, "`"); got != shown[key] {
				t.Errorf("%s: README.md has the default %s, the example %s", key, got, shown[key])
			}
		}
	}
	if compared < 40 {
		t.Errorf("only %d defaults were compared", compared)
	}
}

// The keys that README.md says must be written are those without which a file
// is refused, and no more of them are needed.
func TestReadme_TellsWhichKeysMustBeWritten(t *testing.T) {
	values := map[string]string{
		"site.name": `"a.example.com"`, "site.listen": `["127.0.0.1:7879"]`, "site.certificate": `"local"`,
		"site.route.path": `"/x/"`, "site.error_page.status": "[404]", "site.route.error_page.status": "[404]",
		"backend.name": `"api"`, "backend.url": `"http://localhost:7878"`,
		"setup.user.name": `"alice"`, "setup.conda.env.name": `"work"`,
	}
	oneOf := map[string]string{ // of several keys one must be written
		"site": "backend = \"api\"\n", "site.route": "backend = \"api\"\n",
		"site.error_page": "text = \"x\"\n", "site.route.error_page": "text = \"x\"\n",
	}
	var must []string
	for key, cell := range readmeKeys(t) {
		if cell == "must" {
			must = append(must, key)
		}
	}
	file := func(without string) string {
		text := "state = '" + t.TempDir() + "'\n[admin]\nsocket = '" + t.TempDir() + "/s'\n"
		for _, table := range []string{"site", "site.error_page", "site.route", "site.route.error_page", "backend", "setup.user", "setup.conda.env"} {
			text += "[[" + table + "]]\n"
			text += oneOf[table]
			for _, key := range must {
				if below, found := strings.CutPrefix(key, table+"."); found && key != without && !strings.Contains(below, ".") {
					text += below + " = " + values[key] + "\n"
				}
			}
		}
		return writeFile(t, t.TempDir(), "config.toml", text)
	}
	if _, err := config.Load(file("")); err != nil {
		t.Errorf("with all of %v: %v", must, err)
	}
	for _, key := range must {
		if _, err := config.Load(file(key)); err == nil {
			t.Errorf("a file without %s is taken", key)
		}
	}
}

func TestReadme_NamesEveryCommandWithItsFlags(t *testing.T) {
	told := map[string][]string{}
	for _, row := range readmeRows(readmeSection(t, "### The commands")) {
		name, _, _ := strings.Cut(strings.Trim(row.cell("command"), "`"), " [")
		told[strings.TrimRight(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ ")] = readmeSpans(row.cell("flags"))
	}
	real := map[string][]string{}
	root := newRoot()
	root.InitDefaultCompletionCmd()
	commandLeaves(root, real)
	readmeSame(t, "command", keysOf(told), keysOf(real))
	for name, flags := range real {
		readmeSame(t, "flag of "+name+":", told[name], flags)
	}
}

func commandLeaves(c *cobra.Command, flags map[string][]string) {
	for _, below := range c.Commands() {
		if !below.Hidden && below.Name() != "help" {
			commandLeaves(below, flags)
		}
	}
	group := c.HasSubCommands() && !c.LocalNonPersistentFlags().HasAvailableFlags() // one with flags of its own does something itself
	if group && c.Name() != "completion" || c.Parent() != nil && c.Parent().Name() == "completion" {
		return
	}
	flags[c.CommandPath()] = nil
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		if f.Shorthand != "" {
			flags[c.CommandPath()] = append(flags[c.CommandPath()], "-"+f.Shorthand)
		}
		flags[c.CommandPath()] = append(flags[c.CommandPath()], "--"+f.Name)
	})
}

func keysOf[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

func TestReadme_TellsTheExitCodes(t *testing.T) {
	found := regexp.MustCompile(`(\d) done, (\d) failed, (\d) the command line is wrong`).FindStringSubmatch(readmeSection(t, "### The commands"))
	if found == nil {
		t.Fatal("README.md has no sentence on the exit codes")
	}
	for i, arguments := range [][]string{{"version"}, {"check", "-c", filepath.Join(t.TempDir(), "none.toml")}, {"chek"}} {
		if got := run(arguments, io.Discard, io.Discard); strconv.Itoa(got) != found[i+1] {
			t.Errorf("gateway %s: exit code %d, README.md says %s", arguments[0], got, found[i+1])
		}
	}
}

func TestReadme_NamesEverySignal(t *testing.T) {
	source, err := os.ReadFile("signals.go")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`\bSIG[A-Z0-9]+\b`)
	table := ""
	for _, row := range readmeRows(readmeSection(t, "### Signals")) {
		table += row.cell("signal") + " "
	}
	readmeSame(t, "signal", name.FindAllString(table, -1), name.FindAllString(string(source), -1))
}

func TestReadme_NamesTheVariablesThatAreRead(t *testing.T) {
	t.Parallel()
	told := readmeSpans(readmeSection(t, "### Environment"))
	found := 0
	literals(t, func(file string, n ast.Node) {
		call, is := n.(*ast.CallExpr)
		if !is || len(call.Args) != 1 || strings.Contains(file, "hosttest") {
			return
		}
		var function string
		switch f := call.Fun.(type) {
		case *ast.SelectorExpr:
			function = f.Sel.Name
		case *ast.Ident:
			function = f.Name
		}
		if name, is := literal(call.Args[0]); is && slices.Contains([]string{"Getenv", "LookupEnv", "getenv"}, function) {
			found++
			if !slices.Contains(told, name) {
				t.Errorf("%s reads %s, of which README.md does not tell", file, name)
			}
		}
	})
	if found < 3 {
		t.Errorf("only %d variables were found", found)
	}
}

func TestReadme_NamesEveryLogDirective(t *testing.T) {
	var told []string
	directive := regexp.MustCompile(`%(?:\{[A-Za-z]+\})?(\^t[io]|[A-Za-z%])`)
	for _, row := range readmeRows(readmeSection(t, "### Log formats")) {
		for _, span := range readmeSpans(row.cell("directive")) {
			if found := directive.FindStringSubmatch(span); found != nil {
				told = append(told, found[1])
			}
		}
	}
	var real []string
	for _, letter := range strings.Split("a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K L M N O P Q R S T U V W X Y Z % ^ti ^to", " ") {
		for _, argument := range []string{"", "{Name}", "{held}", "{SSL_PROTOCOL}"} {
			if _, err := proxy.ParseLogFormat("%" + argument + letter); err == nil {
				real = append(real, letter)
				break
			}
		}
	}
	readmeSame(t, "directive", told, real)
}

func TestReadme_NamesEveryKeyOfTheJSONLog(t *testing.T) {
	t.Parallel()
	_, list, found := strings.Cut(readmeSection(t, "### Log formats"), "object with the keys ")
	if !found {
		t.Fatal("README.md does not list the keys of the JSON log")
	}
	var real []string
	literals(t, func(file string, n ast.Node) {
		call, calls := n.(*ast.CallExpr)
		if !calls || filepath.Base(file) != "logjson.go" {
			return
		}
		method, selects := call.Fun.(*ast.SelectorExpr)
		if selects && slices.Contains([]string{"key", "text", "number", "milliseconds"}, method.Sel.Name) {
			if key, is := literal(call.Args[0]); is {
				real = append(real, key)
			}
		}
	})
	readmeSame(t, "key of the JSON log", readmeSpans(list), real)
}

// literals are the texts in the sources of the program.
func literals(t *testing.T, visit func(file string, n ast.Node)) (texts []string) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if text, is := literal(n); is {
				texts = append(texts, text)
			}
			visit(path, n)
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func literal(n ast.Node) (text string, is bool) {
	basic, ok := n.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(basic.Value)
	return text, err == nil
}

// Messages that README.md quotes are searched for in the sources, part by part
// between the "..." that stand for what differs.
func TestReadme_QuotesOnlyMessagesThatExist(t *testing.T) {
	t.Parallel()
	texts := literals(t, func(string, ast.Node) {})
	quoted := 0
	for _, message := range readmeMessages(t) {
		longest := 0
		for part := range strings.SplitSeq(message, "...") {
			longest = max(longest, len(strings.TrimSpace(part)))
			if !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, strings.TrimSpace(part)) }) {
				t.Errorf("no source has %q, from the message %q", part, message)
			}
		}
		if longest < 8 {
			t.Errorf("%q could be any message", message)
		}
		quoted++
	}
	if quoted < 80 {
		t.Errorf("only %d messages were found", quoted)
	}
}

// readmeMessages are the quoted messages: all of a table's column of messages or
// reasons, and in running text what is too long for a word and no command.
func readmeMessages(t *testing.T) []string {
	section := readmeSection(t, "## When something is wrong")
	var messages []string
	prose := ""
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "|") {
			prose += line
		}
	}
	for _, span := range readmeSpans(prose) {
		if strings.Count(span, " ") >= 3 && !strings.HasPrefix(span, "file:line") {
			messages = append(messages, span)
		}
	}
	for _, row := range readmeRows(section) {
		messages = append(messages, readmeSpans(row.cell("message")+row.cell("reason"))...)
	}
	return messages
}

// Every reason for which the proxy answers itself, or breaks off, has a remedy.
func TestReadme_HasARemedyForEveryReason(t *testing.T) {
	t.Parallel()
	section := readmeSection(t, "## When something is wrong")
	reasons := map[string]bool{}
	literals(t, func(file string, n ast.Node) {
		if filepath.Base(filepath.Dir(file)) != "proxy" {
			return
		}
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if key, named := n.Key.(*ast.Ident); named && key.Name == "reason" {
				if text, is := literal(n.Value); is {
					reasons[text] = true
				}
			}
		case *ast.CallExpr: // of the queue before a backend; the last argument may go on with what differs
			if name, named := n.Fun.(*ast.Ident); named && strings.HasPrefix(name.Name, "away") {
				last := n.Args[len(n.Args)-1]
				if sum, adds := last.(*ast.BinaryExpr); adds {
					last = sum.X
				}
				if text, is := literal(last); is {
					reasons[text] = true
				}
			}
		case *ast.AssignStmt:
			if left, selects := n.Lhs[0].(*ast.SelectorExpr); selects && left.Sel.Name == "failure" {
				if text, is := literal(n.Rhs[0]); is {
					reasons[text] = true
				}
			}
		}
	})
	for reason := range reasons {
		if !strings.Contains(section, "`"+reason+"`") && !strings.Contains(section, "`"+reason+"...`") {
			t.Errorf("README.md has no remedy for %q", reason)
		}
	}
	if len(reasons) < 20 {
		t.Errorf("only %d reasons were found", len(reasons))
	}
}

func TestReadme_LeadsToHeadingsAndTestsThatExist(t *testing.T) {
	text := readmeText(t)
	for _, found := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(text, -1) {
		heading := regexp.MustCompile(`(?mi)^#+ ` + strings.ReplaceAll(found[1], "-", " ") + `$`)
		if !heading.MatchString(text) {
			t.Errorf("there is no heading for the link #%s", found[1])
		}
	}
	var tests string
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests += string(source)
	}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(text, -1) {
		if !strings.Contains(tests, "func "+name+"(") {
			t.Errorf("there is no %s here", name)
		}
	}
}
