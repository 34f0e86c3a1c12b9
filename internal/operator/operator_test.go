package operator_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func TestDocumentIsServedWithoutToken(t *testing.T) {
	s := newServer(t)
	res, err := http.Get(s.url + operator.DocumentPath)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("status %d, type %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
}

func TestOrganisations(t *testing.T) {
	s := newServer(t)
	var made operator.Org
	s.into(s.post("/api/v1/orgs", `{"name":"factory 2"}`), http.StatusCreated, &made)
	s.refused(s.post("/api/v1/orgs", `{"name":"factory 2"}`), http.StatusConflict, "already_exists", "factory 2")
	var list operator.OrgList
	s.into(s.get("/api/v1/orgs"), http.StatusOK, &list)
	if len(list.Orgs) != 2 || list.Orgs[0].Name != "default" || list.Orgs[1] != made {
		t.Errorf("organisations %+v", list)
	}
}

func TestProductLife(t *testing.T) {
	s := newServer(t)
	var made operator.CreatedProduct
	body := `{"name":"lamp","algorithm":"aes128","quota":10,"term_days":30,"auto_renew":true,"otp":true,
		"hashes":["sha1"],"daily_limit":5,"data_encoding":"hex","two_way_auth":true,"max_valid_days":365}`
	s.into(s.post("/api/v1/products", body), http.StatusCreated, &made)
	if len(made.ProductSecret) != 32 || made.ProductSecret[2] != '1' {
		t.Errorf("secret %q: want 32 characters, the third the one-time key type of aes128", made.ProductSecret)
	}
	want := operator.Product{ProductKey: made.ProductKey, OrgID: made.OrgID, Name: "lamp", Algorithm: "aes128",
		Hashes: []string{"sha1", "sha256"}, WeakHashes: []string{"sha1"}, Quota: 10, Remaining: 10, TermDays: 30, AutoRenew: true,
		OTP: true, DailyLimit: 5, DataEncoding: "hex", TwoWayAuth: true, DefaultValidDays: 365, MaxValidDays: 365, Created: made.Created}
	var got operator.Product
	s.into(s.get("/api/v1/products/"+made.ProductKey), http.StatusOK, &got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	change := `{"name":"lamp 2","quota":-1,"term_days":0,"auto_renew":false,"hashes":[],"daily_limit":0,"data_encoding":"text","default_valid_days":30,"max_valid_days":60}`
	s.into(s.send("PATCH", "/api/v1/products/"+made.ProductKey, "application/json", change), http.StatusOK, &got)
	want.Name, want.Quota, want.Remaining, want.TermDays, want.AutoRenew = "lamp 2", -1, 1<<31-1, 0, false
	want.DefaultValidDays, want.MaxValidDays = 30, 60
	want.Hashes, want.WeakHashes, want.DailyLimit, want.DataEncoding = []string{"sha256"}, []string{}, 0, "text"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var list operator.ProductList
	s.into(s.get("/api/v1/products"), http.StatusOK, &list)
	if diff := cmp.Diff([]operator.Product{want}, list.Products); diff != "" {
		t.Error(diff)
	}
	var use operator.LicenceSummary
	s.into(s.get("/api/v1/licences/summary"), http.StatusOK, &use)
	if len(use.Products) != 1 || use.Products[0].Quota != -1 || use.Products[0].Used != 0 {
		t.Errorf("summary %+v", use)
	}
}

// A product may keep the ProductKey and the ProductSecret that are in the field.
func TestProductKeepsItsNames(t *testing.T) {
	s := newServer(t)
	const body = `{"name":"lamp","algorithm":"aes128","otp":true,"product_key":"a1BwAGVabcd","product_secret":"i11ABCDEFGHabcdefgh0123456789ABC"}`
	var made operator.CreatedProduct
	s.into(s.post("/api/v1/products", body), http.StatusCreated, &made)
	if made.ProductKey != "a1BwAGVabcd" || made.ProductSecret != "i11ABCDEFGHabcdefgh0123456789ABC" {
		t.Errorf("made %+v", made)
	}
	s.refused(s.post("/api/v1/products", body), http.StatusConflict, "already_exists", "the ProductKey a1BwAGVabcd")
	s.refused(s.post("/api/v1/products", strings.Replace(body, "a1BwAGVabcd", "a1another", 1)), http.StatusConflict, "already_exists", "this token's key, a1BwAGVabcd")
	s.into(s.post("/api/v1/orgs", `{"name":"stranger"}`), http.StatusCreated, &operator.Org{})
	elsewhere := s.post("/api/v1/products?org=stranger", strings.Replace(body, "a1BwAGVabcd", "a1another", 1))
	s.refused(elsewhere, http.StatusConflict, "already_exists", "this token's key already exists")
	if strings.Contains(string(elsewhere.body), "a1BwAGVabcd") || strings.Contains(s.log.String(), "ABCDEFGHabcdefgh") {
		t.Errorf("told to a stranger: %s; logged: %s", elsewhere.body, s.log)
	}
}

func TestProductServerKey(t *testing.T) {
	s := newServer(t)
	var p operator.CreatedProduct
	for _, algorithm := range []string{"rsa2048", "sm2", "p256", "secp256k1"} {
		s.into(s.post("/api/v1/products", `{"name":"x","algorithm":"`+algorithm+`","two_way_auth":true}`), http.StatusCreated, &p)
		if !strings.HasPrefix(p.ServerPublicKeyPEM, "-----BEGIN PUBLIC KEY-----\n") {
			t.Errorf("%s: server key %q", algorithm, p.ServerPublicKeyPEM)
		}
	}
}

func TestDeviceLife(t *testing.T) {
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	s.into(s.importCSV(pk, rows(1, 2)), http.StatusOK, &operator.ImportResult{})
	var d operator.Device
	s.into(s.get("/api/v1/devices/"+id(1)), http.StatusOK, &d)
	if d.State != "unactivated" || d.ProductKey != pk || d.Name != "device 1" || d.Algorithm != "aes128" || d.LicenceUntil != "" {
		t.Errorf("device %+v", d)
	}
	s.refused(s.post("/api/v1/devices/"+id(1)+"/resume", ""), http.StatusConflict, "wrong_state", "unactivated")
	s.into(s.post("/api/v1/devices/"+id(1)+"/rekey", `{"key_hex":"`+key(2)+`"}`), http.StatusOK, &d)
	// A row with the new key is the device's own now.
	var res operator.ImportResult
	s.into(s.importCSV(pk, "id2,key_hex\n"+id(1)+","+key(2)+"\n"), http.StatusOK, &res)
	if res.Unchanged != 1 {
		t.Errorf("after rekey: %+v", res)
	}
	for _, step := range []struct{ action, state string }{{"suspend", "suspended"}, {"resume", "unactivated"}, {"discard", "discarded"}} {
		s.into(s.post("/api/v1/devices/"+d.AssetID+"/"+step.action, ""), http.StatusOK, &d)
		if d.State != step.state {
			t.Errorf("after %s: %s", step.action, d.State)
		}
	}
	s.refused(s.post("/api/v1/devices/"+id(1)+"/suspend", ""), http.StatusConflict, "wrong_state", "discarded")
	s.refused(s.post("/api/v1/devices/"+id(1)+"/rekey", `{"key_hex":"`+key(3)+`"}`), http.StatusConflict, "wrong_state", "discarded")
	var gone operator.DeletedDevice
	s.into(s.send("DELETE", "/api/v1/devices/"+id(1), "", ""), http.StatusOK, &gone)
	if gone.ID2 != id(1) || gone.AssetID != d.AssetID || !gone.Deleted {
		t.Errorf("deleted %+v", gone)
	}
	s.refused(s.get("/api/v1/devices/"+id(1)), http.StatusNotFound, "not_found", id(1))
}

func TestDeviceNamesWithEveryPrintableCharacter(t *testing.T) {
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	for _, name := range []string{`/a/../b?c=1&d=%2F#e+f.id2-`, `devices:export!"$'()*,;=@[]`, `../../../../../../audit/verify`} {
		if a := s.importCSV(pk, "id2,key_hex\n\""+strings.ReplaceAll(name, `"`, `""`)+"\","+key(1)+"\n"); a.status != http.StatusOK {
			t.Fatalf("%s: %s", name, a.body)
		}
		d, err := s.client().Device(context.Background(), name)
		if err != nil || d.ID2 != name {
			t.Errorf("%s: got %s, %v", name, d.ID2, err)
		}
	}
}

func TestDeviceListPagesAndFilters(t *testing.T) {
	s := newServer(t)
	pk, other := s.product("lamp", "aes128"), s.product("pump", "aes128")
	s.into(s.importCSV(pk, rows(0, 25)), http.StatusOK, &operator.ImportResult{})
	s.into(s.importCSV(other, rows(0x100, 0x105)), http.StatusOK, &operator.ImportResult{})
	s.post("/api/v1/devices/"+id(3)+"/suspend", "")

	var seen []string
	q := operator.DeviceQuery{Product: pk, Limit: 10}
	for {
		page, err := s.client().Devices(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Devices {
			seen = append(seen, d.ID2)
		}
		if q.After = page.Next; page.Next == "" {
			break
		}
	}
	slices.Sort(seen)
	var want []string
	for n := range 25 {
		want = append(want, id(n))
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	for query, n := range map[string]int{
		"": 30, "?state=suspended": 1, "?state=unactivated": 29, "?state=active": 0, "?state=expired": 0, "?state=discarded": 0,
		"?product=" + other: 5, "?prefix=" + id(0x100)[:31]: 5, "?prefix=" + url.QueryEscape("%"): 0,
	} {
		var list operator.DeviceList
		s.into(s.get("/api/v1/devices"+query), http.StatusOK, &list)
		if len(list.Devices) != n || list.Next != "" {
			t.Errorf("%q: %d devices, next %q; want %d", query, len(list.Devices), list.Next, n)
		}
	}
}

func TestClientsOfEachDoor(t *testing.T) {
	s := newServer(t)
	var id2Client, enos, ciss operator.CreatedClient
	s.into(s.post("/api/v1/clients", `{"door":"id2","name":"back end","scopes":["Verify"],"networks":["10.1.2.3/8"]}`), http.StatusCreated, &id2Client)
	s.into(s.post("/api/v1/clients", `{"door":"enos"}`), http.StatusCreated, &enos)
	s.into(s.post("/api/v1/clients", `{"door":"ciss"}`), http.StatusCreated, &ciss)
	if id2Client.AccessKeyID == "" || id2Client.AccessKeySecret == "" || id2Client.AppKey+id2Client.AppID != "" || id2Client.OrgID == "" {
		t.Errorf("id2: %+v", id2Client)
	}
	if len(enos.AppKey) != 36 || len(enos.AppSecret) != 36 || enos.AccessKeyID != "" {
		t.Errorf("enos: %+v", enos)
	}
	if ciss.AppID == "" || len(ciss.AppSM4Key) != 32 {
		t.Errorf("ciss: %+v", ciss)
	}
	if diff := cmp.Diff([]string{"10.0.0.0/8"}, id2Client.Networks); diff != "" {
		t.Error(diff)
	}

	var standing operator.ClientStanding
	s.into(s.post("/api/v1/clients/"+id2Client.ClientID+"/disable", ""), http.StatusOK, &standing)
	var list operator.ClientList
	s.into(s.get("/api/v1/clients"), http.StatusOK, &list)
	want := id2Client.APIClient
	want.Disabled = true
	if len(list.Clients) != 3 || !slices.ContainsFunc(list.Clients, func(c operator.APIClient) bool { return cmp.Equal(c, want) }) {
		t.Errorf("clients %+v", list)
	}
	s.into(s.post("/api/v1/clients/"+id2Client.ClientID+"/enable", ""), http.StatusOK, &standing)
	if standing.Disabled {
		t.Error("still disabled")
	}
	var gone operator.DeletedClient
	s.into(s.send("DELETE", "/api/v1/clients/"+id2Client.ClientID, "", ""), http.StatusOK, &gone)
	s.refused(s.post("/api/v1/clients/"+id2Client.ClientID+"/enable", ""), http.StatusNotFound, "not_found", id2Client.ClientID)
}

// The state shown follows from the licence and the time, and filters agree.
func TestDeviceStateFollowsTheClock(t *testing.T) {
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	s.into(s.importCSV(pk, rows(1, 2)), http.StatusOK, &operator.ImportResult{})
	s.activate(pk, 1, s.registry.Now()+registry.Instant(24*time.Hour/time.Millisecond))
	for _, step := range []struct {
		forward time.Duration
		state   string
	}{{0, "active"}, {25 * time.Hour, "expired"}, {15 * 24 * time.Hour, "unactivated"}} {
		s.clock.ahead.Add(int64(step.forward))
		var d operator.Device
		var list operator.DeviceList
		s.into(s.get("/api/v1/devices/"+id(1)), http.StatusOK, &d)
		s.into(s.get("/api/v1/devices?state="+step.state), http.StatusOK, &list)
		if d.State != step.state || len(list.Devices) != 1 || list.Devices[0] != d {
			t.Errorf("%s later: %s, listed as %s: %+v", step.forward, d.State, step.state, list.Devices)
		}
		if a := s.get("/api/v1/devices:export?state=" + step.state); !strings.Contains(string(a.body), ","+step.state+",") {
			t.Errorf("export: %s", a.body)
		}
	}
}

// activate takes a licence for the n-th device, as its first success would, and
// returns its asset id.
func (s *server) activate(pk string, n int, until registry.Instant) string {
	s.t.Helper()
	ctx := context.Background()
	org, err := s.registry.Org(ctx, "")
	if err != nil {
		s.t.Fatal(err)
	}
	d, err := s.registry.Device(ctx, org.ID, id(n))
	if err != nil {
		s.t.Fatal(err)
	}
	err = s.registry.Activate(ctx, registry.Activation{Org: org.ID, Asset: d.Asset, ID2: d.ID2, Version: d.Version, Product: pk,
		Reason: registry.ReasonActivate, At: s.registry.Now(), Until: until}, actor)
	if err != nil {
		s.t.Fatal(err)
	}
	return d.Asset.String()
}

func TestLicences(t *testing.T) {
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	s.into(s.importCSV(pk, rows(1, 3)), http.StatusOK, &operator.ImportResult{})
	assets := []string{s.activate(pk, 1, 1_800_000_000_000), s.activate(pk, 2, registry.Forever)}
	s.into(s.send("DELETE", "/api/v1/devices/"+id(1), "", ""), http.StatusOK, &operator.DeletedDevice{})
	for query, want := range map[string][]string{
		"": {assets[1], assets[0]}, "?product=" + pk: {assets[1], assets[0]}, "?device=" + id(2): {assets[1]},
		"?device=" + assets[0]: {assets[0]}, "?ends_before=2030-01-01T00:00:00Z": {assets[0]}, "?ends_before=2020-01-01T00:00:00Z": nil,
	} {
		var list operator.LicenceList
		s.into(s.get("/api/v1/licences"+query), http.StatusOK, &list)
		var got []string
		for _, l := range list.Licences {
			got = append(got, l.AssetID)
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", query, diff)
		}
	}
	var use operator.LicenceSummary
	s.into(s.get("/api/v1/licences/summary"), http.StatusOK, &use)
	if use.Products[0].Used != 2 {
		t.Errorf("used %d, want 2: a deleted device's licence stays used", use.Products[0].Used)
	}
}
