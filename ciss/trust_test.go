package ciss

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"
)

// pki is two authorities, one under the other.
type pki struct{ root, middle *testCA }

func newPKI(t testing.TB) pki {
	t.Helper()
	root := newCA(t, "Root", nil, nil)
	return pki{root, newCA(t, "Middle", root, nil)}
}

func (p pki) options() TrustOptions {
	return TrustOptions{Roots: []*smx509.Certificate{p.root.cert}, Intermediates: []*smx509.Certificate{p.middle.cert}, Cache: 16}
}

func TestTrust(t *testing.T) {
	p := newPKI(t)
	key := &newKey(t).PublicKey
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := p.middle.issue(t, 7, key, nil)
	impostor := newCA(t, "Middle", newCA(t, "Root", nil, nil), nil)
	usage := func(u smx509.KeyUsage) *smx509.Certificate {
		return p.middle.issue(t, 8, key, func(c *smx509.Certificate) { c.KeyUsage = u })
	}
	forged := append([]byte{}, good.Raw...)
	forged[len(forged)-1] ^= 1
	tests := []struct {
		name  string
		der   []byte
		usage Usage
		now   time.Time
		why   Why
	}{
		{"good", good.Raw, UsageSignature, certTime, ""},
		{"first instant", good.Raw, UsageSignature, good.NotBefore, ""},
		{"last instant", good.Raw, UsageSignature, good.NotAfter, ""},
		{"too early", good.Raw, UsageSignature, good.NotBefore.Add(-time.Second), WhyTime},
		{"too late", good.Raw, UsageSignature, good.NotAfter.Add(time.Second), WhyTime},
		{"forged signature", forged, UsageSignature, certTime, WhyUntrusted},
		{"authority of the same name", impostor.issue(t, 7, key, nil).Raw, UsageSignature, certTime, WhyUntrusted},
		{"self-signed", newCA(t, "Me", nil, nil).cert.Raw, UsageSignature, certTime, WhyUntrusted},
		{"P-256", p.middle.issue(t, 9, &ec.PublicKey, nil).Raw, UsageSignature, certTime, WhyCurve},
		{"not a certificate", []byte("certificate"), UsageSignature, certTime, WhyCertificate},
		{"nothing", nil, UsageSignature, certTime, WhyCertificate},
		{"two certificates", append(append([]byte{}, good.Raw...), good.Raw...), UsageSignature, certTime, WhyCertificate},
		{"huge", make([]byte, MaxCert+1), UsageSignature, certTime, WhyCertificate},
		{"encipherment only", usage(smx509.KeyUsageKeyEncipherment).Raw, UsageSignature, certTime, WhyUsage},
		{"encipherment only, either", usage(smx509.KeyUsageKeyEncipherment).Raw, UsageNonRepudiation, certTime, WhyUsage},
		{"encipherment only, any", usage(smx509.KeyUsageKeyEncipherment).Raw, UsageAny, certTime, ""},
		{"no key usage", usage(0).Raw, UsageSignature, certTime, WhyUsage},
		{"non-repudiation", usage(smx509.KeyUsageContentCommitment).Raw, UsageSignature, certTime, WhyUsage},
		{"non-repudiation, either", usage(smx509.KeyUsageContentCommitment).Raw, UsageNonRepudiation, certTime, ""},
		{"extended key usage", p.middle.issue(t, 10, key, func(c *smx509.Certificate) {
			c.ExtKeyUsage = []smx509.ExtKeyUsage{smx509.ExtKeyUsageClientAuth}
		}).Raw, UsageSignature, certTime, ""},
		{"unknown critical extension", p.middle.issue(t, 11, key, func(c *smx509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		}).Raw, UsageSignature, certTime, WhyUntrusted},
		{"by a user", (&testCA{good, nil}).asIssuer(t, p, key), UsageSignature, certTime, WhyUntrusted},
	}
	trust := newTrust(t, p.options())
	for range 2 { // the second time through the cache
		for _, test := range tests {
			chain, err := trust.Check(test.der, test.usage, test.now)
			if test.why == "" && (err != nil || len(chain) != 3 || string(chain[0].Raw) != string(test.der) || !chain[1].Equal(p.middle.cert)) || test.why != "" && !rejected(err, test.why) {
				t.Errorf("%s: %v, want %q", test.name, err, test.why)
			}
		}
	}
	if _, err := newTrust(t, TrustOptions{}).Check(good.Raw, UsageAny, certTime); !rejected(err, WhyUntrusted) {
		t.Errorf("without roots: %v", err)
	}
}

// asIssuer makes a certificate issued by one that is no authority.
func (ca *testCA) asIssuer(t *testing.T, p pki, public any) []byte {
	t.Helper()
	key := newKey(t)
	user := &testCA{p.middle.issue(t, 12, &key.PublicKey, nil), key}
	return user.issue(t, 13, public, nil).Raw
}

func TestRevocation(t *testing.T) {
	p := newPKI(t)
	key := &newKey(t).PublicKey
	user, other := p.middle.issue(t, 7, key, nil), p.middle.issue(t, 8, key, nil)
	until := certTime.AddDate(0, 1, 0)
	middle := p.middle.cert.SerialNumber.Int64()
	tests := []struct {
		name  string
		lists []*smx509.RevocationList
		cert  *smx509.Certificate
		now   time.Time
		why   Why
	}{
		{"listed", []*smx509.RevocationList{p.middle.revoke(t, until, nil, 7)}, user, certTime, WhyRevoked},
		{"not listed", []*smx509.RevocationList{p.middle.revoke(t, until, nil, 7)}, other, certTime, ""},
		{"list has ended", []*smx509.RevocationList{p.middle.revoke(t, until, nil, 7)}, other, until.Add(time.Second), WhyStaleCRL},
		{"listed, list has ended", []*smx509.RevocationList{p.middle.revoke(t, until, nil, 7)}, user, until.Add(time.Second), WhyRevoked},
		{"the authority is listed", []*smx509.RevocationList{p.root.revoke(t, until, nil, middle)}, other, certTime, WhyRevoked},
		{"same serial of another authority", []*smx509.RevocationList{p.root.revoke(t, until, nil, 7)}, user, certTime, ""},
		{"the newest of two holds", []*smx509.RevocationList{p.middle.revoke(t, until, newer, 8), p.middle.revoke(t, until, nil, 7)}, user, certTime, ""},
	}
	for _, test := range tests {
		o := p.options()
		o.CRLs = test.lists
		trust := newTrust(t, o)
		for range 2 {
			if _, err := trust.Check(test.cert.Raw, UsageSignature, test.now); test.why == "" && err != nil || test.why != "" && !rejected(err, test.why) {
				t.Errorf("%s: %v, want %q", test.name, err, test.why)
			}
		}
	}
}

func newer(l *smx509.RevocationList) {
	l.ThisUpdate, l.Number = l.ThisUpdate.Add(time.Hour), l.Number.SetInt64(2)
}

func TestUnusableLists(t *testing.T) {
	p := newPKI(t)
	until := certTime.AddDate(0, 1, 0)
	critical := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}
	lists := map[string]*smx509.RevocationList{
		"of a stranger": newCA(t, "Root", nil, nil).revoke(t, until, nil),
		"of a part":     p.middle.revoke(t, until, func(l *smx509.RevocationList) { l.ExtraExtensions = []pkix.Extension{critical} }),
		"indirect": p.middle.revoke(t, until, func(l *smx509.RevocationList) {
			l.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{critical}
		}, 7),
	}
	for name, list := range lists {
		o := p.options()
		o.CRLs = []*smx509.RevocationList{list}
		if _, err := NewTrust(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestOtherWayUp takes the way to a root that no list blocks.
func TestOtherWayUp(t *testing.T) {
	p := newPKI(t)
	twin := &testCA{key: p.middle.key}
	second := newCA(t, "Second", nil, nil)
	template := *p.middle.cert
	template.SerialNumber = p.root.cert.SerialNumber
	twin.cert = second.sign(t, &template, &p.middle.key.PublicKey)
	user := p.middle.issue(t, 7, &newKey(t).PublicKey, nil)
	o := TrustOptions{Roots: []*smx509.Certificate{p.root.cert, second.cert}, Intermediates: []*smx509.Certificate{p.middle.cert, twin.cert},
		CRLs: []*smx509.RevocationList{p.root.revoke(t, certTime.AddDate(0, 1, 0), nil, p.middle.cert.SerialNumber.Int64())}}
	if _, err := newTrust(t, o).Check(user.Raw, UsageSignature, certTime); err != nil {
		t.Error(err)
	}
}

// TestCacheIsBounded fills the cache far beyond its bound.
func TestCacheIsBounded(t *testing.T) {
	p := newPKI(t)
	trust := newTrust(t, p.options())
	key := &newKey(t).PublicKey
	for i := range int64(100) {
		if _, err := trust.Check(p.middle.issue(t, i+1, key, nil).Raw, UsageSignature, certTime); err != nil {
			t.Fatal(err)
		}
		if n := len(trust.cache.young) + len(trust.cache.old); n > 16 {
			t.Fatalf("%d chains remembered", n)
		}
	}
	if n := len(trust.cache.young) + len(trust.cache.old); n < 8 {
		t.Errorf("%d chains remembered", n)
	}
}

// TestCacheForgetsNoTime looks whether a remembered chain ends with the first of
// its certificates.
func TestCacheForgetsNoTime(t *testing.T) {
	root := newCA(t, "Root", nil, func(c *smx509.Certificate) { c.NotAfter = certTime.AddDate(0, 0, 1) })
	user := root.issue(t, 1, &newKey(t).PublicKey, nil)
	trust := newTrust(t, TrustOptions{Roots: []*smx509.Certificate{root.cert}, Cache: 4})
	if _, err := trust.Check(user.Raw, UsageSignature, certTime); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Check(user.Raw, UsageSignature, certTime.AddDate(0, 0, 2)); !rejected(err, WhyTime) {
		t.Errorf("a chain whose root has ended: %v", err)
	}
}

func TestFingerprint(t *testing.T) {
	cert := newCA(t, "Root", nil, nil).cert
	if got := Fingerprint(cert); len(got) != 64 || got != fmt.Sprintf("%x", unhex(t, got)) {
		t.Errorf("%q", got)
	}
}

// TestOneCertificateOnePlace sends a certificate in several spellings: they are
// one in the cache.
func TestOneCertificateOnePlace(t *testing.T) {
	s := newSigner(t)
	lower := hex.EncodeToString(s.cert.Raw)
	armoured := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})
	mixed := strings.ToUpper(lower[:100]) + lower[100:]
	var first *chain
	for _, digits := range []string{mixed, lower, strings.ToUpper(lower), lower, hex.EncodeToString(armoured)} {
		c, err := s.trust.check(digits, true, UsageSignature, certTime)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = c
		}
		if c != first {
			t.Errorf("%.20s… was verified again", digits)
		}
	}
	if n := len(s.trust.cache.young); n != 1 {
		t.Errorf("%d places in the cache", n)
	}
}
