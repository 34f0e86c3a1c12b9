package httpd

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/enos"
)

// issuing is one way to get a certificate: a scheme, and how it revokes.
type issuing struct {
	name      string
	authority enos.Authority
	apply     func(f *enosFixture, csr string) (serial int64, pem string)
	revoke    func(f *enosFixture, serial int64)
}

func issuings() []issuing {
	viaClient := func(scheme enos.Scheme) (func(*enosFixture, string) (int64, string), func(*enosFixture, int64)) {
		client := func(f *enosFixture) *enos.Client {
			c, err := enos.NewClient(enos.ClientOptions{BaseURL: f.server.URL, Credential: f.cred, OrgID: f.org.String(), Scheme: scheme, Now: f.clock.Now})
			f.must(err)
			return c
		}
		return func(f *enosFixture, csr string) (int64, string) {
				cert, err := client(f).Apply(context.Background(), named(f.device), enos.ApplyRequest{CSR: csr, Authority: "ecc", ValidDays: enos.NewInt(90)})
				f.must(err)
				return sn(f.t, cert), cert.PEM
			}, func(f *enosFixture, serial int64) {
				f.must(client(f).Revoke(context.Background(), byAssetID(f.device), serial, enos.KeyCompromise))
			}
	}
	signedApply, signedRevoke := viaClient(enos.SchemeSigned)
	legacyApply, legacyRevoke := viaClient(enos.SchemeLegacy)
	return []issuing{
		{"signed", enos.ECC, signedApply, signedRevoke},
		{"legacy signature", enos.ECC, legacyApply, legacyRevoke},
		{"older calls", enos.RSA, func(f *enosFixture, csr string) (int64, string) {
			cert, err := f.legacy.Apply(context.Background(), named(f.device), csr)
			f.must(err)
			n, err := strconv.ParseInt(cert.SN, 10, 32)
			f.must(err)
			return n, cert.PEM
		}, func(f *enosFixture, serial int64) {
			f.must(f.legacy.Revoke(context.Background(), byAssetID(f.device), serial))
		}},
		{"sealed", enos.RSA, sealedApply, sealedRevoke},
	}
}

// sealedCall sends what Poseidon for Python sends (enos §3.4).
func sealedCall(f *enosFixture, action, body string) reply {
	f.t.Helper()
	token, err := f.cred.Seal(&serverKey().PublicKey, rand.Reader)
	f.must(err)
	q := append(enos.Query{{Name: "action", Value: action}, {Name: "orgId", Value: f.org.String()}}, deviceQuery(f.device)...)
	out := f.answer(raw{path: "/connect-service/v2.0/certificates", query: q, body: body, header: http.Header{enos.HeaderToken: {token},
		"Content-Type": {"application/json;charset=utf-8"}, "User-Agent": {"Python_enos_api"}}})
	if out.Code != 0 {
		f.t.Fatalf("%s: %d %s", action, out.Code, out.Msg)
	}
	return out
}

func sealedApply(f *enosFixture, csr string) (int64, string) {
	f.t.Helper()
	body, err := json.Marshal(enos.ApplyRequest{CSR: csr})
	f.must(err)
	var cert enos.Certificate
	f.must(json.Unmarshal(sealedCall(f, "apply", string(body)).Data, &cert))
	return sn(f.t, cert), cert.PEM
}

func sealedRevoke(f *enosFixture, serial int64) {
	f.t.Helper()
	if out := sealedCall(f, "revoke", `{"certSn":`+strconv.FormatInt(serial, 10)+`,"reason":1}`); string(out.Data) != "null" {
		f.t.Errorf("revoke answers %s", out.Data)
	}
}

// A certificate that any scheme got is good for TLS by Go and by openssl, is in
// the list, is revoked there at once, and is in the next revocation list.
func TestEveryScheme(t *testing.T) {
	for _, way := range issuings() {
		t.Run(way.name, func(t *testing.T) {
			f := newEnOSFixture(t, func(s *settings) { s.enos.SealKey = serverKey() })
			var key crypto.Signer = ownRSA()
			if way.authority == enos.ECC {
				key = newECKey(t)
			}
			serial, text := way.apply(f, csr(t, key, "gw-1"))
			cert := parseCertificate(t, text)
			if cert.SerialNumber.Int64() != serial || !strings.HasSuffix(text, "-----\n") {
				t.Errorf("serial %v, want %d, in %q", cert.SerialNumber, serial, text)
			}
			ca, err := f.api.CACertificate(t.Context(), way.authority)
			f.must(err)
			if err := handshake(f, ca, cert, key); err != nil {
				t.Errorf("Go's TLS: %v", err)
			}
			if out, err := opensslVerify(f, ca, text, nil); err != nil {
				t.Errorf("openssl: %s", out)
			}
			f.wantListed(serial, enos.Valid, "")
			way.revoke(f, serial)
			reason := "KEY COMPROMISE"
			if way.name == "older calls" {
				reason = "UNSPECIFIED"
			}
			f.wantListed(serial, enos.Revoked, reason)
			f.must(f.pki.UpdateLists(t.Context()))
			list, err := f.api.CRL(t.Context(), way.authority)
			f.must(err)
			f.must(list.CheckSignatureFrom(ca))
			if !slices.ContainsFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Int64() == serial }) {
				t.Errorf("%d is not in the revocation list", serial)
			}
			if out, err := opensslVerify(f, ca, text, list.Raw); err == nil || !strings.Contains(out, "revoked") {
				t.Errorf("openssl takes a revoked certificate: %s", out)
			}
		})
	}
}

func (f *enosFixture) wantListed(serial int64, status enos.Status, reason string) {
	f.t.Helper()
	list, err := f.api.List(context.Background(), named(f.device))
	f.must(err)
	if len(list) != 1 || list[0].SN != strconv.FormatInt(serial, 10) || list[0].Status != status || list[0].Reason != reason {
		f.t.Errorf("listed %+v, want %d %s %q", list, serial, status, reason)
	}
}

// handshake shows the certificate to a TLS server that wants one.
func handshake(f *enosFixture, ca, cert *x509.Certificate, key crypto.Signer) error {
	f.t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	server := tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key} // what the server shows does not matter
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() {
		done <- tls.Client(a, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{server}, Time: f.clock.Now}).Handshake()
	}()
	peer := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		Time: f.clock.Now, SessionTicketsDisabled: true})
	return errors.Join(peer.Handshake(), <-done)
}

// opensslVerify asks openssl whether a certificate is good for a TLS client, with
// a revocation list if there is one.
func opensslVerify(f *enosFixture, ca *x509.Certificate, cert string, crl []byte) (string, error) {
	f.t.Helper()
	dir := f.t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		f.must(os.WriteFile(path, text, 0o600))
		return path
	}
	at := strconv.FormatInt(f.clock.Now().Unix(), 10)
	args := []string{"verify", "-attime", at, "-purpose", "sslclient", "-CAfile", file("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}))}
	if crl != nil {
		args = append(args, "-crl_check", "-CRLfile", file("crl.pem", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl})))
	}
	out, err := exec.Command("openssl", append(args, file("cert.pem", []byte(cert)))...).CombinedOutput()
	return string(out), err
}

// What real firmware does (enos §6), request by request: it asks for its device,
// makes it, has it certified with a timestamp in the body, and renews by number.
func TestFirmware(t *testing.T) {
	f := newEnOSFixture(t, nil)
	ids := enos.Query{{Name: "productKey", Value: f.product.Key}, {Name: "deviceKey", Value: "core-7"}}
	if out := f.call("v2.1/devices", "get", ids, ""); out.Code != enos.CodeNoDevice || string(out.Data) != "null" {
		t.Fatalf("get: %+v", out)
	}
	out := f.call("v2.1/devices", "create", nil, `{"productKey":"`+f.product.Key+`","timezone":"+08:00","deviceName":{"defaultValue":"core","i18nValue":""},"deviceKey":"core-7"}`)
	var made enos.CreatedDevice
	f.must(json.Unmarshal(out.Data, &made))
	if out.Code != 0 || out.Msg != "OK" || len(made.Secret) != 20 || made.AssetID == "" {
		t.Fatalf("create: %+v", out)
	}
	var got enos.DeviceDetail
	f.must(json.Unmarshal(f.call("v2.1/devices", "get", ids, "").Data, &got))
	if got.Secret != made.Secret || got.AssetID != made.AssetID {
		t.Errorf("get: %+v, created %+v", got, made)
	}
	body, err := json.Marshal(map[string]any{"csr": csr(t, newECKey(t), "core-7"), "validDay": 365, "issueAuthority": "ECC", "timestamp": enos.FormatTimestamp(f.clock.Now())})
	f.must(err)
	var first, second enos.Certificate
	f.must(json.Unmarshal(f.call(certificates, "apply", ids, string(body)).Data, &first))
	f.clock.Advance(time.Hour)
	out = f.call(certificates, "renew", ids, `{"certSn":`+first.SN+`,"validDay":365}`)
	f.must(json.Unmarshal(out.Data, &second))
	if second.SN == first.SN || second.Authority != enos.ECC { // not RSA, the documented default: the key is ECC
		t.Fatalf("renew: %+v", out)
	}
	a, b := parseCertificate(t, first.PEM), parseCertificate(t, second.PEM)
	if string(a.RawSubject) != string(b.RawSubject) || string(a.RawSubjectPublicKeyInfo) != string(b.RawSubjectPublicKeyInfo) {
		t.Error("renewal changed subject or key")
	}
	if days := b.NotAfter.Sub(b.NotBefore); days != 365*24*time.Hour {
		t.Errorf("valid for %v", days)
	}
	var list []enos.CertificateDetail
	f.must(json.Unmarshal(f.call(certificates, "list", ids, "").Data, &list))
	if len(list) != 2 || list[0].SN != first.SN || list[0].Status != enos.Revoked || list[0].Reason != "SUPERSEDED" || list[1].Status != enos.Valid {
		t.Errorf("list: %+v", list)
	}
}

// The list, member by member, against what the API document's sample shows.
func TestListMembers(t *testing.T) {
	f := newEnOSFixture(t, nil)
	key := newECKey(t)
	text := csr(t, key, "xMen1", pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a,b"})
	cert, err := f.api.Apply(t.Context(), named(f.device), enos.ApplyRequest{CSR: text, Authority: enos.ECC, ValidDays: enos.NewInt(10)})
	f.must(err)
	var list []map[string]any
	f.must(json.Unmarshal(f.call(certificates, "list", deviceQuery(f.device), "").Data, &list))
	got := list[0]
	begin, end := float64(f.clock.Now().Unix()*1000), float64(f.clock.Now().Unix()*1000+10*86_400_000)
	for member, want := range map[string]any{
		"certSN": cert.SN, "cert": cert.PEM, "certStatus": 0.0, "signDate": begin, "effetiveDate": begin, "effectiveDate": begin, "expireDate": end,
		"revoker": "", "revokerReason": "", "isEnosCert": true, "issueAuthority": "ECC",
		"subject": `EMAILADDRESS="a,b", OU=EnOS, CN=xMen1, O=Hallmark, L=Shanghai, ST=Shanghai, C=CN`,
		"issuer":  "CN=Hallmark ECC CA 2023, OU=Device Identity, O=Hallmark, L=Shanghai, ST=Shanghai, C=CN",
	} {
		if got[member] != want {
			t.Errorf("%s is %v, want %v", member, got[member], want)
		}
	}
	audit, _ := got["audit"].(map[string]any)
	if audit["ns"] != f.org.String() || audit["createBy"] != f.org.String() || audit["deleted"] != false || audit["createTime"] != begin || len(got) != 14 {
		t.Errorf("audit %v, %d members", audit, len(got))
	}
	if cert.Authority != enos.ECC || cert.ChainURL != f.server.URL+"/enos/CA/cacert/ECC" || strings.HasSuffix(cert.CA, "\n") || !strings.HasSuffix(cert.PEM, "\n") {
		t.Errorf("apply answers %+v", cert)
	}
	f.clock.Advance(11 * 24 * time.Hour)
	var later []enos.CertificateDetail
	f.must(json.Unmarshal(f.call(certificates, "list", deviceQuery(f.device), "").Data, &later))
	if later[0].Status != enos.Expired {
		t.Errorf("after its end: %+v", later[0])
	}
	if f.device = f.newDevice(f.product, "bare"); string(f.call(certificates, "list", deviceQuery(f.device), "").Data) != "[]" {
		t.Error("a device without certificates has no empty list")
	}
}

// Validity follows the product's limits (enos §4.4).
func TestValidDays(t *testing.T) {
	f := newEnOSFixture(t, nil)
	f.must(f.api.Call(t.Context(), "/connect-service/v2.1/products", "update", nil,
		map[string]any{"productKey": f.product.Key, "defaultValidDay": 30, "maxValidDay": 60}, nil))
	key := newECKey(t)
	for _, tt := range []struct {
		ask  *enos.Int
		want int
	}{{nil, 30}, {enos.NewInt(60), 60}, {enos.NewInt(1), 1}} {
		f.clock.Advance(time.Second) // or it is the same request
		cert, err := f.api.Apply(t.Context(), named(f.device), enos.ApplyRequest{CSR: csr(t, key, "gw-1"), Authority: enos.ECC, ValidDays: tt.ask})
		f.must(err)
		c := parseCertificate(t, cert.PEM)
		if got := c.NotAfter.Sub(c.NotBefore); got != time.Duration(tt.want)*24*time.Hour {
			t.Errorf("%v days became %v", tt.want, got)
		}
	}
}

func TestDeletedDeviceLosesItsCertificates(t *testing.T) {
	f := newEnOSFixture(t, nil)
	cert := f.apply(f.device, newECKey(t), "gw-1")
	f.must(f.pki.UpdateLists(t.Context()))
	if out := f.call("v2.1/devices", "delete", nil, `{"assetId":"`+f.device.Asset.String()+`"}`); out.Code != 0 {
		t.Fatalf("%+v", out)
	}
	if out := f.call(certificates, "list", deviceQuery(f.device), ""); out.Code != enos.CodeNoDevice {
		t.Errorf("%+v", out)
	}
	f.must(f.pki.UpdateLists(t.Context()))
	list, err := f.api.CRL(t.Context(), enos.ECC)
	f.must(err)
	if len(list.RevokedCertificateEntries) != 1 || list.RevokedCertificateEntries[0].SerialNumber.String() != cert.SN ||
		list.RevokedCertificateEntries[0].ReasonCode != int(enos.CessationOfOperation) {
		t.Errorf("%+v", list.RevokedCertificateEntries)
	}
}
