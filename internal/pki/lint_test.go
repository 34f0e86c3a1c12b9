package pki

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"
)

// linted is an authority and a certificate of it that pass.
func linted(t *testing.T) (*authority, *template) {
	t.Helper()
	a := ecAuthority(t, elliptic.P256())
	begin := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	root := &template{serial: big.NewInt(9), issuer: subjectOf(t, "CN", "CA"), subject: subjectOf(t, "CN", "CA"), spki: publicDER(t, a.signer.Public()),
		notBefore: begin, notAfter: begin.AddDate(10, 0, 0), ca: true}
	tbs, err := root.tbs(a.scheme)
	if err != nil {
		t.Fatal(err)
	}
	der, err := assemble(tbs, a.scheme, []byte("unsigned"))
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = smx509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.chain = []*smx509.Certificate{a.cert}
	return a, &template{serial: big.NewInt(77), issuer: a.cert.RawSubject, subject: subjectOf(t, good...), spki: publicDER(t, newEC(t, elliptic.P256()).Public()),
		notBefore: begin, notAfter: begin.AddDate(1, 0, 0), authorityKeyID: a.cert.SubjectKeyId, crlURL: "http://c", caURL: "http://a", netscapeURL: "http://n"}
}

// Whatever is wrong with a certificate, it is not signed.
func TestLintRefuses(t *testing.T) {
	for name, spoil := range map[string]func(wrong, right *template){
		"nothing":                   func(_, _ *template) {},
		"serial number 0":           func(w, r *template) { w.serial, r.serial = big.NewInt(0), big.NewInt(0) },
		"serial number of 32 bits":  func(w, r *template) { w.serial, r.serial = big.NewInt(1<<31), big.NewInt(1<<31) },
		"another serial number":     func(w, _ *template) { w.serial = big.NewInt(78) },
		"another issuer":            func(w, _ *template) { w.issuer = subjectOf(t, "CN", "Other") },
		"another subject":           func(w, _ *template) { w.subject = subjectOf(t, "CN", "Other") },
		"another key":               func(w, _ *template) { w.spki = publicDER(t, newEC(t, elliptic.P256()).Public()) },
		"a weak key":                func(w, r *template) { w.spki = publicDER(t, newRSA(t, 1024).Public()); r.spki = w.spki },
		"a key of another kind":     func(w, r *template) { w.spki = publicDER(t, newRSA(t, 2048).Public()); r.spki = w.spki },
		"longer than its authority": func(w, r *template) { w.notAfter = w.notAfter.AddDate(10, 0, 0); r.notAfter = w.notAfter },
		"before its authority":      func(w, r *template) { w.notBefore = w.notBefore.Add(-time.Hour); r.notBefore = w.notBefore },
		"longer than meant":         func(w, _ *template) { w.notAfter = w.notAfter.Add(time.Second) },
		"no time at all":            func(w, r *template) { w.notAfter = w.notBefore; r.notAfter = w.notAfter },
		"an authority":              func(w, _ *template) { w.ca = true },
		"no authority's key id":     func(w, _ *template) { w.authorityKeyID = nil },
		"another list":              func(w, _ *template) { w.crlURL = "http://x" },
		"another issuer's address":  func(w, _ *template) { w.caURL = "http://x" },
	} {
		a, right := linted(t)
		wrong := *right
		spoil(&wrong, right)
		tbs, err := wrong.tbs(a.scheme)
		if err != nil {
			t.Fatal(err)
		}
		if err := lint(tbs, right, a, ECC); (name == "nothing") != (err == nil) || err != nil && !errors.Is(err, ErrLint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, right := linted(t)
	tbs, err := right.tbs(a.scheme)
	if err != nil {
		t.Fatal(err)
	}
	for i := range tbs {
		broken := bytes.Clone(tbs)
		broken[i] ^= 0x20
		if err := lint(broken, right, a, ECC); !errors.Is(err, ErrLint) {
			t.Errorf("byte %d is otherwise: %v", i, err)
		}
	}
}
