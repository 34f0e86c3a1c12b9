package enos_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"

	"github.com/hallmark-id/hallmark/enos"
)

// A gateway gets a certificate for a device that has just made its key.
func ExampleClient() {
	client, err := enos.NewClient(enos.ClientOptions{
		BaseURL:    "https://id.example.com",
		Credential: enos.NewCredential("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "ffeeddcc-bbaa-9988-7766-554433221100"),
		OrgID:      "o15427722038191",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // on the device
	if err != nil {
		fmt.Println(err)
		return
	}
	subject := pkix.Name{Country: []string{"CN"}, Province: []string{"Shanghai"}, Locality: []string{"Shanghai"},
		Organization: []string{"EnOS"}, OrganizationalUnit: []string{"EnOS"}, CommonName: "pump-1"}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	if err != nil {
		fmt.Println(err)
		return
	}
	apply := enos.ApplyRequest{CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
		ValidDays: enos.NewInt(365), Authority: enos.ECC}
	device := enos.Device{ProductKey: "a1B2c3D4", DeviceKey: "pump-1"}

	cert, err := client.Apply(context.Background(), device, apply)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cert.SN, cert.PEM, cert.CA)
}

// A server tells the scheme, finds the credential and checks the signature.
func ExampleDetect() {
	credential := enos.NewCredential("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "ffeeddcc-bbaa-9988-7766-554433221100")
	check := func(r *http.Request) bool {
		q, err := enos.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return false
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, enos.MaxBody))
		if err != nil {
			return false
		}
		switch enos.Detect(r.Header, q) {
		case enos.SchemeSigned: // and the token must be one that was issued, the timestamp near now
			return credential.CheckSignature(r.Header.Get(enos.HeaderSignature), r.Header.Get(enos.HeaderToken), q, body, r.Header.Get(enos.HeaderTimestamp))
		case enos.SchemeLegacy:
			sign, _ := q.Get(enos.ParamSign)
			return credential.CheckLegacy(sign, q, body)
		}
		return false
	}
	r, _ := http.NewRequest("GET", "/connect-service/v2.0/certificates?action=list&deviceKey=dev+1%2B2%2F%C3%BC%26x&orgId=o1&productKey=pk1", http.NoBody)
	r.Header.Set(enos.HeaderToken, "tok-0123456789abcdef")
	r.Header.Set(enos.HeaderTimestamp, "1700000000123")
	r.Header.Set(enos.HeaderSignature, "4e8d5f22ec1f871d0b08cf6a56fad51d3a5051049dab677948c16352e72ff55d")
	fmt.Println(check(r))
	r.URL.RawQuery += "&assetId=another"
	fmt.Println(check(r))
	// Output:
	// true
	// false
}

// DN text is what lists print of issuer and subject.
func ExampleNameText() {
	der := []byte{0x30, 0x1f, 0x31, 0x0d, 0x30, 0x0b, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x0c, 0x04, 'E', 'n', 'O', 'S',
		0x31, 0x0e, 0x30, 0x0c, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x05, 'a', ',', ' ', 'b', 'c'}
	fmt.Println(enos.NameText(der))
	// Output: CN="a, bc", O=EnOS <nil>
}
