package ciss

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
)

// vectors is testdata/ciss.json.
type vectors struct {
	Envelope struct {
		KeyHex string `json:"key_hex"`
		AppID  string `json:"appId"`
		Cases  []envelopeVector
	}
	PKI struct {
		CA            string `json:"ca_der"`
		User          string `json:"user_der"`
		UserD         string `json:"user_d"`
		AuthID        string `json:"authId"`
		GoDER         string `json:"signdata_go_der"`
		GoRaw         string `json:"signdata_go_raw"`
		NodeDER       string `json:"signdata_node_der"`
		OpenSSLSigned string `json:"signdata_openssl_der"`
	}
	Standard struct {
		SM3  []struct{ Hash, Msg string }
		HMAC struct{ Key, Mac, Msg string }                   `json:"hmac_sm3"`
		SM2  struct{ D, E, K, Pub, R, S, ZA, ID, Msg string } `json:"sm2"`
		SM4  struct {
			CBC struct {
				Ciphertext string `json:"ct_nopad"`
				IV, Key    string
				Plaintext  string `json:"pt"`
			}
			ECB struct {
				Ciphertext string `json:"ct"`
				Key        string
				Plaintext  string `json:"pt"`
			}
		}
	}
}

type envelopeVector struct {
	CipherBytes int    `json:"cipher_bytes"`
	IV          IVMode `json:"iv"`
	Kind        string
	Plaintext   string
	SignString  string `json:"sign_string"`
	Signature   string
	SM3         string
	Value       string
	Variant     Variant
}

var readVectors = sync.OnceValues(func() (*vectors, error) {
	data, err := os.ReadFile("testdata/ciss.json")
	if err != nil {
		return nil, err
	}
	v := new(vectors)
	return v, json.Unmarshal(data, v)
})

func loadVectors(t testing.TB) *vectors {
	t.Helper()
	v, err := readVectors()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testTime is the time of the vectors' messages.
var testTime = time.Date(2024, 1, 1, 19, 4, 5, 0, time.UTC)

// certTime is a time at which the vectors' certificates are valid.
var certTime = time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)

const (
	testAppID  = "1010000000000099"
	testAuthID = "5f3c2a9e8b7d4c61a0e1f2d3c4b5a697"
)

var testKey = Key{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10}

// newTestChannel returns a channel with the default settings but for what
// change changes.
func newTestChannel(t testing.TB, change func(*Settings)) *Channel {
	t.Helper()
	s := DefaultSettings()
	if change != nil {
		change(&s)
	}
	c, err := NewChannel(testAppID, testKey, s, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testCA is an authority made at run time.
type testCA struct {
	cert *smx509.Certificate
	key  *sm2.PrivateKey
}

func newKey(t testing.TB) *sm2.PrivateKey {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newCA makes an authority, signed by parent or by itself.
func newCA(t testing.TB, name string, parent *testCA, change func(*smx509.Certificate)) *testCA {
	t.Helper()
	template := &smx509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: certTime.AddDate(-1, 0, 0), NotAfter: certTime.AddDate(9, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: smx509.KeyUsageCertSign | smx509.KeyUsageCRLSign}
	if change != nil {
		change(template)
	}
	ca := &testCA{key: newKey(t)}
	signer := parent
	if parent == nil {
		signer = &testCA{template, ca.key}
	}
	ca.cert = signer.sign(t, template, &ca.key.PublicKey)
	return ca
}

func (ca *testCA) sign(t testing.TB, template *smx509.Certificate, public any) *smx509.Certificate {
	t.Helper()
	der, err := smx509.CreateCertificate(rand.Reader, template, ca.cert, public, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue makes a user's certificate.
func (ca *testCA) issue(t testing.TB, serial int64, public any, change func(*smx509.Certificate)) *smx509.Certificate {
	t.Helper()
	template := &smx509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "张三"},
		NotBefore: certTime.AddDate(0, -1, 0), NotAfter: certTime.AddDate(1, 0, 0), KeyUsage: smx509.KeyUsageDigitalSignature}
	if change != nil {
		change(template)
	}
	return ca.sign(t, template, public)
}

// revoke makes a revocation list.
func (ca *testCA) revoke(t testing.TB, until time.Time, change func(*smx509.RevocationList), serials ...int64) *smx509.RevocationList {
	t.Helper()
	template := &smx509.RevocationList{Number: big.NewInt(1), ThisUpdate: certTime.AddDate(0, -1, 0), NextUpdate: until}
	for _, s := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			smx509.RevocationListEntry{SerialNumber: big.NewInt(s), RevocationTime: certTime.AddDate(0, 0, -1)})
	}
	if change != nil {
		change(template)
	}
	der, err := smx509.CreateRevocationList(rand.Reader, template, ca.cert, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	list, err := smx509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func newTrust(t testing.TB, o TrustOptions) *Trust {
	t.Helper()
	trust, err := NewTrust(o)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}
