package console

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

var (
	usedText  = regexp.MustCompile(`\.T "([a-z.]+)"`)
	builtText = regexp.MustCompile(`\.T \(print "([a-z.]+)"`)
	verb      = regexp.MustCompile(`%[a-z]`)
)

// usedKeys are the keys that templates and program name.
func usedKeys(t *testing.T) map[string]bool {
	t.Helper()
	used := make(map[string]bool)
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		page, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range usedText.FindAllStringSubmatch(string(page), -1) {
			used[m[1]] = true
		}
		for _, m := range builtText.FindAllStringSubmatch(string(page), -1) {
			if !builtKeys(used, m[1]) {
				t.Errorf("%s builds keys of %q, which the test does not know", name, m[1])
			}
		}
	}
	for _, text := range literals(t) {
		if _, ok := texts[text]; ok {
			used[text] = true
		}
	}
	return used
}

// literals are the texts in the program itself, but for the table of texts.
func literals(t *testing.T) (all []string) {
	t.Helper()
	names, _ := filepath.Glob("*.go")
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || name == "texts.go" {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				s, _ := strconv.Unquote(l.Value)
				all = append(all, s)
			}
			return true
		})
	}
	for _, s := range slices.Clone(all) { // what was done, and entries of the navigation
		_, said, _ := strings.Cut(s, "?said=")
		all = append(all, "said."+s, "said."+said, "nav."+s)
	}
	return all
}

// builtKeys adds the keys that are put together from a value.
func builtKeys(used map[string]bool, prefix string) bool {
	add := func(all ...string) bool {
		for _, s := range all {
			used[prefix+s] = true
		}
		return true
	}
	switch prefix {
	case "role.":
		return add("viewer", "operator", "admin")
	case "theme.":
		return add(themes...)
	case "sessions.":
		return add(account.ByPassword, account.ByScan)
	case "devices.state.":
		for s := registry.Unactivated; s <= registry.Expired; s++ {
			add(s.String())
		}
		return true
	}
	return false
}

// Every text that is used is there in both languages with the same verbs, and
// none is there for nothing.
func TestTexts(t *testing.T) {
	used := usedKeys(t)
	for s := scanlogin.Created; s <= scanlogin.Expired; s++ {
		used["scan."+s.String()] = true
	}
	for _, r := range scanlogin.Refusals {
		used["refused."+string(r)] = true
	}
	for _, name := range []string{"overview", "products", "devices", "sessions", "audit", "accounts"} {
		used["nav."+name] = true
	}
	for key := range used {
		if texts[key] == (text{}) {
			t.Errorf("there is no text %q", key)
		}
	}
	chinese := regexp.MustCompile(`\p{Han}`)
	for key, text := range texts {
		if !used[key] {
			t.Errorf("nothing uses the text %q", key)
		}
		if key != "nav.language" && (chinese.MatchString(text.en) || !chinese.MatchString(text.zh)) {
			t.Errorf("%s: %q and %q are in the wrong language", key, text.en, text.zh)
		}
		if !slices.Equal(verb.FindAllString(text.en, -1), verb.FindAllString(text.zh, -1)) {
			t.Errorf("%s: the verbs differ", key)
		}
	}
}

func TestChooseLang(t *testing.T) {
	for _, c := range []struct {
		chosen, accept string
		want           lang
	}{
		{"", "", english}, {"", "zh-CN,zh;q=0.9,en;q=0.8", chinese}, {"", "en-GB,zh;q=0.5", english}, {"", "zh", chinese}, {"", "zh-TW", chinese},
		{"", "fr,de", english}, {"", "fr,zh;q=0.1", chinese}, {"", ";;;", english}, {"", strings.Repeat("zh,", 200), english},
		{"en", "zh", english}, {"zh-CN", "en", chinese}, {"xx", "zh", chinese},
	} {
		if got := chooseLang(c.chosen, c.accept); got != c.want {
			t.Errorf("chosen %q, accepted %q: %s", c.chosen, c.accept, got)
		}
	}
}

// Whatever a browser says it accepts, a page can be made.
func FuzzAcceptLanguage(f *testing.F) {
	for _, s := range []string{"zh-CN,zh;q=0.9,en;q=0.8", "*", "en;q=x", "x-y-z,,;"} {
		f.Add("", s)
	}
	f.Fuzz(func(t *testing.T, chosen, accept string) {
		if got := chooseLang(chosen, accept); !slices.Contains(langs, got) {
			t.Errorf("%q", got)
		}
	})
}
