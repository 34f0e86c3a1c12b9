package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// csr FILE CN writes a request for a device, on P-256.
func csr(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: csr FILE CN")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	name := pkix.Name{Country: []string{"CN"}, Province: []string{"Shanghai"}, Locality: []string{"Pudong"}, Organization: []string{"Hallmark"},
		OrganizationalUnit: []string{"Pumps"}, CommonName: args[1]}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: name}, key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o600))
}

// root CSR CHAIN is an offline root: it certifies an intermediate and writes
// its certificate and its own. root KEY CHAIN with no file KEY makes the key of
// an intermediate as well.
func root(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: root CSR|KEY CHAIN")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	top := authorityTemplate("Offline root", 1)
	rootDER, err := x509.CreateCertificate(rand.Reader, top, top, key.Public(), key)
	ts.Check(err)
	public, name := requested(ts, args[0])
	issuing := authorityTemplate("", 2)
	issuing.Subject, issuing.MaxPathLenZero = name, true
	der, err := x509.CreateCertificate(rand.Reader, issuing, top, public, key)
	ts.Check(err)
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})...)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}

// requested is who a certificate is for: a request's subject, or somebody new
// whose key is written.
func requested(ts *testscript.TestScript, file string) (any, pkix.Name) {
	text, err := os.ReadFile(ts.MkAbs(file))
	if errors.Is(err, os.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		ts.Check(err)
		der, err := x509.MarshalECPrivateKey(key)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(file), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600))
		return key.Public(), pkix.Name{Organization: []string{"Example"}, CommonName: "Imported CA"}
	}
	ts.Check(err)
	block, _ := pem.Decode(text)
	req, err := x509.ParseCertificateRequest(block.Bytes)
	ts.Check(err)
	ts.Check(req.CheckSignature())
	return req.PublicKey, req.Subject
}

func authorityTemplate(cn string, serial int64) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{Organization: []string{"Example"}, CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(5, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
}
