package ciss

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
)

// FuzzEnvelope opens anything; what opens, seals to itself.
func FuzzEnvelope(f *testing.F) {
	for _, v := range loadVectors(f).Envelope.Cases {
		f.Add(v.Value, v.IV == IVPrefix)
	}
	f.Add("", false)
	f.Add("%", false)
	f.Add("AAAAAAAAAAAAAAAAAAAAAA==", true)
	f.Fuzz(func(t *testing.T, text string, prefix bool) {
		c := newTestChannel(t, func(s *Settings) {
			if prefix {
				s.IV = IVPrefix
			}
		})
		padded, err := c.unseal(text)
		if err != nil {
			var fault *Fault
			if !errors.As(err, &fault) {
				t.Fatal(err)
			}
			return
		}
		plain, ok := unpad(padded)
		if !ok {
			return
		}
		sealed, err := decodeText(text)
		if err != nil {
			t.Fatal(err)
		}
		c.random = bytes.NewReader(sealed) // the same IV again
		again, err := c.seal(plain)
		if err != nil || again != encodeText(sealed) {
			t.Errorf("sealed again: %q, %v", again, err)
		}
	})
}

// FuzzMessage opens anything as each message, sealed by a peer that holds the key.
func FuzzMessage(f *testing.F) {
	for _, v := range loadVectors(f).Envelope.Cases {
		f.Add(v.Plaintext, false)
		f.Add(v.Plaintext, true)
	}
	f.Add(`"timestamp":"20240102030405"`, true)
	f.Fuzz(func(t *testing.T, plain string, lenient bool) {
		c := newTestChannel(t, func(s *Settings) { s.Lenient = lenient })
		text, err := c.seal([]byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		if m, err := c.OpenScan(text, testTime); err == nil && (!isAuthID(m.AuthID) || !isStatus(string(m.Status))) {
			t.Errorf("%+v", m)
		}
		if m, err := c.OpenLoginVerify(text, testTime); err == nil && (!isHex(m.SignCert) || !isHex(m.SignData)) {
			t.Errorf("%+v", m)
		}
		_, _ = c.OpenVerify(text, testTime)
		_, _ = c.OpenResponse(text, testTime)
	})
}

// FuzzMembers compares the reader with encoding/json: what it reads strictly,
// that reads too and to the same; what it reads leniently it can write and read
// strictly.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":"b","c":null}`, `{"a":"\u6210\ud83d\ude00\\\"","b":"c",}`, `“a”:”b”,“c”:"d",`, `{" a ":"b"}`, "{\"a\":\"\xff\"}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if members, err := parseMembers([]byte(text), false); err == nil {
			var m map[string]*string
			if err := json.Unmarshal([]byte(text), &m); err != nil || len(m) != len(members) {
				t.Fatalf("encoding/json: %v, %d members of %d", err, len(m), len(members))
			}
			for _, x := range members {
				if v := m[x.name]; x.null != (v == nil) || v != nil && *v != x.value {
					t.Errorf("%q: %q, encoding/json reads another value", x.name, x.value)
				}
			}
		}
		members, err := parseMembers([]byte(text), true)
		if err != nil {
			return
		}
		if again, err := parseMembers(appendMembers(nil, members), false); err != nil || describe(again, nil) != describe(members, nil) {
			t.Errorf("written and read again: %v, %v", again, err)
		}
	})
}

// FuzzRequest reads the bodies of requests and answers.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"appId":"1","param":"x%2B"}`))
	f.Add([]byte(`{"statusCode":212,"returnObj":"接入信息不存在"}`))
	f.Add([]byte("{\n \"param\": \"x\",\n \"appId\": \"1\",\n}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := ParseRequest(body, true); err == nil {
			if back, err := ParseRequest(r.Append(nil), false); err != nil && len(body) < MaxBody/8 || err == nil && back != r {
				t.Errorf("%+v read again: %+v, %v", r, back, err)
			}
		}
		if a, err := ParseAnswer(body); err == nil {
			if back, err := ParseAnswer(a.Append(nil)); err != nil || back != a {
				t.Errorf("%+v read again: %+v, %v", a, back, err)
			}
		}
	})
}

// FuzzSignData recognises anything; what is recognised can be verified without
// harm, and DER is kept to the byte.
func FuzzSignData(f *testing.F) {
	v := loadVectors(f).PKI
	s := newSigner(f)
	for _, text := range []string{v.GoDER, v.GoRaw, v.NodeDER, v.OpenSSLSigned} {
		f.Add(unhex(f, text))
	}
	for _, data := range s.forms(f, []byte(testAuthID)) {
		f.Add(data)
	}
	f.Add(s.p7(f, []byte(testAuthID), false, false))
	f.Add(s.p7(f, []byte(testAuthID), true, false))
	settings := DefaultSettings()
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseSignData(hex.EncodeToString(data), signForms)
		if err != nil {
			if !errors.Is(err, ErrSignData) {
				t.Fatal(err)
			}
			return
		}
		if p.Form == SignDER && !bytes.Equal(p.der, data) {
			t.Errorf("%x became %x", data, p.der)
		}
		p.by(s.cert)
		p.verify(&settings, &signerKey{PublicKey: &s.key.PublicKey}, []byte(testAuthID))
	})
}

// FuzzCert checks anything as a certificate: nothing that differs from what an
// authority has signed is trusted.
func FuzzCert(f *testing.F) {
	s := newSigner(f)
	f.Add(s.cert.Raw)
	f.Add(unhex(f, loadVectors(f).PKI.User))
	f.Fuzz(func(t *testing.T, der []byte) {
		if chain, err := s.trust.Check(der, UsageSignature, certTime); err == nil && !bytes.Equal(chain[0].RawTBSCertificate, s.cert.RawTBSCertificate) {
			t.Errorf("trusted: %x", der)
		}
	})
}
