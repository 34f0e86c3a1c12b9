package enos

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// gateway is the server's half of this package over a certificate list of one.
type gateway struct {
	t       *testing.T
	cred    *Credential
	now     time.Time
	token   string
	asked   int // token requests
	calls   []string
	refusal *Error
	ca, crl []byte
}

func newGateway(t *testing.T) (*gateway, ClientOptions) {
	_, cred := readVectors(t)
	g := &gateway{t: t, cred: cred, now: time.UnixMilli(1700000000123), token: "token-1"}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return g, ClientOptions{BaseURL: server.URL + "/gw/", Credential: cred, OrgID: "o1", Now: func() time.Time { return g.now }}
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		g.t.Error(err)
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/gw")
	if !ok {
		http.NotFound(w, r)
		return
	}
	var reply any
	switch {
	case strings.HasPrefix(path, TokenPath):
		reply = g.serveToken(body)
	case path == "/enos/CA/cacert/ECC":
		w.Write(g.ca)
		return
	case path == "/enos/CA/crl/ECC":
		w.Write(g.crl)
		return
	case strings.HasPrefix(path, LegacyPath):
		reply = g.serveLegacy(r, body)
	default:
		reply = g.serve(r, body)
	}
	out, err := AppendJSON(nil, reply)
	if err != nil {
		g.t.Error(err)
	}
	w.Write(out)
}

func (g *gateway) serveToken(body []byte) TokenReply {
	g.asked++
	var req TokenRequest
	if err := Decode(body, &req); err != nil || !g.cred.CheckEncryption(string(req.Timestamp), req.Encryption) {
		return TokenReply{Status: TokenEncryption, Msg: TokenMessage(TokenEncryption)}
	}
	return TokenReply{Msg: TokenMessage(TokenOK), Business: TokenBusiness, Data: &Token{g.token, 7200}}
}

func (g *gateway) serve(r *http.Request, body []byte) Reply {
	q, err := ParseQuery(r.URL.RawQuery)
	if err != nil {
		g.t.Error(err)
	}
	switch Detect(r.Header, q) {
	case SchemeSigned:
		if r.Header.Get(HeaderToken) != g.token {
			return Reply{Code: CodeToken, Msg: "no such token"}
		}
		if !g.cred.CheckSignature(r.Header.Get(HeaderSignature), g.token, q, body, r.Header.Get(HeaderTimestamp)) {
			return Reply{Code: CodeSignature}
		}
	case SchemeLegacy:
		if sign, _ := q.Get(ParamSign); !g.cred.CheckLegacy(sign, q, body) {
			return Reply{Code: CodeSignature}
		}
	default:
		return Reply{Code: CodeUnauthenticated}
	}
	if g.refusal != nil {
		return Reply{Code: g.refusal.Code, Msg: g.refusal.Msg}
	}
	action, _ := q.Get("action")
	g.calls = append(g.calls, r.Method+" "+action+" "+string(body))
	switch action {
	case "list":
		return Reply{Msg: "OK", Data: []CertificateDetail{{SN: "7", Reason: "SUPERSEDED", Effective: 5}}}
	case "revoke":
		return Reply{Msg: "OK"}
	}
	return Reply{Msg: "OK", Data: Certificate{SN: "7", Authority: ECC}}
}

func (g *gateway) serveLegacy(r *http.Request, body []byte) LegacyReply {
	q, err := ParseQuery(r.URL.RawQuery)
	sign, _ := q.Get(ParamSign)
	if err != nil || !g.cred.CheckLegacy(sign, q, body) {
		return LegacyReply{Status: LegacySignature, Msg: "App Signature Checked Fail"}
	}
	g.calls = append(g.calls, r.Method+" "+strings.TrimPrefix(r.URL.EscapedPath(), "/gw")+" "+string(body))
	switch {
	case strings.HasSuffix(r.URL.Path, "/list"):
		return LegacyReply{Data: []LegacyStatus{{SN: "7", Status: Revoked}}}
	case strings.HasSuffix(r.URL.Path, "/apply"):
		return LegacyReply{Data: LegacyCertificate{SN: "7"}}
	}
	return LegacyReply{Data: "OK"}
}

var aDevice = Device{ProductKey: "pk", DeviceKey: "dev 1+2/ü&x"}

func TestClientCalls(t *testing.T) {
	for _, scheme := range []Scheme{SchemeSigned, SchemeLegacy} {
		g, o := newGateway(t)
		o.Scheme = scheme
		c, err := NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		if cert, err := c.Apply(ctx, aDevice, ApplyRequest{CSR: "PEM", ValidDays: NewInt(9), Authority: ECC}); err != nil || cert.SN != "7" {
			t.Errorf("%+v %v", cert, err)
		}
		if cert, err := c.Renew(ctx, Device{AssetID: "a"}, RenewRequest{SN: NewInt(7)}); err != nil || cert.Authority != ECC {
			t.Errorf("%+v %v", cert, err)
		}
		if err := c.Revoke(ctx, aDevice, 7, Superseded); err != nil {
			t.Error(err)
		}
		if list, err := c.List(ctx, aDevice); err != nil || len(list) != 1 || list[0].Effective != 5 {
			t.Errorf("%+v %v", list, err)
		}
		want := `POST apply {"csr":"PEM","validDay":9,"issueAuthority":"ECC"}|POST renew {"certSn":7}|POST revoke {"certSn":7,"reason":4}|GET list `
		if got := strings.Join(g.calls, "|"); got != want {
			t.Errorf("scheme %d sent %s\nwant %s", scheme, got, want)
		}
		g.refusal = ErrDeviceNotFound
		if _, err := c.List(ctx, aDevice); !errors.Is(err, ErrDeviceNotFound) {
			t.Error(err)
		}
		if wantAsked := map[Scheme]int{SchemeSigned: 1, SchemeLegacy: 0}[scheme]; g.asked != wantAsked {
			t.Errorf("asked for %d tokens, want %d", g.asked, wantAsked)
		}
	}
}

func TestClientKeepsItsToken(t *testing.T) {
	g, o := newGateway(t)
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	list := func(want int) {
		t.Helper()
		if _, err := c.List(t.Context(), aDevice); err != nil || g.asked != want {
			t.Errorf("%v, asked for %d tokens, want %d", err, g.asked, want)
		}
	}
	list(1)
	list(1)
	g.now = g.now.Add(116 * time.Minute) // less than five minutes left
	list(2)
	g.token = "token-2" // the old one is gone
	list(3)
	if err := c.RefreshToken(t.Context()); err != nil || g.asked != 4 {
		t.Errorf("%v, %d", err, g.asked)
	}
}

func TestLegacyClientCalls(t *testing.T) {
	g, o := newGateway(t)
	c, err := NewLegacyClient(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if cert, err := c.Apply(ctx, aDevice, "PEM\n"); err != nil || cert.SN != "7" {
		t.Errorf("%+v %v", cert, err)
	}
	if list, err := c.List(ctx, Device{AssetID: "asset"}); err != nil || list[0].Status != Revoked {
		t.Errorf("%+v %v", list, err)
	}
	if err := c.Revoke(ctx, Device{AssetID: "asset"}, 7); err != nil {
		t.Error(err)
	}
	want := `POST /enosapi/connectService/products/pk/devices/dev%201+2%2F%C3%BC&x/certificates/apply "PEM\n"` +
		`|GET /enosapi/connectService/devices/asset/certificates/list |DELETE /enosapi/connectService/devices/asset/certificates/revoke `
	if got := strings.Join(g.calls, "|"); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
	g.cred = NewCredential(g.cred.appKey, "another")
	var refusal *Error
	if _, err := c.List(ctx, aDevice); !errors.As(err, &refusal) || refusal.Code != LegacySignature {
		t.Error(err)
	}
}

func TestClientReadsTheAuthority(t *testing.T) {
	g, o := newGateway(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}, NotAfter: g.now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), NextUpdate: g.now.Add(time.Hour)}, root, key)
	if err != nil {
		t.Fatal(err)
	}
	g.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	g.crl = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl})
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := c.CACertificate(t.Context(), ECC)
	if err != nil || ca.Subject.CommonName != "ca" {
		t.Fatal(ca, err)
	}
	list, err := c.CRL(t.Context(), ECC)
	if err != nil || list.CheckSignatureFrom(ca) != nil {
		t.Fatal(list, err)
	}
	g.ca = g.crl
	if _, err := c.CACertificate(t.Context(), ECC); !errors.Is(err, errNoPEM) {
		t.Error(err)
	}
}

func TestNewClientRefuses(t *testing.T) {
	good := ClientOptions{BaseURL: "https://host", Credential: NewCredential("k", "s"), OrgID: "o"}
	for name, spoil := range map[string]func(*ClientOptions){
		"no URL":        func(o *ClientOptions) { o.BaseURL = "host" },
		"bad URL":       func(o *ClientOptions) { o.BaseURL = "http://%" },
		"query":         func(o *ClientOptions) { o.BaseURL = "https://host?x" },
		"no credential": func(o *ClientOptions) { o.Credential = nil },
		"no secret":     func(o *ClientOptions) { o.Credential = NewCredential("k", "") },
		"no org":        func(o *ClientOptions) { o.OrgID = "" },
		"sealed":        func(o *ClientOptions) { o.Scheme = SchemeSealed },
	} {
		o := good
		spoil(&o)
		if _, err := NewClient(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := NewLegacyClient(o); err == nil && name != "sealed" {
			t.Errorf("%s: accepted by the legacy client", name)
		}
	}
}

func TestClientErrors(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"status":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) },
		"not JSON": func(w http.ResponseWriter) { io.WriteString(w, "<html>") },
		"no code":  func(w http.ResponseWriter) { io.WriteString(w, "{}") },
		"no data":  func(w http.ResponseWriter) { io.WriteString(w, `{"code":0,"status":0,"data":5}`) },
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w) }))
		o := ClientOptions{BaseURL: server.URL, Credential: NewCredential("k", "topsecret"), OrgID: "o", Scheme: SchemeLegacy}
		c, _ := NewClient(o)
		l, _ := NewLegacyClient(o)
		o.Scheme = SchemeSigned
		signed, _ := NewClient(o)
		_, err1 := c.List(context.Background(), aDevice)
		_, err2 := l.List(context.Background(), aDevice)
		_, err3 := signed.Token(context.Background())
		if err1 == nil || err2 == nil || err3 == nil {
			t.Errorf("%s: %v, %v, %v", name, err1, err2, err3)
		}
		server.Close()
		if _, err := c.List(context.Background(), aDevice); err == nil || strings.Contains(err.Error(), "sign=") {
			t.Errorf("a closed server: %v", err)
		}
	}
	g, o := newGateway(t)
	o.Credential = NewCredential("k", "wrong")
	c, _ := NewClient(o)
	var refusal *TokenError
	if _, err := c.List(t.Context(), aDevice); !errors.As(err, &refusal) || refusal.Status != TokenEncryption || g.asked != 1 {
		t.Error(err)
	}
	if !strings.Contains(refusal.Error(), "1003") {
		t.Error(refusal)
	}
}

func TestTokenMessages(t *testing.T) {
	for _, status := range []int{TokenOK, TokenRepeated, TokenUnknownAppKey, TokenEncryption, TokenParameter, TokenInternal, TokenEmpty, TokenExpired, TokenRefresh} {
		if strings.HasPrefix(TokenMessage(status), "status") {
			t.Errorf("%d has no message", status)
		}
	}
	if TokenMessage(9) != "status 9" {
		t.Error(TokenMessage(9))
	}
}
