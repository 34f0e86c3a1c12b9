package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxCSR bounds a request in bytes; honest ones are below 2 KB.
const maxCSR = 16 << 10

// maxSubject bounds a subject in DER.
const maxSubject = 1024

// csr is what of a PKCS#10 request (RFC 2986) goes into a certificate. Its
// attributes do not: what a certificate may be used for is the authority's to say.
type csr struct {
	subject []byte // DER, as it came
	spki    []byte // DER, as it came
	key     any    // *rsa.PublicKey or *ecdsa.PublicKey
	cn      string
	text    string // the subject as people read it
	old     bool   // it is a certificate's, which an authority has looked at
}

func badCSR(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadCSR, fmt.Sprintf(format, args...))
}

func weakKey(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrWeakKey, fmt.Sprintf(format, args...))
}

func badSubject(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSubject, fmt.Sprintf(format, args...))
}

// parseCSR reads a request in PEM or DER and checks everything that holds for
// any authority: its form, the strength of its key, and that the key signed it.
func parseCSR(text []byte) (*csr, error) {
	der, err := decodeCSR(text)
	if err != nil {
		return nil, err
	}
	var c csr
	tbs, algorithm, signature, ok := splitSigned(der)
	if !ok || !c.readInfo(tbs) {
		return nil, badCSR("it is not PKCS#10")
	}
	if c.key, err = smx509.ParsePKIXPublicKey(c.spki); err != nil {
		return nil, weakKey("its public key is malformed or of an unknown kind")
	}
	if err := checkKey(c.key); err != nil {
		return nil, err
	}
	if err := checkSignature(c.key, algorithm, tbs, signature); err != nil {
		return nil, err
	}
	return &c, nil
}

// decodeCSR takes PEM off. Both spellings of its header are in use (enos §1.1).
func decodeCSR(text []byte) ([]byte, error) {
	if len(text) > maxCSR {
		return nil, badCSR("it is longer than %d bytes", maxCSR)
	}
	if len(text) > 0 && text[0] == 0x30 {
		return text, nil
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, badCSR("it is neither PEM nor DER")
	case block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST":
		return nil, badCSR("its PEM block is no CERTIFICATE REQUEST")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, badCSR("something follows its PEM block")
	}
	return block.Bytes, nil
}

// splitSigned takes apart what X.509 calls SIGNED: requests, certificates and
// lists. The algorithm is the whole AlgorithmIdentifier.
func splitSigned(der []byte) (tbs, algorithm, signature []byte, ok bool) {
	in := cryptobyte.String(der)
	var outer, body, alg cryptobyte.String
	var bits asn1.BitString
	ok = in.ReadASN1(&outer, cbasn1.SEQUENCE) && in.Empty() &&
		outer.ReadASN1Element(&body, cbasn1.SEQUENCE) &&
		outer.ReadASN1Element(&alg, cbasn1.SEQUENCE) &&
		outer.ReadASN1BitString(&bits) && outer.Empty() && bits.BitLength%8 == 0
	return body, alg, bits.Bytes, ok
}

// readInfo reads a CertificationRequestInfo.
func (c *csr) readInfo(tbs []byte) bool {
	in := cryptobyte.String(tbs)
	var info, subject, spki cryptobyte.String
	var version int
	ok := in.ReadASN1(&info, cbasn1.SEQUENCE) && info.ReadASN1Integer(&version) && version == 0 &&
		info.ReadASN1Element(&subject, cbasn1.SEQUENCE) && info.ReadASN1Element(&spki, cbasn1.SEQUENCE)
	if !ok {
		return false
	}
	if !info.Empty() && (!info.SkipASN1(cbasn1.Tag(0).Constructed().ContextSpecific()) || !info.Empty()) {
		return false
	}
	c.subject, c.spki = subject, spki
	return true
}

// rsaBits is the one length of RSA keys (enos §4.3).
const rsaBits = 2048

// minExponent keeps exponents away with which plain RSA has broken before.
const minExponent = 65537

// smallPrimes is the product of the primes below 752: no key has such a factor.
var smallPrimes = func() *big.Int {
	product := big.NewInt(1)
	for n := int64(3); n < 752; n += 2 {
		if p := big.NewInt(n); p.ProbablyPrime(0) {
			product.Mul(product, p)
		}
	}
	return product
}()

// checkKey refuses keys that are too weak for any authority.
func checkKey(key any) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		switch {
		case key.N.BitLen() != rsaBits:
			return weakKey("RSA keys must have %d bits, this one has %d", rsaBits, key.N.BitLen())
		case key.E < minExponent || key.E%2 == 0:
			return weakKey("the exponent of an RSA key must be %d", minExponent)
		case key.N.Bit(0) == 0 || new(big.Int).GCD(nil, nil, key.N, smallPrimes).Cmp(big.NewInt(1)) != 0:
			return weakKey("the modulus has a small factor")
		}
		return nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() || sm2.IsSM2PublicKey(key) {
			return nil
		}
		return weakKey("elliptic curve %s is not one of P-256, P-384 and SM2", key.Params().Name)
	}
	return weakKey("it is neither RSA nor on an elliptic curve")
}

// keyHash identifies a public key.
func keyHash(spki []byte) []byte {
	sum := sha256.Sum256(spki)
	return sum[:]
}

// fits checks a request against the authority that is to sign it: the kind of
// key and the rules for subjects (enos §4.3).
func (c *csr) fits(a *authority) error {
	if err := a.takesKey(c.key); err != nil {
		return err
	}
	if len(c.subject) > maxSubject {
		return badSubject("it is longer than %d bytes", maxSubject)
	}
	rdns, err := parseDN(c.subject)
	if err != nil {
		return badSubject("it is malformed")
	}
	if err := checkAttributes(rdns); err != nil {
		return err
	}
	c.cn, c.text = valuesOf(rdns, oidCommonName)[0], rdns.String()
	if c.old {
		return nil // firmware that renews without a request can change nothing after a rollover
	}
	for _, oid := range []asn1.ObjectIdentifier{oidCountry, oidState, oidOrganisation} {
		if own := valuesOf(a.subject, oid); len(own) > 0 && !slices.Equal(own, valuesOf(rdns, oid)) {
			return badSubject("%s must be %q, as in the authority's certificate", labelOf(oid), own[0])
		}
	}
	return nil
}

func labelOf(oid asn1.ObjectIdentifier) string {
	for _, a := range attributes {
		if a.oid.Equal(oid) {
			return a.label
		}
	}
	return oid.String()
}

// checkAttributes holds a subject against the rules that need no authority.
func checkAttributes(rdns pkix.RDNSequence) error {
	for _, set := range rdns {
		if len(set) != 1 {
			return badSubject("several values share one place (RDN)")
		}
		if err := checkAttribute(set[0]); err != nil {
			return err
		}
	}
	for _, a := range attributes {
		n := len(valuesOf(rdns, a.oid))
		if n == 0 {
			return badSubject("%s is missing; C, ST, L, O, OU and CN are needed", a.label)
		}
		if n > 1 && a.label != "OU" {
			return badSubject("%s stands more than once", a.label)
		}
	}
	return nil
}

// maxOther bounds attributes that no rule names, such as an email address.
const maxOther = 255

func checkAttribute(a pkix.AttributeTypeAndValue) error {
	label, longest := labelOf(a.Type), maxOther
	if label != a.Type.String() {
		longest = maxAttribute
	}
	text, ok := a.Value.(string)
	switch {
	case !ok || !isPlainText(text):
		return badSubject("%s is not plain text", label)
	case text == "":
		return badSubject("%s is empty", label)
	case utf8.RuneCountInString(text) > longest:
		return badSubject("%s is longer than %d characters", label, longest)
	case a.Type.Equal(oidCommonName) && text != strings.Join(strings.Fields(text), " "):
		return badSubject("CN has spaces at an end, or several together") // they do not count when names are compared (RFC 5280 §7.1)
	case a.Type.Equal(oidCountry) && !isCountry(text):
		return badSubject("C must be two letters")
	}
	return nil
}

// csrOf takes subject and key of a certificate, for one that follows it without
// a new request (enos §1.2).
func csrOf(der []byte) (*csr, error) {
	c, err := smx509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the old certificate: %w", err)
	}
	return &csr{subject: c.RawSubject, spki: c.RawSubjectPublicKeyInfo, key: c.PublicKey, old: true}, checkKey(c.PublicKey)
}

// CommonName reads the common name of a request, which is checked as Issue does,
// but not against an authority.
func CommonName(text []byte) (string, error) {
	c, err := parseCSR(text)
	if err != nil {
		return "", err
	}
	rdns, err := parseDN(c.subject)
	if err != nil {
		return "", badSubject("it is malformed")
	}
	names := valuesOf(rdns, oidCommonName)
	if len(names) != 1 {
		return "", badSubject("CN must stand once")
	}
	return names[0], nil
}
