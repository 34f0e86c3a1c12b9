package ciss

import (
	"bytes"
	"crypto/rand"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"testing"

	"github.com/emmansun/gmsm/pkcs7"
	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
)

// signer is a user with a card.
type signer struct {
	trust *Trust
	cert  *smx509.Certificate
	key   *sm2.PrivateKey
}

func newSigner(t testing.TB) signer {
	t.Helper()
	ca := newCA(t, "Root", nil, nil)
	key := newKey(t)
	cert := ca.issue(t, 0x1234, &key.PublicKey, nil)
	return signer{newTrust(t, TrustOptions{Roots: []*smx509.Certificate{ca.cert}, Cache: 16}), cert, key}
}

func (s signer) der(t testing.TB, settings Settings, message []byte) []byte {
	t.Helper()
	der, err := settings.Sign(rand.Reader, s.key, message)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// rs takes a signature in DER apart.
func rs(t testing.TB, der []byte) (r, s []byte) {
	t.Helper()
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		t.Fatal(err)
	}
	return v.R.FillBytes(make([]byte, fieldSize)), v.S.FillBytes(make([]byte, fieldSize))
}

// p7 signs with the pkcs7 package of gmsm, an implementation other than the
// reader's.
func (s signer) p7(t testing.TB, message []byte, attributes, detached bool) []byte {
	t.Helper()
	sd, err := pkcs7.NewSMSignedData(message)
	if err != nil {
		t.Fatal(err)
	}
	if attributes {
		err = sd.AddSigner(s.cert, s.key, pkcs7.SignerInfoConfig{})
	} else {
		err = sd.SignWithoutAttr(s.cert, s.key, pkcs7.SignerInfoConfig{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if detached {
		sd.Detach()
	}
	der, err := sd.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (s signer) forms(t testing.TB, message []byte) map[SignForm][]byte {
	t.Helper()
	der := s.der(t, DefaultSettings(), message)
	r, v := rs(t, der)
	zeros := make([]byte, fieldSize)
	return map[SignForm][]byte{SignDER: der, SignRaw: append(r, v...), SignSKF: bytes.Join([][]byte{zeros, r, zeros, v}, nil),
		SignPKCS7: s.p7(t, message, true, true)}
}

func TestForms(t *testing.T) {
	s := newSigner(t)
	message := []byte(testAuthID)
	for form, data := range s.forms(t, message) {
		for _, accepted := range signForms {
			c := newTestChannel(t, func(set *Settings) { set.SignForms = []SignForm{accepted} })
			m := LoginVerify{AuthID: testAuthID, SignCert: hex.EncodeToString(s.cert.Raw), SignData: hex.EncodeToString(data)}
			_, err := c.CheckLogin(&m, s.trust, certTime)
			if form == accepted && err != nil || form != accepted && !rejected(err, WhySignData) {
				t.Errorf("%s where %s is accepted: %v", form, accepted, err)
			}
			m.AuthID = "0" + testAuthID[1:]
			if _, err := c.CheckLogin(&m, s.trust, certTime); err == nil {
				t.Errorf("%s: accepted for another authId", form)
			}
		}
	}
}

func TestPKCS7(t *testing.T) {
	s, other := newSigner(t), newSigner(t)
	stranger := newCA(t, "Root", nil, nil).issue(t, 0x1235, &s.key.PublicKey, nil) // the same key, another serial
	settings := DefaultSettings()
	settings.SignForms = []SignForm{SignPKCS7}
	message := []byte(testAuthID)
	for _, attributes := range []bool{false, true} {
		for _, detached := range []bool{false, true} {
			der := s.p7(t, message, attributes, detached)
			p, err := ParseSignature(der, settings.SignForms)
			if err != nil {
				t.Fatalf("attributes %v, detached %v: %v", attributes, detached, err)
			}
			if !p.by(s.cert) || !p.verify(&settings, &signerKey{PublicKey: &s.key.PublicKey}, message) {
				t.Errorf("attributes %v, detached %v: not accepted", attributes, detached)
			}
			if p.by(stranger) || p.verify(&settings, &signerKey{PublicKey: &other.key.PublicKey}, message) || p.verify(&settings, &signerKey{PublicKey: &s.key.PublicKey}, message[1:]) {
				t.Errorf("attributes %v, detached %v: accepted of another signer or message", attributes, detached)
			}
			for i := range der { // no cut is a signedData
				if _, err := parseSignedData(der[:i]); err == nil {
					t.Fatalf("%d of %d bytes are accepted", i, len(der))
				}
			}
			if _, err := parseSignedData(append(der, 0)); err == nil {
				t.Error("a trailing byte is accepted")
			}
		}
	}
}

// TestPKCS7ChangedByte changes every byte once: either it is no signedData any
// more, or not of this signer over this message, or the byte says nothing.
func TestPKCS7ChangedByte(t *testing.T) {
	s := newSigner(t)
	settings := DefaultSettings()
	message := []byte(testAuthID)
	der := s.p7(t, message, true, false)
	p, err := parseSignedData(der)
	if err != nil {
		t.Fatal(err)
	}
	silent := 0
	for i := range der {
		changed := bytes.Clone(der)
		changed[i] ^= 1
		q, err := recognise(changed)
		if err != nil || !q.by(s.cert) || !q.verify(&settings, &signerKey{PublicKey: &s.key.PublicKey}, message) {
			continue
		}
		silent++
		if !bytes.Equal(q.p7.attributes, p.attributes) || !bytes.Equal(q.p7.signature, p.signature) {
			t.Errorf("byte %d of what is signed may change", i)
		}
	}
	// Silent are the certificate inside, versions and algorithm parameters.
	if limit := len(s.cert.Raw) + 60; silent > limit {
		t.Errorf("%d bytes may change, expected at most %d", silent, limit)
	}
}

func TestRefusedSignatures(t *testing.T) {
	s := newSigner(t)
	forms := s.forms(t, []byte(testAuthID))
	der, raw, skf := forms[SignDER], forms[SignRaw], forms[SignSKF]
	edit := func(data []byte, i int, b byte) []byte {
		data = bytes.Clone(data)
		data[i] = b
		return data
	}
	bad := map[string][]byte{
		"nothing":              nil,
		"short r‖s":            raw[:63],
		"long r‖s":             append(bytes.Clone(raw), 0),
		"blob with a high bit": edit(skf, 0, 1),
		"blob with a middle":   edit(skf, 64, 1),
		"DER with a tail":      append(bytes.Clone(der), 0),
		"DER cut":              der[:len(der)-1],
		"DER of one integer":   {0x30, 3, 2, 1, 1},
		"DER of three":         {0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1},
		"negative integer":     {0x30, 6, 2, 1, 0x81, 2, 1, 1},
		"not minimal":          {0x30, 7, 2, 2, 0, 1, 2, 1, 1},
		"indefinite length":    {0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0},
		"33 bytes":             append([]byte{0x30, 38, 2, 33}, append(bytes.Repeat([]byte{0x7f}, 33), 2, 1, 1)...),
	}
	for name, data := range bad {
		if got, err := ParseSignature(data, signForms); !errors.Is(err, ErrSignData) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	settings := DefaultSettings()
	n := sm2.P256().Params().N.Bytes()
	for name, data := range map[string][]byte{"zeros": make([]byte, 64), "r = n": append(n, raw[32:]...), "s = n": append(bytes.Clone(raw[:32]), n...)} {
		p, err := ParseSignature(data, signForms)
		if err != nil || p.verify(&settings, &signerKey{PublicKey: &s.key.PublicKey}, []byte(testAuthID)) {
			t.Errorf("%s: accepted, %v", name, err)
		}
	}
}

// TestSignedForms makes the card sign under each setting and checks under each:
// only the same settings agree.
func TestSignedForms(t *testing.T) {
	s := newSigner(t)
	type choice struct {
		message MessageForm
		digest  DigestForm
		user    string
	}
	choices := []choice{
		{MessageAuthID, DigestZA, DefaultUserID}, {MessageBase64, DigestZA, DefaultUserID}, {MessageHex, DigestZA, DefaultUserID},
		{MessageAuthID, DigestBare, DefaultUserID}, {MessageAuthID, DigestZA, ""}, {MessageAuthID, DigestZA, "ALICE123@YAHOO.COM"},
	}
	for i, by := range choices {
		settings := DefaultSettings()
		settings.Message, settings.Digest, settings.UserID = by.message, by.digest, by.user
		message, err := settings.SignedMessage(testAuthID)
		if err != nil {
			t.Fatal(err)
		}
		m := LoginVerify{AuthID: testAuthID, SignCert: hex.EncodeToString(s.cert.Raw), SignData: hex.EncodeToString(s.der(t, settings, message))}
		for j, asked := range choices {
			c := newTestChannel(t, func(s *Settings) { s.Message, s.Digest, s.UserID = asked.message, asked.digest, asked.user })
			if _, err := c.CheckLogin(&m, s.trust, certTime); i == j && err != nil || i != j && !rejected(err, WhySignature) {
				t.Errorf("signed as %+v, checked as %+v: %v", by, asked, err)
			}
		}
	}
	c := newTestChannel(t, func(s *Settings) { s.Message = MessageHex })
	m := LoginVerify{AuthID: "not-hexadecimal-digits"}
	if _, err := c.CheckLogin(&m, s.trust, certTime); !rejected(err, WhySignature) {
		t.Errorf("authId without hexadecimal digits: %v", err)
	}
}

func TestCheckVerify(t *testing.T) {
	s := newSigner(t)
	c := newTestChannel(t, nil)
	data := []byte("合同 No. 7")
	m := Verify{SrcData: base64.StdEncoding.EncodeToString(data), SignCert: hex.EncodeToString(s.cert.Raw),
		SignData: hex.EncodeToString(s.der(t, c.settings, data))}
	if chain, err := c.CheckVerify(&m, s.trust, certTime); err != nil || !chain[0].Equal(s.cert) {
		t.Error(err)
	}
	m.SrcData = base64.StdEncoding.EncodeToString(data[1:])
	if _, err := c.CheckVerify(&m, s.trust, certTime); !rejected(err, WhySignature) {
		t.Errorf("other data: %v", err)
	}
	m.SrcData = "QQ=Q"
	if _, err := c.CheckVerify(&m, s.trust, certTime); !rejected(err, WhySignature) {
		t.Errorf("no data: %v", err)
	}
}

func TestCertText(t *testing.T) {
	s := newSigner(t)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})
	for _, lenient := range []bool{false, true} {
		c := newTestChannel(t, func(s *Settings) { s.Lenient = lenient })
		m := LoginVerify{AuthID: testAuthID, SignCert: hex.EncodeToString(block), SignData: hex.EncodeToString(s.der(t, c.settings, []byte(testAuthID)))}
		if _, err := c.CheckLogin(&m, s.trust, certTime); lenient && err != nil || !lenient && !rejected(err, WhyCertificate) {
			t.Errorf("PEM, lenient %v: %v", lenient, err)
		}
		m.SignCert = "0x"
		if _, err := c.CheckLogin(&m, s.trust, certTime); !rejected(err, WhyCertificate) {
			t.Errorf("no digits, lenient %v: %v", lenient, err)
		}
	}
}
