package id2

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vectorFile is the part of testdata/id2.json that this package is about.
type vectorFile struct {
	PEMKeys    map[string]string `json:"pem_keys"`
	DeviceAuth []deviceVector    `json:"device_auth"`
	ServerAuth []serverVector    `json:"server_auth"`
	Decrypt    []decryptVector   `json:"decrypt"`
	Derived    []derivedVector   `json:"derived"`
}

// keyVector names a key in one of the file's several ways.
type keyVector struct {
	KeyType string `json:"key_type"`
	KeyHex  string `json:"key_hex"`
	PEM     string `json:"pem"`
	PubHex  string `json:"pub_hex"`
	PrivHex string `json:"priv_hex"`
	RSAN    string `json:"rsa_n"`
	RSAE    int    `json:"rsa_e"`
}

type deviceVector struct {
	keyVector
	Name     string  `json:"name"`
	Binary   string  `json:"binary"`
	HashID   Hash    `json:"hash_id"`
	ID       string  `json:"id"`
	Mode     string  `json:"mode"`
	Value    string  `json:"value"`
	ExtraHex *string `json:"extra_hex"`
	Type     Kind    `json:"type"`
	AuthCode string  `json:"auth_code"`
}

type serverVector struct {
	keyVector
	Name            string  `json:"name"`
	Case            string  `json:"case"`
	HashID          Hash    `json:"hash_id"`
	ID              string  `json:"id"`
	DeviceChallenge string  `json:"device_challenge"`
	ServerExtra     *string `json:"server_extra"`
	AuthCode        string  `json:"auth_code"`
	Accepted        bool    `json:"accepted"`
}

type decryptVector struct {
	keyVector
	CipherHex string `json:"cipher_hex"`
	PlainHex  string `json:"plain_hex"`
	Accepted  bool   `json:"accepted"`
	Ret       int    `json:"ret"`
	Note      string `json:"note"`
}

type derivedVector struct {
	keyVector
	ID       string `json:"id"`
	Seed     string `json:"seed"`
	Secret   string `json:"secret"`
	Derive16 string `json:"derive16"`
	Derive32 string `json:"derive32"`
	Encrypt  []struct {
		PlainHex  string `json:"plain_hex"`
		CipherB64 string `json:"cipher_b64"`
	} `json:"encrypt"`
	TOTP []struct {
		TS               int64
		Index, Step, Len int
		Out              string
		Ret              int
	} `json:"totp"`
}

var loadVectors = sync.OnceValue(func() vectorFile {
	text, err := os.ReadFile("testdata/id2.json")
	if err != nil {
		panic(err)
	}
	var v vectorFile
	if err := json.Unmarshal(text, &v); err != nil {
		panic(err)
	}
	return v
})

// unhex decodes a test's constant.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (v keyVector) algorithm(t testing.TB) Algorithm {
	t.Helper()
	switch v.KeyType {
	case "SM4":
		return SM4
	case "SM2":
		return SM2
	case "RSA":
		return RSA1024
	case "ECC":
		if v.PEM == "" {
			return Secp256k1
		}
		a, err := ParseAlgorithm(v.PEM)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	name := map[string]string{"AES32": "aes128", "AES48": "aes192", "AES64": "aes256", "3DES32": "3des112", "3DES48": "3des168"}
	a, err := ParseAlgorithm(name[fmt.Sprint(v.KeyType, len(v.KeyHex))])
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// private returns the device's key, and false where the file has only the
// public part.
func (v keyVector) private(t testing.TB) (PrivateKey, bool) {
	t.Helper()
	a := v.algorithm(t)
	var key PrivateKey
	var err error
	switch {
	case v.KeyHex != "":
		key, err = NewPrivateKey(a, unhex(t, v.KeyHex))
	case v.PEM != "":
		key, err = ParsePrivateKeyPEM(a, []byte(loadVectors().PEMKeys[v.PEM]))
	case v.PrivHex != "":
		key, err = NewPrivateKey(a, marshalECPrivate(a, unhex(t, v.PrivHex), nil))
	default:
		return PrivateKey{}, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return key, true
}

// public returns what the server holds, through the public constructors.
func (v keyVector) public(t testing.TB) Key {
	t.Helper()
	a := v.algorithm(t)
	if private, ok := v.private(t); ok {
		return private.Public()
	}
	der := marshalSPKI(a, unhex(t, v.PubHex))
	if v.RSAN != "" {
		n, _ := new(big.Int).SetString(v.RSAN, 16)
		der, _ = x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: v.RSAE})
	}
	key, err := NewPublicKey(a, der)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestDeviceAuthVectors(t *testing.T) {
	for i, v := range loadVectors().DeviceAuth {
		t.Run(fmt.Sprint(i, "/", v.Name), func(t *testing.T) {
			code, err := ParseAuthCode(v.AuthCode)
			if err != nil {
				t.Fatal(err)
			}
			if code.String() != v.AuthCode || code.Kind != v.Type || code.Hash != v.HashID || code.Value != v.Value {
				t.Errorf("parsed to %+v", code)
			}
			if code.Kind.IsTimestamp() != (v.Mode == "timestamp") || code.Kind.HasExtra() != (v.ExtraHex != nil) {
				t.Errorf("kind %d for mode %s", code.Kind, v.Mode)
			}
			var extra []byte
			if v.ExtraHex != nil {
				extra = unhex(t, *v.ExtraHex)
			}
			msg := AppendMessage(nil, v.ID, code.DeviceRandom, code.Value, extra)
			key := v.public(t)
			if !ValidID(v.ID) || !key.Verify(code.Hash, msg, code.Signature) {
				t.Error("not accepted")
			}
			checkTampered(t, key, code, msg)
			checkSameSignature(t, v, code, msg)
		})
	}
}

// checkTampered changes every part of an accepted code in turn.
func checkTampered(t *testing.T, key Key, code AuthCode, msg []byte) {
	t.Helper()
	for i := range code.Signature {
		code.Signature[i] ^= 0x40
		if key.Verify(code.Hash, msg, code.Signature) {
			t.Errorf("accepted with byte %d of the signature changed", i)
		}
		code.Signature[i] ^= 0x40
	}
	for _, sig := range [][]byte{nil, code.Signature[1:], code.Signature[:len(code.Signature)-1], append(code.Signature[:len(code.Signature):len(code.Signature)], 0)} {
		if key.Verify(code.Hash, msg, sig) {
			t.Errorf("accepted with a signature of %d bytes", len(sig))
		}
	}
	for i := range msg {
		msg[i] ^= 1
		if key.Verify(code.Hash, msg, code.Signature) {
			t.Errorf("accepted with byte %d of the message changed", i)
		}
		msg[i] ^= 1
	}
	for h := MD5; h <= SM3+1; h++ {
		if h != code.Hash && key.Verify(h, msg, code.Signature) {
			t.Errorf("accepted with digest %v", h)
		}
	}
}

// checkSameSignature signs again where signatures are deterministic.
func checkSameSignature(t *testing.T, v deviceVector, code AuthCode, msg []byte) {
	t.Helper()
	private, ok := v.private(t)
	if !ok || (!private.Algorithm().Symmetric() && private.Algorithm() != RSA1024) {
		return
	}
	got, err := private.Sign(nil, code.Hash, msg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(code.Signature, got); diff != "" {
		t.Errorf("signature (-want +got):\n%s", diff)
	}
}

func TestServerAuthVectors(t *testing.T) {
	for i, v := range loadVectors().ServerAuth {
		t.Run(fmt.Sprint(i, "/", v.Name, "/", v.Case), func(t *testing.T) {
			key := v.public(t)
			var extra []byte
			if v.ServerExtra != nil {
				extra = []byte(*v.ServerExtra)
			}
			// The digest field is the one the device is built with: the
			// vectors with another digit carry it in the code only.
			err := CheckServerCode(key.Verify, v.HashID, v.ID, v.DeviceChallenge, extra, v.ServerExtra != nil, v.AuthCode)
			if (err == nil) != v.Accepted {
				t.Fatalf("CheckServerCode: %v, want accepted %v", err, v.Accepted)
			}
			if err != nil {
				if !errors.Is(err, ErrServerCode) {
					t.Errorf("error %v does not wrap ErrServerCode", err)
				}
				return
			}
			if key.Algorithm().Symmetric() {
				got, err := key.ServerCode(v.HashID, v.ID, v.DeviceChallenge, extra, v.ServerExtra != nil)
				if err != nil || got != v.AuthCode {
					t.Errorf("ServerCode = %q, %v, want %q", got, err, v.AuthCode)
				}
			}
		})
	}
}

func TestDecryptVectors(t *testing.T) {
	verdicts := map[int]error{-1: ErrDecrypt, -2: ErrCiphertextLength}
	for i, v := range loadVectors().Decrypt {
		t.Run(fmt.Sprint(i, "/", v.KeyType, "/", v.Note), func(t *testing.T) {
			private, _ := v.private(t)
			ciphertext := unhex(t, v.CipherHex)
			plain, err := private.Decrypt(ciphertext)
			if !v.Accepted {
				if want := verdicts[v.Ret]; !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
				return
			}
			if err != nil || hex.EncodeToString(plain) != v.PlainHex {
				t.Fatalf("got %x, %v, want %s", plain, err, v.PlainHex)
			}
			key := private.Public()
			if !key.Algorithm().Symmetric() || v.Note == "bad padding: last byte 0" {
				return
			}
			if got, err := key.Encrypt(nil, plain); err != nil || hex.EncodeToString(got) != v.CipherHex {
				t.Errorf("Encrypt = %x, %v", got, err)
			}
		})
	}
}

func TestDerivedVectors(t *testing.T) {
	for i, v := range loadVectors().Derived {
		t.Run(fmt.Sprint(i, "/", v.KeyType, "/", v.Seed), func(t *testing.T) {
			key := v.public(t)
			d := key.Deriver(v.ID)
			if got, err := d.Secret(v.Seed); err != nil || got != v.Secret {
				t.Errorf("Secret = %s, %v, want %s", got, err, v.Secret)
			}
			for want, n := range map[string]int{v.Derive16: 16, v.Derive32: 32} {
				if got, err := d.Key(v.Seed, n); err != nil || hex.EncodeToString(got) != want {
					t.Errorf("Key(%d) = %x, %v, want %s", n, got, err, want)
				}
			}
			for _, e := range v.Encrypt {
				got, err := d.Encrypt(v.Seed, unhex(t, e.PlainHex))
				if err != nil || base64.StdEncoding.EncodeToString(got) != e.CipherB64 {
					t.Errorf("Encrypt = %x, %v, want %s", got, err, e.CipherB64)
				}
			}
			for _, c := range v.TOTP {
				got, err := d.TOTP(c.TS, c.Step, c.Len, c.Index)
				if (c.Ret == 0) != (err == nil) || got != c.Out {
					t.Errorf("TOTP(%+v) = %s, %v", c, got, err)
				}
				if index, err := TOTPIndex(c.Out); err != nil || index != c.Index {
					t.Errorf("TOTPIndex(%s) = %d, %v, want %d", c.Out, index, err, c.Index)
				}
			}
		})
	}
}
