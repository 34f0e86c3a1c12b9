package server

import (
	"bufio"
	"context"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
	"github.com/hallmark-id/hallmark/internal/testclock"
)

// A page on one node hears of an app that speaks to another.
func TestScanReachesOtherNodes(t *testing.T) {
	dsn := pgtest.Database(t)
	cfg := onPostgres(t, dsn)
	page, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = page.Shutdown(context.Background()) }()
	other := cfg
	other.DataDir = t.TempDir()
	copyDir(t, cfg.DataDir, other.DataDir, "")
	door, err := Start(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = door.Shutdown(context.Background()) }()
	if _, err := page.Accounts().Create(t.Context(), account.Spec{Name: "li", Role: account.Viewer}, audit.Actor{Name: "operator"}); err != nil {
		t.Fatal(err)
	}
	org, err := page.Registry().Org(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}

	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	first, err := client.Get(page.URL() + "/console/login")
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Body.Close()
	authID := ""
	for _, c := range first.Cookies() {
		if c.Name == "hallmark-scan" {
			authID, _, _ = strings.Cut(c.Value, ".")
		}
	}
	events, err := client.Get(page.URL() + "/console/login/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	lines := bufio.NewScanner(events.Body)
	await := func(state string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), `"state":"`+state+`"`) {
				return
			}
		}
		t.Fatalf("the page never hears that the session is %s", state)
	}
	await("created")
	app := scanlogin.App{ID: "app", Org: org.ID}
	if _, err := door.Scans().Scan(t.Context(), app, authID, scanlogin.StatusScanned); err != nil {
		t.Fatal(err)
	}
	await("scanned")
	if _, err := door.Scans().Scan(t.Context(), app, authID, scanlogin.StatusCancelled); err != nil {
		t.Fatal(err)
	}
	await("cancelled")
}

// With a separate admin listener the console is on that one only, and the door
// for apps stays where they are.
func TestConsoleMovesWithTheAdminListener(t *testing.T) {
	cfg := config(t.TempDir(), testclock.New(time.UnixMilli(1_700_000_000_000)))
	cfg.AdminListen = "127.0.0.1:0"
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	st := &site{Server: s, dir: cfg.DataDir}
	defer st.stop(t)
	if status, _ := st.get(t, s.URL(), "/console/login", ""); status != http.StatusNotFound {
		t.Errorf("the console on the public address: %d", status)
	}
	if status, body := st.get(t, s.AdminURL(), "/console/login", ""); status != http.StatusOK || !strings.Contains(body, "Hallmark") {
		t.Errorf("the console on the admin address: %d", status)
	}
	if status, _ := st.get(t, s.URL(), "/skfinterface/auth/scan", ""); status == http.StatusNotFound {
		t.Error("the ciss door is not on the public address")
	}
}
