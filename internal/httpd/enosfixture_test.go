package httpd

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// enosFixture is a server with authorities, a client of the enos door, and a
// two-way product with one device.
type enosFixture struct {
	*fixture
	app     registry.Client
	cred    *enos.Credential
	api     *enos.Client
	legacy  *enos.LegacyClient
	product registry.Product
	device  registry.ManagedDevice
}

func newEnOSFixture(t testing.TB, change func(*settings)) *enosFixture {
	t.Helper()
	f := &enosFixture{fixture: newFixture(t, func(s *settings) {
		s.pki = true
		s.enos = EnOSOptions{Skew: 10 * time.Minute, TokenKey: [32]byte{7}, TokenLifetime: 2 * time.Hour, AnswerBytes: 1 << 20}
		if change != nil {
			change(s)
		}
	})}
	f.app, f.cred = f.newApp(f.org)
	f.api, f.legacy = f.clients(f.cred, f.org)
	f.product = f.newProduct(f.org, true)
	f.device = f.newDevice(f.product, "dev 1+2/ü&x")
	return f
}

// newApp makes a client of the enos door.
func (f *enosFixture) newApp(org registry.ID, scopes ...string) (registry.Client, *enos.Credential) {
	f.t.Helper()
	c, secret := f.newClient(org, registry.ClientSpec{Door: registry.DoorEnOS, Scopes: scopes})
	return c, enos.NewCredential(c.ID, secret)
}

func (f *enosFixture) clients(cred *enos.Credential, org registry.ID) (*enos.Client, *enos.LegacyClient) {
	f.t.Helper()
	o := enos.ClientOptions{BaseURL: f.server.URL, Credential: cred, OrgID: org.String(), HTTP: f.server.Client(), Now: f.clock.Now}
	api, err := enos.NewClient(o)
	f.must(err)
	legacy, err := enos.NewLegacyClient(o)
	f.must(err)
	return api, legacy
}

func (f *enosFixture) newProduct(org registry.ID, twoWay bool) registry.Product {
	f.t.Helper()
	var p registry.ManagedProduct
	p.Name, p.TwoWayAuth = "gateway", twoWay
	made, err := f.reg.CreateManagedProduct(context.Background(), org, p, operatorActor)
	f.must(err)
	return made
}

func (f *enosFixture) newDevice(p registry.Product, key string) registry.ManagedDevice {
	f.t.Helper()
	var d registry.ManagedDevice
	d.Product, d.DeviceKey, d.Name = p.Key, key, "gw"
	made, err := f.reg.CreateManagedDevice(context.Background(), p.Org, d, operatorActor)
	f.must(err)
	return made
}

// named and byAssetID are the two ways to name a device on the wire.
func named(d registry.ManagedDevice) enos.Device {
	return enos.Device{ProductKey: d.Product, DeviceKey: d.DeviceKey}
}

func byAssetID(d registry.ManagedDevice) enos.Device { return enos.Device{AssetID: d.Asset.String()} }

// Keys take a while to make, and their number does not matter here.
var (
	rsaKeys   = sync.OnceValue(func() [2]*rsa.PrivateKey { return [2]*rsa.PrivateKey{mustRSA(2048), mustRSA(2048)} })
	ownRSA    = func() *rsa.PrivateKey { return rsaKeys()[0] }
	otherRSA  = func() *rsa.PrivateKey { return rsaKeys()[1] }
	shortRSA  = sync.OnceValue(func() *rsa.PrivateKey { return mustRSA(1024) })
	serverKey = sync.OnceValue(func() *rsa.PrivateKey { return mustRSA(2048) })
)

func mustRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// csr makes a certificate request with the subject that the authorities want;
// more attributes come at its end.
func csr(t testing.TB, key crypto.Signer, cn string, more ...pkix.AttributeTypeAndValue) string {
	t.Helper()
	var subject pkix.RDNSequence
	for _, a := range []struct {
		last  int
		value string
	}{{6, "CN"}, {8, "Shanghai"}, {7, "Shanghai"}, {10, "Hallmark"}, {3, cn}, {11, "EnOS"}} {
		subject = append(subject, []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, a.last}, Value: a.value}})
	}
	for _, a := range more {
		subject = append(subject, []pkix.AttributeTypeAndValue{a})
	}
	raw, err := asn1.Marshal(subject)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{RawSubject: raw}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// raw is a request in the shape that a test gives it.
type raw struct {
	method, path string // POST by default
	query        enos.Query
	asSent       string // the query as text, in place of query
	header       http.Header
	body         string
	remote       string // not the test's own address
}

// send sends a request as it is. One from another address does not use the network.
func (f *enosFixture) send(r raw) (status int, body []byte) {
	f.t.Helper()
	if r.asSent == "" {
		r.asSent = r.query.Encode()
	}
	req, err := http.NewRequest(orElse(r.method, http.MethodPost), f.server.URL+r.path+"?"+r.asSent, strings.NewReader(r.body))
	f.must(err)
	for name, values := range r.header {
		req.Header[name] = values
	}
	if r.remote != "" {
		req.RemoteAddr = r.remote
		w := &recorder{header: http.Header{}, status: http.StatusOK}
		f.handler.ServeHTTP(w, req)
		noteEnOSCode(w.Bytes())
		return w.status, w.Bytes()
	}
	resp, err := f.server.Client().Do(req)
	f.must(err)
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	f.must(err)
	noteEnOSCode(body)
	return resp.StatusCode, body
}

// noteEnOSCode notes the code of an answer; the older calls name it status.
func noteEnOSCode(body []byte) {
	var answer struct{ Code, Status *int }
	if json.Unmarshal(body, &answer) != nil {
		return
	}
	for _, code := range []*int{answer.Code, answer.Status} {
		if code != nil {
			enosCodes.Add(strconv.Itoa(*code))
		}
	}
}

// recorder is a response that goes nowhere.
type recorder struct {
	bytes.Buffer
	header http.Header
	status int
}

func (r *recorder) Header() http.Header    { return r.header }
func (r *recorder) WriteHeader(status int) { r.status = status }

// token gets an access token of a credential.
func (f *enosFixture) token(cred *enos.Credential) string {
	f.t.Helper()
	at := enos.FormatTimestamp(f.clock.Now())
	_, body := f.send(raw{path: "/apim-token-service/v2.0/token/get",
		body: `{"appKey":"` + cred.AppKey() + `","encryption":"` + cred.Encryption(at) + `","timestamp":` + at + `}`})
	var reply enos.TokenReply
	f.must(json.Unmarshal(body, &reply))
	if reply.Data == nil {
		f.t.Fatalf("no token: %s", body)
	}
	return reply.Data.AccessToken
}

// signed adds the headers of the signed scheme.
func (f *enosFixture) signed(cred *enos.Credential, r raw) raw {
	f.t.Helper()
	at := enos.FormatTimestamp(f.clock.Now())
	token := f.token(cred)
	r.header = http.Header{enos.HeaderToken: {token}, enos.HeaderTimestamp: {at},
		enos.HeaderSignature: {cred.Sign(token, r.query, []byte(r.body), at)}, "Content-Type": {"application/json;charset=UTF-8"}}
	return r
}

// reply is an answer of the v2 services.
type reply struct {
	Code       int             `json:"code"`
	Msg        string          `json:"msg"`
	RequestID  string          `json:"requestId"`
	Data       json.RawMessage `json:"data"`
	Pagination *enos.Pagination
}

// call signs and sends a request to a resource and reads the answer.
func (f *enosFixture) call(resource, action string, q enos.Query, body string) reply {
	f.t.Helper()
	method := http.MethodPost
	if action == "list" || action == "get" {
		method = http.MethodGet
	}
	return f.answer(f.signed(f.cred, raw{method: method, path: "/connect-service/" + resource,
		query: append(enos.Query{{Name: "action", Value: action}, {Name: "orgId", Value: f.org.String()}}, q...), body: body}))
}

func (f *enosFixture) answer(r raw) (out reply) {
	f.t.Helper()
	status, body := f.send(r)
	if status != http.StatusOK {
		f.t.Fatalf("status %d: %s", status, body)
	}
	f.must(json.Unmarshal(body, &out))
	return out
}

const certificates = "v2.0/certificates"

func deviceQuery(d registry.ManagedDevice) enos.Query {
	return enos.Query{{Name: "productKey", Value: d.Product}, {Name: "deviceKey", Value: d.DeviceKey}}
}

// apply has a device certified by its ECC or RSA key and returns its certificate.
func (f *enosFixture) apply(d registry.ManagedDevice, key crypto.Signer, cn string) enos.Certificate {
	f.t.Helper()
	authority := enos.RSA
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		authority = enos.ECC
	}
	cert, err := f.api.Apply(context.Background(), named(d), enos.ApplyRequest{CSR: csr(f.t, key, cn), Authority: authority})
	f.must(err)
	return cert
}

func sn(t testing.TB, c enos.Certificate) int64 {
	t.Helper()
	n, err := strconv.ParseInt(c.SN, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func parseCertificate(t testing.TB, text string) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(rest) > 0 {
		t.Fatalf("not one PEM block: %q", text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
