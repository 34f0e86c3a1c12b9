package docs

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/itls"
	"github.com/hallmark-id/hallmark/internal/server"
	"github.com/hallmark-id/hallmark/openapi"
)

// same reports what a table and the program do not share.
func same(t *testing.T, what string, documented, real []string) {
	t.Helper()
	for _, v := range real {
		if !slices.Contains(documented, v) {
			t.Errorf("%s: %s is not documented", what, v)
		}
	}
	for i, v := range documented {
		if !slices.Contains(real, v) {
			t.Errorf("%s: %s is documented and does not exist", what, v)
		}
		if slices.Contains(documented[:i], v) {
			t.Errorf("%s: %s is documented twice", what, v)
		}
	}
}

// column returns the cells of one column.
func column(rows [][]string, i int) []string {
	cells := make([]string, len(rows))
	for j, row := range rows {
		cells[j] = code(row[i])
	}
	return cells
}

// TestServiceCodes checks the table of codes that the id2 door answers, and the
// table of those that it does not.
func TestServiceCodes(t *testing.T) {
	d := doc(t, "docs/id2.md")
	answers := answeredCodes(t)
	var answered, others []string
	for _, c := range id2.Codes() {
		number := strconv.Itoa(int(c))
		if answers[c.String()] {
			answered = append(answered, number)
		} else {
			others = append(others, number)
		}
	}
	same(t, "service codes", column(d.table(t, "Service codes"), 0), answered)
	same(t, "codes not answered", column(d.table(t, "Codes this server does not answer"), 0), others)
}

// answeredCodes returns the names of the codes in the sources of the door and
// of what stands behind it.
func answeredCodes(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{id2.CodeOK.String(): true} // the gateway's own name is openapi.CodeOK
	for _, dir := range []string{"authn", "httpd", "provision"} {
		files, err := filepath.Glob(filepath.Join(root, "internal", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("internal/%s: %d files, %v", dir, len(files), err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				gatherCodes(t, file, names)
			}
		}
	}
	return names
}

func gatherCodes(t *testing.T, file string, names map[string]bool) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "id2" && strings.HasPrefix(sel.Sel.Name, "Code") {
				names[sel.Sel.Name] = true
			}
		}
		return true
	})
}

// TestGatewayErrors checks the table of gateway errors: code and HTTP status.
func TestGatewayErrors(t *testing.T) {
	var documented, real []string
	for _, row := range doc(t, "docs/id2.md").table(t, "Gateway errors") {
		documented = append(documented, code(row[0])+" "+row[1])
	}
	for _, e := range openapi.Errors() {
		if text := fmt.Sprint(e.Code, " ", e.Status); !slices.Contains(real, text) {
			real = append(real, text)
		}
	}
	same(t, "gateway errors", documented, real)
}

// TestAlerts checks the table of iTLS alerts.
func TestAlerts(t *testing.T) {
	var real []string
	for _, a := range itls.Alerts() {
		real = append(real, strconv.Itoa(int(a)))
	}
	same(t, "alerts", column(doc(t, "docs/id2.md").table(t, "Alerts"), 0), real)
}

// TestMetrics checks the table of metrics against a server's.
func TestMetrics(t *testing.T) {
	dir := t.TempDir()
	s, err := server.Start(t.Context(), server.Config{DataDir: dir, Listen: "127.0.0.1:0", ITLSListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	token, err := os.ReadFile(filepath.Join(dir, server.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	var real []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (hallmark_\w+)`).FindAllStringSubmatch(get(t, s.URL()+"/metrics", strings.TrimSpace(string(token))), -1) {
		real = append(real, m[1])
	}
	same(t, "metrics", column(doc(t, "docs/operations.md").table(t, "Metrics"), 0), real)
}

func get(t *testing.T, url, token string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, resp.Status, err)
	}
	return string(text)
}
