package interop

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestMain records what passed, as rows of the table in docs/clients.md.
func TestMain(m *testing.M) {
	code := m.Run()
	if path := os.Getenv("HALLMARK_RESULTS"); code == 0 && path != "" {
		if err := record(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func record(path string) error {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	var rows strings.Builder
	for _, c := range clients {
		version := regexp.MustCompile(regexp.QuoteMeta(c.module) + ` v(\S+)`).FindSubmatch(mod)
		if version == nil {
			return fmt.Errorf("go.mod does not name %s", c.module)
		}
		var layouts []string
		for _, l := range c.layouts {
			layouts = append(layouts, l.method+" "+l.place)
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %s |\n", c.module, version[1], c.signature, strings.Join(layouts, ", "))
	}
	for _, s := range rawShapes {
		fmt.Fprintf(&rows, "| `%s` | shape of %s | %s | %s |\n", s.client, s.version, s.signature, s.layout)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(rows.String())
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
