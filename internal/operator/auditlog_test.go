package operator_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/registry"
)

var actor = audit.Actor{Name: "device"}

func TestAuditListAndFilters(t *testing.T) {
	s := newServer(t)
	later := func() { s.clock.ahead.Add(int64(time.Second)) } // what shares a millisecond has no order
	later()
	pk := s.product("lamp", "aes128")
	later()
	s.into(s.importCSV(pk, rows(1, 2)), http.StatusOK, &operator.ImportResult{})
	later()
	var d operator.Device
	s.into(s.post("/api/v1/devices/"+id(1)+"/suspend", ""), http.StatusOK, &d)
	later()
	s.into(s.post("/api/v1/orgs", `{"name":"other"}`), http.StatusCreated, &operator.Org{})

	for query, actions := range map[string][]string{
		"":                             {"org.create", "device.suspend", "device.import", "product.create", "authority.create", "authority.create", "org.create"},
		"?org=default":                 {"device.suspend", "device.import", "product.create", "org.create"},
		"?org=other":                   {"org.create"},
		"?subject=" + d.AssetID:        {"device.suspend"},
		"?action=device.":              {"device.suspend", "device.import"},
		"?action=device.import":        {"device.import"},
		"?action=device":               nil,
		"?before=2020-01-01T00:00:00Z": nil,
		"?limit=1":                     {"org.create"},
	} {
		var list operator.AuditList
		s.into(s.get("/api/v1/audit"+query), http.StatusOK, &list)
		if got := actionsOf(list.Events); fmt.Sprint(got) != fmt.Sprint(actions) {
			t.Errorf("%q: %v, want %v", query, got, actions)
		}
	}
	var list operator.AuditList
	s.into(s.get("/api/v1/audit?action=device.suspend"), http.StatusOK, &list)
	e := list.Events[0]
	if e.Actor != "operator" || e.RequestID != "request-1" || e.Kind != "device" || e.OrgID == "" || e.Seq != 0 {
		t.Errorf("event %+v", e)
	}
}

func actionsOf(events []operator.AuditEvent) []string {
	var actions []string
	for _, e := range events {
		actions = append(actions, e.Action)
	}
	return actions
}

// Events that share a millisecond must not fall between two pages.
func TestAuditPagesLoseNothing(t *testing.T) {
	s := newServer(t)
	var events []audit.Event
	for n := range 60 {
		e := actor.Did("device.refused", "device", fmt.Sprint(n), nil)
		e.At = 1_700_000_000_000 + int64(n/3) // three at a time
		events = append(events, e)
	}
	if err := s.registry.NoteRefusals(context.Background(), events); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{4, 5, 6, 7, 59, 60, 61, 1000} {
		seen := map[string]int{}
		before := ""
		for range 100 {
			var list operator.AuditList
			s.into(s.get(fmt.Sprintf("/api/v1/audit?action=device.refused&limit=%d%s", limit, before)), http.StatusOK, &list)
			if len(list.Events) > limit {
				t.Fatalf("limit %d: %d events", limit, len(list.Events))
			}
			for _, e := range list.Events {
				seen[e.Subject]++
			}
			if list.NextBefore == "" {
				break
			}
			before = "&before=" + url.QueryEscape(list.NextBefore)
		}
		if len(seen) != 60 {
			t.Errorf("limit %d: %d different events of 60", limit, len(seen))
		}
		for subject, n := range seen {
			if n != 1 {
				t.Errorf("limit %d: event %s seen %d times", limit, subject, n)
			}
		}
	}
}

func TestAuditVerify(t *testing.T) {
	s := newServer(t)
	ctx := context.Background()
	pk := s.product("lamp", "aes128")
	s.into(s.importCSV(pk, rows(1, 2)), http.StatusOK, &operator.ImportResult{})
	if _, err := s.store.SealAudit(ctx, s.ring.Derive(registry.AuditKeyPurpose)); err != nil {
		t.Fatal(err)
	}
	var check operator.AuditCheck
	s.into(s.get("/api/v1/audit/verify"), http.StatusOK, &check)
	if want := (operator.AuditCheck{Intact: true, Events: 5}); check != want {
		t.Errorf("check %+v, want %+v", check, want)
	}
	s.tamper(`UPDATE audit SET detail = '{}' WHERE seq = 2`)
	s.into(s.get("/api/v1/audit/verify"), http.StatusOK, &check)
	if want := (operator.AuditCheck{Events: 1, BrokenAt: 2}); check != want {
		t.Errorf("after tampering: %+v, want %+v", check, want)
	}
}

// tamper changes the database behind the server's back.
func (s *server) tamper(statement string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "hallmark.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		s.t.Fatal(err)
	}
}
