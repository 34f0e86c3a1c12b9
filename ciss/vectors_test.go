package ciss

import (
	"bytes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
	"github.com/emmansun/gmsm/smx509"
)

// vectorChannel returns the channel of an envelope vector. The vectors' answers
// have two orders of members.
func vectorChannel(t *testing.T, v envelopeVector) *Channel {
	t.Helper()
	return newTestChannel(t, func(s *Settings) {
		s.IV, s.Signature = v.IV, v.Variant
		if v.Kind == "return" && v.Plaintext[2] == 't' {
			s.Order = []string{nameTime, nameDesc, nameSignature}
		}
	})
}

func TestEnvelopeVectorsOpen(t *testing.T) {
	v := loadVectors(t)
	if hex.EncodeToString(testKey[:]) != v.Envelope.KeyHex || v.Envelope.AppID != testAppID {
		t.Fatal("the vectors are of another app")
	}
	for i, v := range v.Envelope.Cases {
		t.Run(fmt.Sprint(i, v.Kind, v.Variant, v.IV), func(t *testing.T) {
			c := vectorChannel(t, v)
			padded, err := c.unseal(v.Value)
			if err != nil {
				t.Fatal(err)
			}
			if plain, ok := unpad(bytes.Clone(padded)); !ok || string(plain) != v.Plaintext {
				t.Errorf("plaintext %q, want %q", plain, v.Plaintext)
			}
			sealed, err := decodeText(v.Value)
			if v.IV == IVPrefix {
				sealed = sealed[blockSize:]
			}
			if err != nil || len(sealed) != v.CipherBytes {
				t.Errorf("%d bytes of ciphertext, %v, want %d", len(sealed), err, v.CipherBytes)
			}
			var signature string
			if v.Kind == "scan" {
				m, err := c.OpenScan(v.Value, testTime)
				signature = m.Signature
				if err != nil || m.AuthID != testAuthID || m.Status != StatusScanned || !m.Time.Equal(testTime) {
					t.Errorf("%+v, %v", m, err)
				}
			} else {
				m, err := c.OpenResponse(v.Value, testTime)
				signature = m.Signature
				if err != nil || m.Desc == "" || !m.Time.Equal(testTime) {
					t.Errorf("%+v, %v", m, err)
				}
			}
			if signature != v.Signature {
				t.Errorf("signature %q, want %q", signature, v.Signature)
			}
		})
	}
}

func TestEnvelopeVectorsSeal(t *testing.T) {
	for i, v := range loadVectors(t).Envelope.Cases {
		t.Run(fmt.Sprint(i, v.Kind, v.Variant, v.IV), func(t *testing.T) {
			c := vectorChannel(t, v)
			c.random = bytes.NewReader(unhex(t, "00112233445566778899aabbccddeeff"))
			var got string
			var err error
			if v.Kind == "scan" {
				got, err = c.SealScan(Scan{AuthID: testAuthID, Status: StatusScanned, Time: testTime})
			} else {
				got, err = c.SealResponse(Response{Desc: v.SignString[:len(v.SignString)-len(timeLayout)], Time: testTime})
			}
			if err != nil || got != v.Value {
				t.Errorf("%q, %v, want %q", got, err, v.Value)
			}
			if digest := sm3.Sum([]byte(v.SignString)); hex.EncodeToString(digest[:]) != v.SM3 {
				t.Errorf("SM3 %x, want %s", digest, v.SM3)
			}
		})
	}
}

// TestStandardVectors checks what this package takes from elsewhere.
func TestStandardVectors(t *testing.T) {
	v := loadVectors(t).Standard
	for _, h := range v.SM3 {
		if digest := sm3.Sum([]byte(h.Msg)); hex.EncodeToString(digest[:]) != h.Hash {
			t.Errorf("SM3(%q) = %x", h.Msg, digest)
		}
	}
	mac := hmac.New(sm3.New, unhex(t, v.HMAC.Key))
	mac.Write([]byte(v.HMAC.Msg))
	if got := hex.EncodeToString(mac.Sum(nil)); got != v.HMAC.Mac {
		t.Errorf("HMAC-SM3 = %s", got)
	}
	block, err := sm4.NewCipher(unhex(t, v.SM4.CBC.Key))
	if err != nil {
		t.Fatal(err)
	}
	text := unhex(t, v.SM4.CBC.Plaintext)
	cipher.NewCBCEncrypter(block, unhex(t, v.SM4.CBC.IV)).CryptBlocks(text, text)
	if hex.EncodeToString(text) != v.SM4.CBC.Ciphertext {
		t.Errorf("SM4-CBC = %x", text)
	}
	text = unhex(t, v.SM4.ECB.Plaintext)
	block.Encrypt(text, text)
	if hex.EncodeToString(text) != v.SM4.ECB.Ciphertext {
		t.Errorf("SM4 = %x", text)
	}
}

func TestSM2Vector(t *testing.T) {
	v := loadVectors(t).Standard.SM2
	public, err := sm2.NewPublicKey(unhex(t, v.Pub))
	if err != nil {
		t.Fatal(err)
	}
	key := &signerKey{PublicKey: public}
	if got := hex.EncodeToString(key.za(v.ID)); got != v.ZA {
		t.Errorf("ZA = %s", got)
	}
	s := DefaultSettings()
	if got := hex.EncodeToString(s.digest(key, []byte(v.Msg))); got != v.E {
		t.Errorf("e = %s", got)
	}
	signature, err := ParseSignature(unhex(t, v.R+v.S), s.SignForms)
	if err != nil || !signature.verify(&s, key, []byte(v.Msg)) {
		t.Errorf("the standard's signature is not accepted: %v", err)
	}
	if signature.verify(&s, key, []byte("message digesT")) {
		t.Error("the signature is accepted for another message")
	}
}

// TestForeignSignatures verifies signatures that Go, Node and OpenSSL made, as
// whole login messages.
func TestForeignSignatures(t *testing.T) {
	v := loadVectors(t).PKI
	ca, err := smx509.ParseCertificate(unhex(t, v.CA))
	if err != nil {
		t.Fatal(err)
	}
	trust := newTrust(t, TrustOptions{Roots: []*smx509.Certificate{ca}, Cache: 8})
	c := newTestChannel(t, nil)
	for name, data := range map[string]string{"go": v.GoDER, "go raw": v.GoRaw, "node": v.NodeDER, "openssl": v.OpenSSLSigned} {
		m := LoginVerify{AuthID: v.AuthID, SignCert: v.User, SignData: data}
		if chain, err := c.CheckLogin(&m, trust, certTime); err != nil || len(chain) != 2 || chain[0].Subject.CommonName == "" {
			t.Errorf("%s: %v", name, err)
		}
		m.AuthID = "x" + m.AuthID[1:]
		if _, err := c.CheckLogin(&m, trust, certTime); !rejected(err, WhySignature) {
			t.Errorf("%s: another authId: %v", name, err)
		}
	}
	key, err := sm2.NewPrivateKey(unhex(t, v.UserD))
	if err != nil {
		t.Fatal(err)
	}
	user, err := smx509.ParseCertificate(unhex(t, v.User))
	if err != nil || !key.PublicKey.Equal(user.PublicKey.(*ecdsa.PublicKey)) {
		t.Errorf("the user's key is not that of the certificate: %v", err)
	}
}

// TestSignerKeyRemembersByUserID asks for the ZA of one user id after another's.
func TestSignerKeyRemembersByUserID(t *testing.T) {
	key := &signerKey{PublicKey: &newKey(t).PublicKey}
	for _, id := range []string{DefaultUserID, "", DefaultUserID, "another", DefaultUserID} {
		if !bytes.Equal(key.za(id), za(key.PublicKey, id)) {
			t.Errorf("ZA of %q is another's", id)
		}
	}
}
