package operator_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/operator"
)

// sm2Authority is an authority made for a test.
type sm2Authority struct {
	cert *smx509.Certificate
	key  *sm2.PrivateKey
}

func newSM2Authority(t *testing.T, isCA bool) sm2Authority {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &smx509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root", Organization: []string{"运营商"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), IsCA: isCA, BasicConstraintsValid: true,
		KeyUsage: smx509.KeyUsageCertSign | smx509.KeyUsageCRLSign}
	der, err := smx509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return sm2Authority{cert, key}
}

func (a sm2Authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

func (a sm2Authority) crl(t *testing.T, at time.Time, entries int64) []byte {
	t.Helper()
	template := &smx509.RevocationList{Number: big.NewInt(at.Unix()), ThisUpdate: at, NextUpdate: at.AddDate(0, 1, 0)}
	for i := range entries {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, smx509.RevocationListEntry{SerialNumber: big.NewInt(i + 1), RevocationTime: at})
	}
	der, err := smx509.CreateRevocationList(rand.Reader, template, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func certificateBody(t *testing.T, pemText string, intermediate bool) string {
	t.Helper()
	text, err := json.Marshal(operator.RootSpec{Certificate: pemText, Intermediate: intermediate})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAuthorities(t *testing.T) {
	s := newServer(t)
	s.into(s.post("/api/v1/orgs", `{"name":"other"}`), http.StatusCreated, &operator.Org{})
	a := newSM2Authority(t, true)
	var made operator.Root
	s.into(s.post("/api/v1/ciss/roots", certificateBody(t, a.pem(), false)), http.StatusCreated, &made)
	if made.Fingerprint != ciss.Fingerprint(a.cert) || !made.CA || made.Intermediate || made.CRL != nil || !strings.Contains(made.Subject, "运营商") {
		t.Errorf("%+v", made)
	}
	s.refused(s.post("/api/v1/ciss/roots", certificateBody(t, a.pem(), true)), http.StatusConflict, "already_exists", made.Fingerprint)

	crl := func(body []byte) answer {
		return s.send("POST", operator.Prefix+"/ciss/crls", "application/pkix-crl", string(body))
	}
	now := time.Now().Truncate(time.Second)
	var listed operator.Root
	s.into(crl(a.crl(t, now, 2)), http.StatusOK, &listed)
	if listed.CRL == nil || listed.CRL.Entries != 2 {
		t.Errorf("%+v", listed)
	}
	armoured := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: a.crl(t, now.Add(time.Second), 3)})
	s.into(crl(armoured), http.StatusOK, &listed)
	s.refused(crl(a.crl(t, now, 0)), http.StatusBadRequest, "invalid_input", "older")
	s.refused(crl(newSM2Authority(t, true).crl(t, now, 0)), http.StatusBadRequest, "invalid_input", "not signed by")
	s.refused(crl([]byte("list")), http.StatusBadRequest, "invalid_input", "neither PEM nor DER")
	s.refused(crl(bytes.Repeat([]byte{'x'}, 4<<20+1)), http.StatusBadRequest, "invalid_input", "at most 4194304 bytes")
	s.refused(s.send("POST", operator.Prefix+"/ciss/crls?org=other", "application/pkix-crl", string(a.crl(t, now.Add(time.Hour), 0))), http.StatusBadRequest, "invalid_input", "not signed by")
	s.refused(s.send("POST", operator.Prefix+"/ciss/crls", "text/plain", "x"), http.StatusUnsupportedMediaType, "unsupported_media_type", "content type")

	var list operator.RootList
	s.into(s.get("/api/v1/ciss/roots"), http.StatusOK, &list)
	if diff := cmp.Diff([]operator.Root{listed}, list.Roots); diff != "" || listed.CRL.Entries != 3 {
		t.Error(diff)
	}
	s.into(s.get("/api/v1/ciss/roots?org=other"), http.StatusOK, &list)
	if len(list.Roots) != 0 {
		t.Errorf("another organisation sees %+v", list)
	}
	remove := "/api/v1/ciss/roots/" + made.Fingerprint
	s.refused(s.send("DELETE", remove+"?org=other", "", ""), http.StatusNotFound, "not_found", made.Fingerprint)
	var gone operator.RemovedRoot
	s.into(s.send("DELETE", remove, "", ""), http.StatusOK, &gone)
	s.refused(s.send("DELETE", remove, "", ""), http.StatusNotFound, "not_found", made.Fingerprint)

	user := newSM2Authority(t, false)
	s.refused(s.post("/api/v1/ciss/roots", certificateBody(t, user.pem(), true)), http.StatusBadRequest, "invalid_input", "no chain")
	s.refused(s.post("/api/v1/ciss/roots", certificateBody(t, "x", false)), http.StatusBadRequest, "invalid_input", "neither PEM nor DER")
	s.into(s.post("/api/v1/ciss/roots", certificateBody(t, user.pem(), false)), http.StatusCreated, &made)
	if made.CA {
		t.Errorf("%+v", made)
	}
}

func TestAppSettings(t *testing.T) {
	s := newServer(t)
	s.into(s.post("/api/v1/orgs", `{"name":"other"}`), http.StatusCreated, &operator.Org{})
	var app, other operator.CreatedClient
	s.into(s.post("/api/v1/clients", `{"door":"ciss","app_id":"1010000000000099","app_sm4_key":"0123456789abcdeffedcba9876543210"}`), http.StatusCreated, &app)
	s.into(s.post("/api/v1/clients", `{"door":"id2"}`), http.StatusCreated, &other)
	if app.AppID != "1010000000000099" || app.AppSM4Key != "0123456789abcdeffedcba9876543210" {
		t.Errorf("%+v", app)
	}
	path := "/api/v1/clients/" + app.AppID + "/settings"
	var got operator.AppSettings
	s.into(s.get(path), http.StatusOK, &got)
	if diff := cmp.Diff(operator.AppSettings{ClientID: app.AppID, Settings: ciss.DefaultSettings()}, got); diff != "" {
		t.Error(diff)
	}
	patch := func(body string) answer { return s.send("PATCH", path, "application/json", body) }
	s.into(patch(`{"iv":"prefix","status":{"message":400}}`), http.StatusOK, &got)
	s.into(patch(`{"signature":"hmac-sm3"}`), http.StatusOK, &got)
	want := ciss.DefaultSettings()
	want.IV, want.Signature, want.Status.Message = ciss.IVPrefix, ciss.HMACSM3, 400
	if diff := cmp.Diff(want, got.Settings); diff != "" {
		t.Error(diff)
	}
	s.refused(patch(`{"iv":"none"}`), http.StatusBadRequest, "invalid_input", "iv must be")
	s.refused(patch(`{"nonsense":1}`), http.StatusBadRequest, "invalid_input", `"nonsense"`)
	s.refused(patch(`{"iv":1}`), http.StatusBadRequest, "invalid_input", "iv")
	s.refused(patch(`[]`), http.StatusBadRequest, "invalid_input", "JSON object is needed")
	s.refused(s.send("PATCH", path+"?org=other", "application/json", `{"iv":"key"}`), http.StatusNotFound, "not_found", app.AppID)
	s.refused(s.get("/api/v1/clients/"+other.ClientID+"/settings"), http.StatusNotFound, "not_found", other.ClientID)
	live, err := s.registry.LiveClient(t.Context(), app.AppID)
	if err != nil || live.Channel.Settings().IV != ciss.IVPrefix {
		t.Errorf("%+v, %v", live, err)
	}
	for body, part := range map[string]string{
		`{"door":"ciss","app_id":"1"}`:                                                                "both together",
		`{"door":"ciss","app_sm4_key":"0123456789abcdef"}`:                                            "both together",
		`{"door":"id2","app_id":"1","app_sm4_key":"0123456789abcdef"}`:                                "both together",
		`{"door":"ciss","app_id":"a b","app_sm4_key":"0123456789abcdef"}`:                             "an appId has",
		`{"door":"ciss","app_id":"1","app_sm4_key":"0123456789abcde"}`:                                "32 hexadecimal digits",
		`{"door":"ciss","app_id":"` + strings.Repeat("1", 65) + `","app_sm4_key":"0123456789abcdef"}`: "an appId has",
	} {
		s.refused(s.post("/api/v1/clients", body), http.StatusBadRequest, "invalid_input", part)
	}
	s.refused(s.post("/api/v1/clients", `{"door":"ciss","app_id":"1010000000000099","app_sm4_key":"0123456789abcdef"}`), http.StatusConflict, "already_exists", "")
}
