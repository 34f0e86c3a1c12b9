package httpd

import (
	"context"
	"crypto"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// applyBody is the body of an apply.
func applyBody(t testing.TB, key crypto.Signer, cn, more string) string {
	t.Helper()
	text, err := json.Marshal(csr(t, key, cn))
	if err != nil {
		t.Fatal(err)
	}
	return `{"csr":` + string(text) + more + `}`
}

// wantError holds an answer against a code and a beginning of its message.
func wantError(t *testing.T, what string, got reply, code int, msg string) {
	t.Helper()
	if got.Code != code || !strings.HasPrefix(got.Msg, msg) || string(got.Data) != "null" {
		t.Errorf("%s: %d %q, data %s; want %d %q", what, got.Code, got.Msg, got.Data, code, msg)
	}
}

// Every error of the documents' table that a caller brings about (enos §1.5).
func TestErrorTable(t *testing.T) {
	f := newEnOSFixture(t, nil)
	other, foreign := f.newDevice(f.product, "other"), f.newOrg("elsewhere")
	oneWay := f.newDevice(f.newProduct(f.org, false), "one-way")
	ec, ec2 := newECKey(t), newECKey(t)
	live := f.apply(f.device, ec, "gw-1")
	theirs := f.apply(other, ec2, "gw-2")
	gone := f.apply(f.newDevice(f.product, "gone"), newECKey(t), "gw-3")
	must := deviceQuery(f.device)
	goneQuery := enos.Query{{Name: "productKey", Value: f.product.Key}, {Name: "deviceKey", Value: "gone"}}
	if out := f.call(certificates, "revoke", goneQuery, `{"certSn":`+gone.SN+`}`); out.Code != 0 {
		t.Fatalf("%+v", out)
	}
	suspended := f.newDevice(f.product, "suspended")
	if _, err := f.reg.Suspend(t.Context(), f.org, suspended.Asset.String(), operatorActor); err != nil {
		t.Fatal(err)
	}
	q := func(pairs ...string) (q enos.Query) {
		for i := 0; i < len(pairs); i += 2 {
			q = q.With(pairs[i], pairs[i+1])
		}
		return q
	}
	const (
		device  = "invalid argument: The device identifier is invalid"
		request = "Invalid cert request!message: "
		params  = "When calling Certificate Services, the call parameters are invalid.message: "
		query   = "Query cert is failed!message: "
	)
	ecc := `,"issueAuthority":"ECC"`
	for _, tt := range []struct {
		what, action string
		q            enos.Query
		body         string
		code         int
		msg          string
	}{
		{"no device", "list", nil, "", 99400, device},
		{"product key alone", "list", q("productKey", f.product.Key), "", 99400, device},
		{"device key alone", "apply", q("deviceKey", "x"), "{}", 99400, device},
		{"asset and half a pair", "revoke", q("assetId", f.device.Asset.String(), "deviceKey", "x"), "{}", 99400, device},
		{"identifiers that disagree", "renew", q("assetId", other.Asset.String(), "productKey", f.product.Key, "deviceKey", f.device.DeviceKey), "{}", 99400, device},
		{"unknown device key", "list", q("productKey", f.product.Key, "deviceKey", "nobody"), "", 11404, "Device cannot be found"},
		{"unknown product", "list", q("productKey", "nobody00", "deviceKey", "x"), "", 11404, "Device cannot be found"},
		{"unknown asset", "apply", q("assetId", "0000000000001"), "{}", 11404, "Device cannot be found"},
		{"odd asset", "renew", q("assetId", "Uvmm5AXU"), "{}", 11404, "Device cannot be found"},
		{"csr missing", "apply", must, "{}", 99400, "Invalid Argument csr:csr is missing"},
		{"csr empty", "apply", must, `{"csr":""}`, 99400, "Invalid Argument csr:csr is missing"},
		{"body missing", "apply", must, "", 99400, "Invalid Argument body:"},
		{"csr no PEM", "apply", must, `{"csr":"hello"}`, 99400, request},
		{"csr not signed by its key", "apply", must, strings.Replace(applyBody(t, ec, "gw-1", ecc), "MII", "MIJ", 1), 99400, request},
		{"weak key", "apply", must, applyBody(t, shortRSA(), "gw-1", ""), 99400, request + "the key is refused"},
		{"key of the other kind", "apply", must, applyBody(t, ec, "gw-1", ""), 99400, request + "the key does not go"},
		{"subject too long", "apply", must, applyBody(t, ec, strings.Repeat("x", 65), ecc), 99400, request + "the subject is refused"},
		{"name of another device", "apply", must, applyBody(t, ec, "gw-2", ecc), 99400, "Duplicate subject by certificate request!message: "},
		{"key of another device", "apply", must, applyBody(t, ec2, "gw-1", ecc), 11833, "Certificate is already bound to another device."},
		{"authority unknown", "apply", must, applyBody(t, ec, "gw-1", `,"issueAuthority":"SM2"`), 99400, "Invalid Argument issueAuthority:"},
		{"days over the maximum", "apply", must, applyBody(t, ec, "gw-1", ecc+`,"validDay":1096`), 99400, params + "validDay"},
		{"no days", "apply", must, applyBody(t, ec, "gw-1", ecc+`,"validDay":0`), 99400, params + "validDay"},
		{"days no number", "apply", must, applyBody(t, ec, "gw-1", ecc+`,"validDay":1.5`), 99400, "Invalid Argument body:"},
		{"one-way product", "apply", deviceQuery(oneWay), applyBody(t, ec, "gw-1", ecc), 99400, "Invalid Argument productKey:the product is not one of two-way"},
		{"one-way product", "renew", deviceQuery(oneWay), `{"certSn":` + live.SN + `}`, 99400, "Invalid Argument productKey:the product is not one of two-way"},
		{"suspended", "apply", deviceQuery(suspended), applyBody(t, newECKey(t), "gw-9", ecc), 99400, request + "the device is suspended"},
		{"serial missing", "renew", must, "{}", 99400, "Invalid Argument certSn:certSn is missing"},
		{"serial missing", "revoke", must, "", 99400, "Invalid Argument certSn:certSn is missing"},
		{"serial below 0", "renew", must, `{"certSn":-1}`, 99400, params + "certSn"},
		{"serial below 0", "revoke", must, `{"certSn":-1}`, 99400, params + "certSn"},
		{"serial of nobody", "renew", must, `{"certSn":1}`, 99400, query + "there is no such"},
		{"serial of nobody", "revoke", must, `{"certSn":1}`, 99400, query + "there is no such"},
		{"serial of another device", "renew", must, `{"certSn":` + theirs.SN + `}`, 99400, query + "the certificate is not bound"},
		{"serial of another device", "revoke", must, `{"certSn":` + theirs.SN + `}`, 99400, query + "the certificate is not bound"},
		{"revoked already", "renew", goneQuery, `{"certSn":` + gone.SN + `}`, 99400, "Renew cert is failed!message: the certificate is already revoked"},
		{"revoked already", "revoke", goneQuery, `{"certSn":` + gone.SN + `,"reason":1}`, 99400, "Revoke cert is failed!message: the certificate is already revoked"},
		{"reason 2", "revoke", must, `{"certSn":` + live.SN + `,"reason":2}`, 99400, params + "the reason"},
		{"reason 256", "revoke", must, `{"certSn":` + live.SN + `,"reason":256}`, 99400, params + "the reason"},
		{"reason in the query no number", "revoke", append(q("reason", "x"), must...), `{"certSn":` + live.SN + `}`, 99400, "Invalid Argument reason:"},
		{"action unknown", "issue", must, "{}", 99400, "Invalid Argument action:"},
		{"action empty", "", must, "{}", 99400, "Invalid Argument action:action is missing"},
	} {
		wantError(t, tt.action+": "+tt.what, f.call(certificates, tt.action, tt.q, tt.body), tt.code, tt.msg)
	}
	wantError(t, "method", f.answer(f.signed(f.cred, raw{method: "GET", path: "/connect-service/v2.0/certificates", query: append(q("action", "apply", "orgId", f.org.String()), must...)})), 99400, "Invalid Argument action:apply needs POST")
	wantError(t, "method", f.answer(f.signed(f.cred, raw{path: "/connect-service/v2.0/certificates", query: append(q("action", "list", "orgId", f.org.String()), must...)})), 99400, "Invalid Argument action:list needs GET")
	for org, want := range map[string]reply{"": {Code: 99400, Msg: "Invalid Argument orgId:orgId is missing"}, "o15427722038191": {Code: 99400, Msg: "Invalid Argument orgId:  orgId does not exist"},
		foreign.String(): {Code: 99403, Msg: "Denied resource:  orgId " + foreign.String()}} {
		wantError(t, "orgId "+org, f.answer(f.signed(f.cred, raw{method: "GET", path: "/connect-service/v2.0/certificates",
			query: append(q("action", "list", "orgId", org), must...)})), want.Code, want.Msg)
	}
	// None of this has changed what is valid.
	f.wantListed(sn(t, live), enos.Valid, "")
}

func TestExpiredIsNotRenewed(t *testing.T) {
	f := newEnOSFixture(t, nil)
	cert := f.apply(f.device, newECKey(t), "gw-1")
	f.clock.Advance(731 * 24 * 60 * 60 * 1e9)
	wantError(t, "renew", f.call(certificates, "renew", deviceQuery(f.device), `{"certSn":`+cert.SN+`}`), 99400, "Renew cert is failed!message: the certificate has expired")
}

// Without an authority of the kind the certificate service itself says no.
func TestNoAuthority(t *testing.T) {
	f := newEnOSFixture(t, nil)
	a, err := f.pki.ActiveAuthority(t.Context(), pki.ECC)
	f.must(err)
	_, err = f.pki.Retire(t.Context(), a.ID, audit.Actor{Name: "operator"})
	f.must(err)
	wantError(t, "apply", f.call(certificates, "apply", deviceQuery(f.device), applyBody(t, newECKey(t), "gw-1", `,"issueAuthority":"ECC"`)),
		99400, "Call ca error!: Certificate service err info:, code: 99400, message: ")
}

// A store that fails shows as an internal error of the part that needed it.
func TestInternalErrors(t *testing.T) {
	for table, want := range map[string]*enos.Error{"certificates": enos.ErrCertificateService, "products": enos.ErrProductService, "devices": enos.ErrHubService} {
		f := newEnOSFixture(t, nil)
		db, err := sql.Open("sqlite", "file:"+f.database())
		f.must(err)
		_, err = db.Exec("ALTER TABLE " + table + " RENAME TO broken")
		f.must(err)
		f.must(db.Close())
		f.reg.ApplyAll() // nothing remembered
		resource, action, body := certificates, "list", ""
		if table == "products" {
			action, body = "apply", applyBody(t, newECKey(t), "gw-1", `,"issueAuthority":"ECC"`)
		}
		wantError(t, table, f.call(resource, action, deviceQuery(f.device), body), want.Code, want.Msg)
		if table == "certificates" {
			wantError(t, table, f.call(resource, "apply", deviceQuery(f.device), applyBody(t, newECKey(t), "gw-1", `,"issueAuthority":"ECC"`)), want.Code, want.Msg)
		}
		if !strings.Contains(f.log.String(), "broken") && !strings.Contains(f.log.String(), "no such table") {
			t.Errorf("%s: nothing in the log", table)
		}
	}
}

// One organisation sees nothing of another's.
func TestEnOSOrganisationsAreApart(t *testing.T) {
	f := newEnOSFixture(t, nil)
	cert := f.apply(f.device, newECKey(t), "gw-1")
	org := f.newOrg("neighbour")
	_, cred := f.newApp(org)
	api, legacy := f.clients(cred, org)
	product := f.newProduct(org, true)
	device := f.newDevice(product, f.device.DeviceKey)
	ctx := context.Background()
	for what, err := range map[string]error{
		"list by keys":  func() error { _, err := api.List(ctx, named(f.device)); return err }(),
		"list by asset": func() error { _, err := api.List(ctx, byAssetID(f.device)); return err }(),
		"older list":    func() error { _, err := legacy.List(ctx, byAssetID(f.device)); return err }(),
		"revoke":        api.Revoke(ctx, named(device), sn(t, cert), enos.Unspecified),
		"older revoke":  legacy.Revoke(ctx, byAssetID(device), sn(t, cert)),
		"renew": func() error {
			_, err := api.Renew(ctx, named(device), enos.RenewRequest{SN: enos.NewInt(sn(t, cert))})
			return err
		}(),
		"get product":  api.Call(ctx, "/connect-service/v2.1/products", "get", enos.Query{{Name: "productKey", Value: f.product.Key}}, nil, nil),
		"use product":  api.Call(ctx, "/connect-service/v2.1/devices", "create", nil, map[string]any{"productKey": f.product.Key, "timezone": "+08:00", "deviceName": enos.Text{Default: "x"}}, nil),
		"drop product": api.Call(ctx, "/connect-service/v2.1/products", "delete", nil, map[string]any{"productKey": f.product.Key}, nil),
		"drop device":  api.Call(ctx, "/connect-service/v2.1/devices", "delete", byAssetQuery(f.device), map[string]any{}, nil),
	} {
		if err == nil {
			t.Errorf("%s is allowed", what)
		}
	}
	f.wantListed(sn(t, cert), enos.Valid, "")
	// The name and the key of a certificate belong to one device in all of them.
	_, err := api.Apply(ctx, named(device), enos.ApplyRequest{CSR: csr(t, newECKey(t), "gw-1"), Authority: enos.ECC})
	if err == nil || !strings.Contains(err.Error(), "Duplicate subject") {
		t.Error(err)
	}
}

func byAssetQuery(d registry.ManagedDevice) enos.Query {
	return enos.Query{{Name: "assetId", Value: d.Asset.String()}}
}

// Scopes name what a client may do; all others are denied with 99403.
func TestEnOSScopes(t *testing.T) {
	f := newEnOSFixture(t, nil)
	cert := f.apply(f.device, newECKey(t), "gw-1")
	calls := map[string]func(*enos.Client) error{
		"Apply": func(c *enos.Client) error {
			_, err := c.Apply(t.Context(), named(f.device), enos.ApplyRequest{CSR: "x"})
			return err
		},
		"Renew": func(c *enos.Client) error {
			_, err := c.Renew(t.Context(), named(f.device), enos.RenewRequest{SN: enos.NewInt(1)})
			return err
		},
		"Revoke": func(c *enos.Client) error { return c.Revoke(t.Context(), named(f.device), 1, 0) },
		"Read":   func(c *enos.Client) error { _, err := c.List(t.Context(), named(f.device)); return err },
		"Manage": func(c *enos.Client) error {
			return c.Call(t.Context(), "/connect-service/v2.1/devices", "update", deviceQuery(f.device), enos.DeviceSpec{}, nil)
		},
	}
	for scope := range calls {
		_, cred := f.newApp(f.org, scope)
		api, legacy := f.clients(cred, f.org)
		for asked, call := range calls {
			err := call(api)
			denied := err != nil && strings.Contains(err.Error(), strconv.Itoa(enos.CodeDenied))
			if denied == (asked == scope) {
				t.Errorf("scope %s, call %s: %v", scope, asked, err)
			}
		}
		err := legacy.Revoke(t.Context(), named(f.device), sn(t, cert)+1)
		if denied := strings.Contains(fmt.Sprint(err), strconv.Itoa(enos.LegacyPermission)); denied == (scope == "Revoke") {
			t.Errorf("scope %s, older revoke: %v", scope, err)
		}
		var device enos.DeviceDetail
		if err := api.Call(t.Context(), "/connect-service/v2.1/devices", "get", deviceQuery(f.device), nil, &device); scope == "Read" && (err != nil || device.Secret != "") {
			t.Errorf("who may read sees the device secret: %+v %v", device, err)
		}
	}
}
