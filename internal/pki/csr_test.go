package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// good is a subject that DefaultSubject's authorities take.
var good = []string{"C", "CN", "ST", "Shanghai", "L", "Pudong", "O", "Hallmark", "OU", "Pumps", "CN", "pump-1"}

func without(label string) []string {
	var out []string
	for i := 0; i < len(good); i += 2 {
		if good[i] != label {
			out = append(out, good[i], good[i+1])
		}
	}
	return out
}

func with(label, value string) []string { return append(without(label), label, value) }

func typeOf(label string) asn1.ObjectIdentifier {
	for _, a := range attributes {
		if a.label == label {
			return a.oid
		}
	}
	return map[string]asn1.ObjectIdentifier{"E": {1, 2, 840, 113549, 1, 9, 1}, "SERIALNUMBER": {2, 5, 4, 5}}[label]
}

func rdnsOf(pairs ...string) pkix.RDNSequence {
	var out pkix.RDNSequence
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, pkix.RelativeDistinguishedNameSET{{Type: typeOf(pairs[i]), Value: pairs[i+1]}})
	}
	return out
}

func subjectOf(t testing.TB, pairs ...string) []byte {
	t.Helper()
	der, err := asn1.Marshal(rdnsOf(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// buildCSR makes a request in DER whose parts may be anything.
func buildCSR(t testing.TB, version int64, subject, spki []byte, s scheme, sign func(tbs []byte) []byte) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(version)
		b.AddBytes(subject)
		b.AddBytes(spki)
		b.AddASN1(tagExplicitVersion, func(*cryptobyte.Builder) {})
	})
	tbs, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	der, err := assemble(tbs, s, sign(tbs))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func publicDER(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func newEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// request makes a request with Go's own library.
func request(t testing.TB, key crypto.Signer, algorithm x509.SignatureAlgorithm, pairs ...string) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{RawSubject: subjectOf(t, pairs...), SignatureAlgorithm: algorithm}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func inPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// ecAuthority is an ECC authority with the default subject.
func ecAuthority(t testing.TB, curve elliptic.Curve) *authority {
	t.Helper()
	key := newEC(t, curve)
	s, err := schemeOf(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &authority{row: AuthorityRow{Kind: ECC}, signer: key, scheme: s,
		subject: rdnsOf("C", "CN", "ST", "Shanghai", "O", "Hallmark", "CN", "CA")}
}

// take runs all checks of a request for an authority.
func take(text []byte, a *authority) error {
	c, err := parseCSR(text)
	if err != nil {
		return err
	}
	return c.fits(a)
}

func TestRequestsThatAreTaken(t *testing.T) {
	key, a := newEC(t, elliptic.P256()), ecAuthority(t, elliptic.P256())
	der := request(t, key, x509.ECDSAWithSHA256, good...)
	strong := ecAuthority(t, elliptic.P384())
	for name, c := range map[string]struct {
		text []byte
		a    *authority
	}{
		"DER":               {der, a},
		"PEM":               {inPEM("CERTIFICATE REQUEST", der), a},
		"PEM, older header": {inPEM("NEW CERTIFICATE REQUEST", der), a},
		"PEM with CRLF":     {bytes.ReplaceAll(inPEM("CERTIFICATE REQUEST", der), []byte("\n"), []byte("\r\n")), a},
		"text before it":    {append([]byte("Certificate Request:\n"), inPEM("CERTIFICATE REQUEST", der)...), a},
		"spaces after it":   {append(inPEM("CERTIFICATE REQUEST", der), " \n\n"...), a},
		"another order":     {request(t, key, 0, "CN", "x", "O", "Hallmark", "C", "CN", "E", "a@example.com", "L", "l", "ST", "Shanghai", "OU", "u"), a},
		"two OU":            {request(t, key, 0, append([]string{"OU", "first"}, good...)...), a},
		"Chinese":           {request(t, key, 0, with("CN", "水泵一号")...), a},
		"64 characters":     {request(t, key, 0, with("CN", strings.Repeat("泵", 64))...), a},
		"P-384 under P-384": {request(t, newEC(t, elliptic.P384()), 0, good...), strong},
		"P-256 under P-384": {der, strong},
	} {
		if err := take(c.text, c.a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSubjectsThatAreRefused(t *testing.T) {
	key, a := newEC(t, elliptic.P256()), ecAuthority(t, elliptic.P256())
	for name, pairs := range map[string][]string{
		"no C": without("C"), "no ST": without("ST"), "no L": without("L"), "no O": without("O"), "no OU": without("OU"), "no CN": without("CN"),
		"nothing": {}, "two CN": append([]string{"CN", "other"}, good...), "two O": append([]string{"O", "Hallmark"}, good...),
		"another C": with("C", "DE"), "another ST": with("ST", "Beijing"), "another O": with("O", "Else"), "O in other letters": with("O", "HALLMARK"),
		"C of three": with("C", "CHN"), "C of digits": with("C", "12"), "empty CN": with("CN", ""), "empty email": append([]string{"E", ""}, good...),
		"65 characters": with("CN", strings.Repeat("泵", 65)), "long L": with("L", strings.Repeat("l", 65)),
		"space before CN": with("CN", " pump"), "space after CN": with("CN", "pump "), "two spaces in CN": with("CN", "pump  1"), "CN of a space": with("CN", " "),
		"nothing to see in CN": with("CN", "pump\u200b"), "backwards in CN": with("CN", "pump\u202e1"),
		"NUL in CN": with("CN", "pump\x00.evil"), "line end in OU": with("OU", "a\nb"),
		"long email": append([]string{"E", strings.Repeat("e", 256)}, good...),
		"very long":  append([]string{"SERIALNUMBER", strings.Repeat("9", 250), "E", strings.Repeat("e", 250), "E", strings.Repeat("f", 250), "OU", strings.Repeat("界", 64)}, good...),
	} {
		if err := take(request(t, key, 0, pairs...), a); !errors.Is(err, ErrSubject) {
			t.Errorf("%s: %v", name, err)
		}
	}
	multi := rdnsOf(good...)
	multi[0] = append(multi[0], multi[1][0])
	der, err := asn1.Marshal(multi)
	if err != nil {
		t.Fatal(err)
	}
	sign := signer(t, key)
	for name, subject := range map[string][]byte{"several values in one place": der, "no sequence of sets": {0x30, 3, 2, 1, 5}} {
		spki := publicDER(t, key.Public())
		err := take(buildCSR(t, 0, subject, spki, scheme{oidECDSAWithSHA256, false, crypto.SHA256}, sign), a)
		if !errors.Is(err, ErrSubject) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// signer signs with SHA-256, whatever is said of it.
func signer(t testing.TB, key crypto.Signer) func([]byte) []byte {
	return func(tbs []byte) []byte {
		digest := sha256.Sum256(tbs)
		sig, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
}

func TestKeysAndSignaturesThatAreRefused(t *testing.T) {
	ec, other := newEC(t, elliptic.P256()), newEC(t, elliptic.P256())
	r := newRSA(t, 2048)
	subject := subjectOf(t, good...)
	ecdsaSHA256, rsaSHA256 := scheme{oidECDSAWithSHA256, false, crypto.SHA256}, scheme{oidSHA256WithRSA, true, crypto.SHA256}
	sha1RSA := scheme{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, true, crypto.SHA1}
	md5RSA := scheme{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 4}, true, crypto.MD5}
	withExponent := func(e int) []byte { return publicDER(t, &rsa.PublicKey{N: r.N, E: e}) }
	smooth := new(big.Int).Mul(new(big.Int).Rsh(r.N, 11), big.NewInt(751*3))
	for smooth.BitLen() > 2048 {
		smooth.Rsh(smooth, 1)
	}
	smooth.Mul(new(big.Int).Div(smooth, big.NewInt(3)), big.NewInt(3))
	offCurve := publicDER(t, ec.Public())
	offCurve[len(offCurve)-1] ^= 1
	ecSPKI, rsaSPKI := publicDER(t, ec.Public()), publicDER(t, r.Public())
	sign := signer(t, ec)
	for name, c := range map[string]struct {
		der  []byte
		want error
	}{
		"RSA-1024":               {request(t, newRSA(t, 1024), x509.SHA256WithRSA, good...), ErrWeakKey},
		"RSA-3072":               {request(t, newRSA(t, 3072), x509.SHA256WithRSA, good...), ErrWeakKey},
		"RSA with SHA-512":       {request(t, r, x509.SHA512WithRSA, good...), ErrWeakKey},
		"RSA-PSS":                {request(t, r, x509.SHA256WithRSAPSS, good...), ErrWeakKey},
		"RSA with SHA-1":         {buildCSR(t, 0, subject, rsaSPKI, sha1RSA, signer(t, r)), ErrWeakKey},
		"RSA with MD5":           {buildCSR(t, 0, subject, rsaSPKI, md5RSA, signer(t, r)), ErrWeakKey},
		"RSA exponent 3":         {buildCSR(t, 0, subject, withExponent(3), rsaSHA256, signer(t, r)), ErrWeakKey},
		"RSA exponent 65536":     {buildCSR(t, 0, subject, withExponent(65536), rsaSHA256, signer(t, r)), ErrWeakKey},
		"RSA with small factors": {buildCSR(t, 0, subject, publicDER(t, &rsa.PublicKey{N: smooth, E: 65537}), rsaSHA256, signer(t, r)), ErrWeakKey},
		"P-224":                  {request(t, newEC(t, elliptic.P224()), x509.ECDSAWithSHA256, good...), ErrWeakKey},
		"P-521":                  {request(t, newEC(t, elliptic.P521()), x509.ECDSAWithSHA512, good...), ErrWeakKey},
		"P-256 with SHA-384":     {request(t, ec, x509.ECDSAWithSHA384, good...), ErrWeakKey},
		"P-384 under P-256":      {request(t, newEC(t, elliptic.P384()), 0, good...), ErrWrongKeyType},
		"RSA under ECC":          {request(t, r, x509.SHA256WithRSA, good...), ErrWrongKeyType},
		"point off the curve":    {buildCSR(t, 0, subject, offCurve, ecdsaSHA256, sign), ErrWeakKey},
		"signed by another key":  {buildCSR(t, 0, subject, publicDER(t, other.Public()), ecdsaSHA256, sign), ErrBadCSR},
		"EC said to be RSA":      {buildCSR(t, 0, subject, ecSPKI, rsaSHA256, sign), ErrWeakKey},
		"no signature":           {buildCSR(t, 0, subject, ecSPKI, ecdsaSHA256, func([]byte) []byte { return nil }), ErrBadCSR},
		"version 2":              {buildCSR(t, 1, subject, ecSPKI, ecdsaSHA256, sign), ErrBadCSR},
		"no key":                 {buildCSR(t, 0, subject, []byte{0x30, 0}, ecdsaSHA256, sign), ErrWeakKey},
	} {
		if err := take(c.der, ecAuthority(t, elliptic.P256())); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestNoRequestAtAll(t *testing.T) {
	der := request(t, newEC(t, elliptic.P256()), 0, good...)
	text := inPEM("CERTIFICATE REQUEST", der)
	for name, bad := range map[string][]byte{
		"nothing": nil, "text": []byte("hello"), "half": der[:len(der)/2], "more": append(bytes.Clone(der), 0), "half PEM": text[:len(text)/2],
		"two": append(bytes.Clone(text), text...), "a certificate": inPEM("CERTIFICATE", der), "too long": append([]byte{0x30}, make([]byte, maxCSR)...),
		"PEM around nothing": inPEM("CERTIFICATE REQUEST", nil), "indefinite length": append([]byte{0x30, 0x80}, der...),
	} {
		if _, err := parseCSR(bad); !errors.Is(err, ErrBadCSR) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSM2Request(t *testing.T) {
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	svc := &Service{Options: Options{Random: rand.Reader}}
	der, err := svc.certificationRequest(key, subjectOf(t, good...))
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseCSR(der)
	if err != nil {
		t.Fatal(err)
	}
	a := ecAuthority(t, elliptic.P256())
	if err := c.fits(a); !errors.Is(err, ErrWrongKeyType) {
		t.Errorf("SM2 under ECC: %v", err)
	}
	a.row.Kind, a.signer = SM2, key
	if err := c.fits(a); err != nil {
		t.Error(err)
	}
}

// What this parser takes Go's own takes, too, and both read the same of it.
func FuzzCSR(f *testing.F) {
	key := newEC(f, elliptic.P256())
	der := request(f, key, 0, good...)
	f.Add(der)
	f.Add(inPEM("NEW CERTIFICATE REQUEST", der))
	f.Add(request(f, newRSA(f, 2048), 0, good...))
	f.Add(request(f, key, 0, without("CN")...))
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----"))
	a := ecAuthority(f, elliptic.P256())
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseCSR(text)
		if err != nil {
			if !errors.Is(err, ErrBadCSR) && !errors.Is(err, ErrWeakKey) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if err := c.fits(a); err != nil && !errors.Is(err, ErrSubject) && !errors.Is(err, ErrWrongKeyType) {
			t.Fatalf("an error of no kind: %v", err)
		}
		if sm2.IsSM2PublicKey(c.key) {
			return
		}
		der, err := decodeCSR(text)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := x509.ParseCertificateRequest(der)
		if err != nil {
			t.Fatalf("Go refuses it: %v", err)
		}
		if theirs.CheckSignature() != nil || !bytes.Equal(theirs.RawSubject, c.subject) || !bytes.Equal(theirs.RawSubjectPublicKeyInfo, c.spki) {
			t.Fatal("Go reads it otherwise")
		}
	})
}

// Any text is a name or refused, and a name reads back from its DER.
func FuzzParseName(f *testing.F) {
	f.Add("C=CN, ST=Shanghai, L=Pudong, O=Example\\, Ltd, OU=x, CN=y")
	f.Add("=,\\")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseName(text)
		if err != nil {
			if !errors.Is(err, ErrBadAuthority) {
				t.Fatal(err)
			}
			return
		}
		der, err := n.der()
		if err != nil {
			t.Fatal(err)
		}
		rdns, err := parseDN(der)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range attributes {
			want := *a.part(&n)
			if got := strings.Join(valuesOf(rdns, a.oid), "|"); got != want {
				t.Fatalf("%s: %q, want %q", a.label, got, want)
			}
		}
	})
}
