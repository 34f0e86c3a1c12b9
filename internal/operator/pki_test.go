package operator_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// csrOf makes a request in PEM for a device.
func csrOf(t *testing.T, cn string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name := pkix.Name{Country: []string{"CN"}, Province: []string{"Shanghai"}, Locality: []string{"Pudong"}, Organization: []string{"Hallmark"},
		OrganizationalUnit: []string{"Lamps"}, CommonName: cn}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: name}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func body(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// certify issues a certificate for the n-th device, which it imports.
func (s *server) certify(product string, n int) operator.CertificatePEM {
	s.t.Helper()
	s.into(s.importCSV(product, rows(n, n+1)), http.StatusOK, &operator.ImportResult{})
	var c operator.CertificatePEM
	s.into(s.post("/api/v1/certificates", body(s.t, operator.CertificateSpec{Device: id(n), CSRPEM: csrOf(s.t, id(n)), Kind: "ECC", Days: 30})), http.StatusCreated, &c)
	return c
}

// pkiOperations are one good request for every route of authorities and certificates.
func (s *server) pkiOperations(product string) []operation {
	const json = "application/json"
	first, second := s.certify(product, 51), s.certify(product, 52)
	var waiting operator.Authority
	s.into(s.post("/api/v1/authorities", `{"kind":"ECC","request":true}`), http.StatusCreated, &waiting)
	key, chain := ownAuthority(s.t)
	imported := body(s.t, operator.AuthorityImport{KeyPEM: key, ChainPEM: chain})
	return []operation{
		{"GET", "/certificates", "", ""},
		{"POST", "/certificates", json, body(s.t, operator.CertificateSpec{Device: id(51), CSRPEM: csrOf(s.t, "anew"), Kind: "ECC"})},
		{"GET", "/certificates/" + second.Serial, "", ""},
		{"POST", "/certificates/" + second.Serial + "/hold", "", ""},
		{"POST", "/certificates/" + second.Serial + "/unhold", "", ""},
		{"POST", "/certificates/" + second.Serial + "/renew", json, `{"days":5}`},
		{"POST", "/certificates:revoke", json, `{"serials":["` + first.Serial + `","` + second.Serial + `","77"]}`},
		{"GET", "/authorities", "", ""},
		{"GET", "/authorities/RSA", "", ""},
		{"GET", "/authorities/" + waiting.AuthorityID, "", ""},
		{"GET", "/authorities/ECC/crl", "", ""},
		{"POST", "/authorities", json, `{"kind":"ECC","curve":"P-384","subject":"CN=other","years":3}`},
		{"POST", "/authorities:import", json, imported},
		{"POST", "/authorities/ECC/retire", "", ""},
	}
}

func rootTemplate() *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(5, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
}

// ownAuthority is a root with its key.
func ownAuthority(t *testing.T) (key, chain string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := rootTemplate()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// The life of an authority that is certified elsewhere, over the API.
func TestAuthorityLife(t *testing.T) {
	s := newServer(t)
	var a, again operator.Authority
	s.into(s.post("/api/v1/authorities", `{"kind":"ECC","request":true,"subject":"CN=Issuing"}`), http.StatusCreated, &a)
	block, _ := pem.Decode([]byte(a.CSRPEM))
	if block == nil || a.State != "pending" || a.CRLURL != "" {
		t.Fatalf("%+v", a)
	}
	req, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := rootTemplate()
	issuing := rootTemplate()
	issuing.RawSubject, issuing.SubjectKeyId = req.RawSubject, []byte("issuing")
	der, err := x509.CreateCertificate(rand.Reader, issuing, root, req.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	chain := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	path := "/api/v1/authorities/" + a.AuthorityID
	s.refused(s.post(path+"/install", body(t, operator.AuthorityChain{ChainPEM: chain})), http.StatusBadRequest, "invalid_input", "self-signed")
	chain += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}))
	s.into(s.post(path+"/install", body(t, operator.AuthorityChain{ChainPEM: chain})), http.StatusOK, &a)
	if a.State != "active" || a.ChainPEM != chain || a.CSRPEM != "" || !strings.HasSuffix(a.CRLURL, "/pki/"+a.AuthorityID+".crl") {
		t.Errorf("%+v", a)
	}
	s.refused(s.post(path+"/install", body(t, operator.AuthorityChain{ChainPEM: chain})), http.StatusConflict, "wrong_state", "active")
	s.refused(s.post(path+"/activate", ""), http.StatusConflict, "wrong_state", "not retired")
	s.into(s.send("POST", path+"/retire", "", ""), http.StatusOK, &a)
	s.refused(s.get("/api/v1/authorities/ECC"), http.StatusConflict, "wrong_state", "ECC")
	s.into(s.send("POST", path+"/activate", "", ""), http.StatusOK, &again)
	if a.State != "retired" || again.State != "active" {
		t.Errorf("%s, %s", a.State, again.State)
	}
	for _, path := range []string{"/api/v1/authorities/nobody", "/api/v1/authorities/0000000000000", "/api/v1/authorities/x/crl"} {
		s.refused(s.get(path), http.StatusNotFound, "not_found", "not found")
	}
	for _, c := range []struct{ body, part string }{
		{`{}`, "RSA, ECC or SM2"}, {`{"kind":"DSA"}`, "RSA, ECC or SM2"}, {`{"kind":"RSA","curve":"P-256"}`, "curve"}, {`{"kind":"ECC","curve":"P-521"}`, "curve"},
		{`{"kind":"ECC","years":31}`, "years"}, {`{"kind":"ECC","years":-1}`, "years"}, {`{"kind":"ECC","subject":"C=CHN"}`, "two letters"}, {`{"kind":"ECC","subject":"X"}`, "none of"},
	} {
		s.refused(s.post("/api/v1/authorities", c.body), http.StatusBadRequest, "invalid_input", c.part)
	}
}

// What is refused of certificates, and under which code.
func TestCertificateRefusals(t *testing.T) {
	s := newServer(t)
	product := s.product("lamp", "aes128")
	c := s.certify(product, 1)
	s.into(s.importCSV(product, rows(2, 3)), http.StatusOK, &operator.ImportResult{})
	issue := func(spec operator.CertificateSpec) answer { return s.post("/api/v1/certificates", body(t, spec)) }
	path := "/api/v1/certificates/" + c.Serial
	csr := csrOf(t, "x")
	for _, k := range []struct {
		a          answer
		status     int
		code, part string
	}{
		{issue(operator.CertificateSpec{Device: id(2), CSRPEM: "x", Kind: "ECC"}), 400, "invalid_csr", "neither PEM"},
		{issue(operator.CertificateSpec{Device: id(2), CSRPEM: csr}), 400, "invalid_csr", "the authority RSA"},
		{issue(operator.CertificateSpec{Device: id(2), CSRPEM: csr, Kind: "SM2"}), 409, "wrong_state", "SM2"},
		{issue(operator.CertificateSpec{Device: id(2), CSRPEM: csr, Kind: "X"}), 400, "invalid_input", "RSA, ECC"},
		{issue(operator.CertificateSpec{Device: id(2), CSRPEM: csr, Kind: "ECC", Days: 9999}), 400, "invalid_input", "1095"},
		{issue(operator.CertificateSpec{Device: id(2), CSRPEM: csrOf(t, id(1)), Kind: "ECC"}), 409, "already_exists", "another device"},
		{issue(operator.CertificateSpec{Device: id(9), CSRPEM: csr, Kind: "ECC"}), 404, "not_found", id(9)},
		{s.get("/api/v1/certificates/5"), 404, "not_found", "5"},
		{s.get("/api/v1/certificates/-5"), 404, "not_found", "not found"},
		{s.send("POST", path+"/unhold", "", ""), 409, "wrong_state", "not on hold"},
		{s.post(path+"/revoke", `{"reason":"BORED"}`), 400, "invalid_input", "unknown"},
		{s.post("/api/v1/certificates:revoke", `{"serials":["1"],"reason":"BORED"}`), 400, "invalid_input", "unknown"},
		{s.post("/api/v1/certificates:revoke", `{"serials":["1"`+strings.Repeat(`,"1"`, 1000)+`]}`), 400, "invalid_input", "1000"},
		{s.get("/api/v1/certificates?status=gone"), 400, "invalid_input", "valid, revoked"},
		{s.get("/api/v1/certificates?kind=DSA"), 400, "invalid_input", "RSA, ECC"},
		{s.get("/api/v1/certificates?after=x"), 400, "invalid_input", "after"},
		{s.get("/api/v1/certificates?after=5-x"), 400, "invalid_input", "after"},
		{s.get("/api/v1/certificates?limit=0"), 400, "invalid_input", "limit"},
		{s.get("/api/v1/certificates?expires_before=soon"), 400, "invalid_input", "expires_before"},
		{s.get("/api/v1/certificates?device=" + id(9)), 404, "not_found", id(9)},
	} {
		s.refused(k.a, k.status, k.code, k.part)
	}
	var got operator.CertificatePEM
	s.into(s.post(path+"/revoke", `{"reason":"KEY_COMPROMISE"}`), http.StatusOK, &got)
	if got.Status != "revoked" || got.Reason != "KEY_COMPROMISE" || got.Revoker != "operator" || got.PEM != c.PEM {
		t.Errorf("%+v", got)
	}
	s.refused(s.post(path+"/revoke", `{}`), http.StatusConflict, "wrong_state", "already revoked")
	s.refused(s.post(path+"/renew", `{}`), http.StatusConflict, "wrong_state", "already revoked")
}

func TestCertificatePages(t *testing.T) {
	s := newServer(t)
	product := s.product("lamp", "aes128")
	for n := 1; n <= 7; n++ {
		s.certify(product, n)
	}
	seen := map[string]bool{}
	q := operator.CertificateQuery{Limit: 3, Status: "valid", Kind: "ECC", CN: "0000", Subject: "ou=lamps"}
	for pages := 1; ; pages++ {
		page, err := s.client().Certificates(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Certificates {
			seen[c.Serial] = true
		}
		if q.After = page.Next; q.After == "" {
			if len(seen) != 7 || pages != 3 {
				t.Errorf("%d certificates on %d pages", len(seen), pages)
			}
			return
		}
	}
}
