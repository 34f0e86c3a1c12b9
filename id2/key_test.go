package id2

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

// testKeys holds one key per algorithm; RSA takes long to make.
var testKeys = sync.OnceValue(func() map[Algorithm]PrivateKey {
	keys := make(map[Algorithm]PrivateKey)
	for _, a := range Algorithms() {
		key, err := GeneratePrivateKey(rand.Reader, a)
		if err != nil {
			panic(err)
		}
		keys[a] = key
	}
	return keys
})

// forEachKey runs a subtest per algorithm.
func forEachKey(t *testing.T, test func(t *testing.T, a Algorithm, private PrivateKey, public Key)) {
	for _, a := range Algorithms() {
		t.Run(a.String(), func(t *testing.T) {
			private := testKeys()[a]
			test(t, a, private, private.Public())
		})
	}
}

func TestSignAndVerify(t *testing.T) {
	sizes := map[Algorithm]int{TDES112: 40, TDES168: 40, RSA1024: 128, RSA2048: 256, Secp192k1: 48, Secp224k1: 56, SM2: 64, Secp256k1: 64, P256: 64}
	forEachKey(t, func(t *testing.T, a Algorithm, private PrivateKey, public Key) {
		msg := []byte("the message")
		want := sizes[a]
		if want == 0 {
			want = 48
		}
		for h := MD5; h <= SM3+1; h++ {
			signature, err := private.Sign(rand.Reader, h, msg)
			if !a.AllowedHash(h) {
				if !errors.Is(err, ErrHash) {
					t.Errorf("%v: %v, want ErrHash", h, err)
				}
				continue
			}
			if err != nil || !public.Verify(h, msg, signature) {
				t.Fatalf("%v: own signature refused, %v", h, err)
			}
			checkTampered(t, public, AuthCode{Hash: h, Signature: signature}, msg)
			for _, fill := range []byte{0, 1, 0xff} {
				if public.Verify(h, msg, bytes.Repeat([]byte{fill}, len(signature))) {
					t.Errorf("%v: accepted a signature of %#x", h, fill)
				}
			}
			if h == a.NativeHash() && len(signature) != want {
				t.Errorf("%d bytes, want %d", len(signature), want)
			}
		}
		if !a.AllowedHash(a.NativeHash()) {
			t.Error("native hash not allowed")
		}
	})
}

func TestEncryptAndDecrypt(t *testing.T) {
	forEachKey(t, func(t *testing.T, a Algorithm, private PrivateKey, public Key) {
		for _, n := range []int{0, 1, 7, 8, 15, 16, 17, 100, 117, 118, 245, 246, 480, 4000, 4095, 4096, 5000} {
			plain := bytes.Repeat([]byte{'x'}, n)
			size := public.CiphertextSize(n)
			ciphertext, err := public.Encrypt(rand.Reader, plain)
			if size < 0 {
				if !errors.Is(err, ErrPlaintext) {
					t.Errorf("%d bytes: %v, want ErrPlaintext", n, err)
				}
				continue
			}
			if err != nil || len(ciphertext) != size {
				t.Fatalf("%d bytes: %d, %v, want %d", n, len(ciphertext), err, size)
			}
			if got, err := private.Decrypt(ciphertext); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes: decrypted %x, %v", n, got, err)
			}
		}
		for _, n := range []int{-1, MaxCiphertextLength + 1, 1 << 62} {
			if got := public.CiphertextSize(n); got != -1 {
				t.Errorf("CiphertextSize(%d) = %d", n, got)
			}
		}
		room := map[Algorithm]int{RSA1024: 117, RSA2048: 245}
		if most := room[a]; most > 0 && (public.CiphertextSize(most) < 0 || public.CiphertextSize(most+1) >= 0) {
			t.Errorf("the limit is not at %d bytes", most)
		}
	})
}

func TestDecryptRefuses(t *testing.T) {
	forEachKey(t, func(t *testing.T, a Algorithm, private PrivateKey, public Key) {
		good, err := public.Encrypt(rand.Reader, []byte("attack at dawn"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := private.Decrypt(make([]byte, MaxCiphertextLength+1)); err != ErrCiphertextLong {
			t.Errorf("too long: %v", err)
		}
		for name, bad := range map[string][]byte{"nothing": nil, "short": good[:len(good)-1], "long": append(good[:len(good):len(good)], 0), "one byte": {4}} {
			if got, err := private.Decrypt(bad); err != ErrCiphertextLength && err != ErrDecrypt {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if a.Symmetric() {
			return
		}
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 1
			if got, err := private.Decrypt(bad); err == nil && bytes.Equal(got, []byte("attack at dawn")) {
				t.Errorf("byte %d changed: decrypted to the same", i)
			} else if err == nil && a != RSA1024 && a != RSA2048 {
				t.Errorf("byte %d changed: decrypted to %q", i, got)
			}
		}
	})
}

// TestECIESMode0 opens the form that the vendor's root of trust also opens.
func TestECIESMode0(t *testing.T) {
	private := testKeys()[Secp256k1]
	curve := pufCurve(Secp256k1)
	peer, err := curve.ParsePublicKey(private.Public().public.(pufPublic).key.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	ephemeral, _ := curve.GenerateKey(rand.Reader)
	z, _ := ephemeral.ECDH(peer)
	plain := []byte("mode 0")
	encKey, macKey := eciesKeys(eciesMacFirst, z, len(plain))
	body := make([]byte, len(plain))
	for i := range plain {
		body[i] = plain[i] ^ encKey[i]
	}
	envelope := append([]byte{0x48, 1, 0, 0}, ephemeral.Public().Bytes()...)
	envelope = eciesTag(append(envelope, body...), macKey, body)
	if got, err := private.Decrypt(envelope); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestKeyRoundTrip(t *testing.T) {
	forEachKey(t, func(t *testing.T, a Algorithm, private PrivateKey, public Key) {
		encoded := public.Bytes()
		again, err := newKey(a, encoded)
		if err != nil || !again.Equal(public) || !bytes.Equal(again.Bytes(), encoded) || again.Algorithm() != a {
			t.Fatalf("public: %v", err)
		}
		privateAgain, err := NewPrivateKey(a, private.Bytes())
		if err != nil || !bytes.Equal(privateAgain.Bytes(), private.Bytes()) || !privateAgain.Public().Equal(public) {
			t.Fatalf("private: %v", err)
		}
		text, err := private.MarshalPEM()
		if a.Symmetric() {
			if err != ErrAlgorithm {
				t.Errorf("MarshalPEM: %v", err)
			}
		} else {
			fromPEM, err2 := ParsePrivateKeyPEM(a, text)
			publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded})
			publicAgain, err3 := ParsePublicKeyPEM(a, publicPEM)
			if err != nil || err2 != nil || err3 != nil || !fromPEM.Public().Equal(public) || !publicAgain.Equal(public) {
				t.Errorf("PEM: %v, %v, %v", err, err2, err3)
			}
		}
		for _, b := range Algorithms() {
			other := testKeys()[b]
			if b != a && public.Equal(other.Public()) {
				t.Errorf("equal to a key for %v", b)
			}
			if _, err := newKey(b, encoded); err == nil && b != a && len(encoded) != b.KeySize() {
				t.Errorf("taken for a key for %v", b)
			}
		}
	})
}

// newKey reads what Key.Bytes gave.
func newKey(a Algorithm, encoded []byte) (Key, error) {
	if a.Symmetric() {
		return NewSymmetricKey(a, encoded)
	}
	return NewPublicKey(a, encoded)
}

// TestStandardEncodings reads and writes what the standard library does.
func TestStandardEncodings(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	spki, _ := x509.MarshalPKIXPublicKey(&p256.PublicKey)
	sec1, _ := x509.MarshalECPrivateKey(p256)
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(p256)
	public, err := NewPublicKey(P256, spki)
	if err != nil || !bytes.Equal(public.Bytes(), spki) {
		t.Fatalf("SPKI: %x, %v", public.Bytes(), err)
	}
	for _, der := range [][]byte{sec1, pkcs8} {
		private, err := NewPrivateKey(P256, der)
		if err != nil || !private.Public().Equal(public) || !bytes.Equal(private.Bytes(), pkcs8) {
			t.Errorf("private: %v", err)
		}
	}
	params := append(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{5, 0}}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...)
	if private, err := ParsePrivateKeyPEM(P256, params); err != nil || !private.Public().Equal(public) {
		t.Errorf("with EC PARAMETERS: %v", err)
	}
	rsaKey := testKeys()[RSA1024].private.(rsaPrivate).key
	block := &pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)}
	private := testKeys()[RSA1024]
	if key, err := ParsePublicKeyPEM(RSA1024, pem.EncodeToMemory(block)); err != nil || !key.Equal(private.Public()) {
		t.Errorf("PKCS#1: %v", err)
	}
	if _, err := ParsePublicKeyPEM(P256, pem.EncodeToMemory(block)); !errors.Is(err, ErrKey) {
		t.Errorf("PKCS#1 for P-256: %v", err)
	}
}

func TestKeysRefused(t *testing.T) {
	rsaDER := func(n *big.Int, e int) []byte {
		der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: e})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	n := testKeys()[RSA1024].private.(rsaPrivate).key.N
	even := new(big.Int).Sub(n, big.NewInt(1))
	half := new(big.Int).Rsh(n, 1)
	half.SetBit(half, 0, 1)
	point := func(a Algorithm, fill byte) []byte {
		return append([]byte{4}, bytes.Repeat([]byte{fill}, 2*map[Algorithm]int{Secp192k1: 24, Secp224k1: 28}[a]+boolSize(a))...)
	}
	private := testKeys()[SM2]
	sm2DER := private.Public().Bytes()
	for name, c := range map[string]struct {
		a   Algorithm
		der []byte
	}{
		"rsa of another size":  {RSA2048, rsaDER(n, 65537)},
		"rsa one bit short":    {RSA1024, rsaDER(half, 65537)},
		"rsa even modulus":     {RSA1024, rsaDER(even, 65537)},
		"rsa exponent 1":       {RSA1024, rsaDER(n, 1)},
		"rsa exponent even":    {RSA1024, rsaDER(n, 65536)},
		"rsa exponent huge":    {RSA1024, rsaDER(n, 1<<31+1)},
		"p256 point off curve": {P256, marshalSPKI(P256, point(P256, 1))},
		"sm2 point off curve":  {SM2, marshalSPKI(SM2, point(SM2, 1))},
		"k1 point off curve":   {Secp192k1, marshalSPKI(Secp192k1, point(Secp192k1, 1))},
		"k1 point of zeros":    {Secp224k1, marshalSPKI(Secp224k1, point(Secp224k1, 0))},
		"k1 coordinates >= p":  {Secp256k1, marshalSPKI(Secp256k1, point(Secp256k1, 0xff))},
		"infinity":             {Secp256k1, marshalSPKI(Secp256k1, []byte{0})},
		"another curve":        {Secp256k1, sm2DER},
		"bytes after the key":  {SM2, append(bytes.Clone(sm2DER), 0)},
		"cut":                  {SM2, sm2DER[:len(sm2DER)-1]},
		"nothing":              {SM2, nil},
		"nothing, rsa":         {RSA1024, nil},
		"an EC key for rsa":    {RSA1024, marshalSPKI(P256, point(P256, 1))},
		"very long":            {SM2, make([]byte, 1<<20)},
		"unused bits in point": {SM2, oddBits(sm2DER)},
	} {
		if _, err := NewPublicKey(c.a, c.der); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := NewPrivateKey(c.a, c.der); !errors.Is(err, ErrKey) {
			t.Errorf("%s, private: %v", name, err)
		}
	}
}

// boolSize completes the coordinates of the 256-bit curves.
func boolSize(a Algorithm) int {
	if a == Secp192k1 || a == Secp224k1 {
		return 0
	}
	return 64
}

// oddBits marks one bit of the point as unused.
func oddBits(der []byte) []byte {
	var info ecSPKI
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil
	}
	info.Point.BitLength--
	info.Point.Bytes[len(info.Point.Bytes)-1] &^= 1
	out, _ := asn1.Marshal(info)
	return out
}

func TestPrivateKeysRefused(t *testing.T) {
	order, _ := hex.DecodeString("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141")
	noCurve, _ := asn1.Marshal(ecSEC1{Version: 1, Scalar: []byte{1}})
	version2, _ := asn1.Marshal(ecSEC1{Version: 2, Scalar: []byte{1}, Curve: oidP256})
	otherCurve, _ := asn1.Marshal(ecSEC1{Version: 1, Scalar: []byte{1}, Curve: oidSM2})
	for name, c := range map[string]struct {
		a   Algorithm
		der []byte
	}{
		"scalar 0":         {Secp256k1, marshalECPrivate(Secp256k1, make([]byte, 32), nil)},
		"scalar n":         {Secp256k1, marshalECPrivate(Secp256k1, order, nil)},
		"scalar too long":  {Secp256k1, marshalECPrivate(Secp256k1, make([]byte, 33), nil)},
		"p256 scalar 0":    {P256, marshalECPrivate(P256, make([]byte, 32), nil)},
		"p256 no scalar":   {P256, marshalECPrivate(P256, nil, nil)},
		"p256 long scalar": {P256, marshalECPrivate(P256, make([]byte, 40), nil)},
		"sm2 scalar 0":     {SM2, marshalECPrivate(SM2, make([]byte, 32), nil)},
		"sm2 long scalar":  {SM2, marshalECPrivate(SM2, bytes.Repeat([]byte{1}, 40), nil)},
		"names no curve":   {P256, noCurve},
		"version 2":        {P256, version2},
		"another curve":    {P256, otherCurve},
		"very long":        {P256, make([]byte, 1<<20)},
	} {
		if _, err := NewPrivateKey(c.a, c.der); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrongAlgorithm(t *testing.T) {
	for name, err := range map[string]error{
		"symmetric of RSA":  second(NewSymmetricKey(RSA1024, nil)),
		"symmetric of none": second(NewSymmetricKey(0, nil)),
		"public of AES":     second(NewPublicKey(AES128, nil)),
		"private of none":   second(NewPrivateKey(0, nil)),
		"private of 200":    second(NewPrivateKey(200, nil)),
		"PEM of AES":        second(ParsePrivateKeyPEM(AES128, nil)),
		"PEM of none":       second(ParsePrivateKeyPEM(0, nil)),
		"generate none":     second(GeneratePrivateKey(rand.Reader, 0)),
		"public PEM of AES": second(ParsePublicKeyPEM(AES128, []byte("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"))),
		"name":              second(ParseAlgorithm("AES128")),
	} {
		if !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []int{0, 15, 17, 32} {
		if _, err := NewSymmetricKey(AES128, make([]byte, n)); !errors.Is(err, ErrKey) {
			t.Errorf("AES-128 with %d bytes: %v", n, err)
		}
	}
	for _, text := range []string{"", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", strings.Repeat("-", 10000)} {
		if _, err := ParsePublicKeyPEM(SM2, []byte(text)); !errors.Is(err, ErrKey) {
			t.Errorf("public PEM %.20q: %v", text, err)
		}
		if _, err := ParsePrivateKeyPEM(SM2, []byte(text)); !errors.Is(err, ErrKey) {
			t.Errorf("private PEM %.20q: %v", text, err)
		}
	}
}

// second returns the error of a constructor.
func second[T any](_ T, err error) error { return err }

func TestZeroKey(t *testing.T) {
	var key Key
	var private PrivateKey
	_, errEncrypt := key.Encrypt(rand.Reader, nil)
	_, errDecrypt := private.Decrypt(make([]byte, 16))
	_, errSign := private.Sign(rand.Reader, SHA256, nil)
	if key.Verify(SHA256, nil, nil) || key.CiphertextSize(1) != -1 || errEncrypt == nil || errDecrypt == nil || errSign == nil {
		t.Error("the zero key does something")
	}
	if len(key.Bytes()) != 0 || !key.Equal(Key{}) || private.Algorithm() != 0 {
		t.Error("the zero key is not empty")
	}
}

// TestKeySize: a server keeps keys by the hundred million.
func TestKeySize(t *testing.T) {
	if size := unsafe.Sizeof(Key{}); size > 64 {
		t.Errorf("a Key has %d bytes", size)
	}
}

// TestKeysDoNotPrint looks for the key's bytes in everything that fmt and slog
// make of it.
func TestKeysDoNotPrint(t *testing.T) {
	raw := bytes.Repeat([]byte{0xA5}, 16)
	private, err := NewPrivateKey(AES128, raw)
	if err != nil {
		t.Fatal(err)
	}
	key := private.Public()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, key, &key, private, &private)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("key", "key", key, "pointer", &key, "private", private)
	}
	for _, form := range []string{string(raw), "a5a5", "A5A5", "165 165", "165,165", "0xa5, 0xa5", base64OfA5} {
		if strings.Contains(out.String(), form) {
			t.Errorf("output holds the key as %q", form)
		}
	}
	if !strings.Contains(out.String(), "id2.Key(aes128)") {
		t.Error("output does not name the algorithm")
	}
}

// base64OfA5 is the start of the base64 of repeated A5 bytes.
const base64OfA5 = "paWl"

func TestSM2Encodings(t *testing.T) {
	private := testKeys()[SM2]
	key := private.Public()
	msg := []byte("either encoding")
	raw, err := private.Sign(rand.Reader, SM3, msg)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := sm2RawToASN1(raw)
	if !key.Verify(SM3, msg, raw) || !key.Verify(SM3, msg, der) {
		t.Error("one encoding refused")
	}
	twin := bytes.Clone(raw)
	order, _ := hex.DecodeString("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123")
	s := new(big.Int).SetBytes(raw[32:])
	s.Sub(new(big.Int).SetBytes(order), s).FillBytes(twin[32:])
	negative := bytes.Clone(der)
	negative[4] ^= 0x80
	for name, bad := range map[string][]byte{
		"twin":           twin,
		"DER and a byte": append(bytes.Clone(der), 0),
		"DER cut":        der[:len(der)-1],
		"zeros":          make([]byte, 64),
		"r = 0":          append(make([]byte, 32), raw[32:]...),
		"s = 0":          append(bytes.Clone(raw[:32]), make([]byte, 32)...),
		"s = n":          append(bytes.Clone(raw[:32]), order...),
		"ones":           bytes.Repeat([]byte{0xff}, 64),
		"long form":      append([]byte{0x30, 0x81, der[1]}, der[2:]...),
		"sign changed":   negative,
		"empty sequence": {0x30, 0},
	} {
		if key.Verify(SM3, msg, bad) {
			t.Errorf("accepted: %s", name)
		}
	}
}

// TestRSAPadding: signatures with the right digest in a wrong frame.
func TestRSAPadding(t *testing.T) {
	key := testKeys()[RSA1024].private.(rsaPrivate).key
	private := testKeys()[RSA1024]
	public := private.Public()
	msg := []byte("frame")
	good, err := private.Sign(nil, SHA256, msg)
	if err != nil {
		t.Fatal(err)
	}
	open := new(big.Int).Exp(new(big.Int).SetBytes(good), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, 128))
	sign := func(frame []byte) []byte {
		return new(big.Int).Exp(new(big.Int).SetBytes(frame), key.D, key.N).FillBytes(make([]byte, 128))
	}
	if !public.Verify(SHA256, msg, sign(open)) {
		t.Fatal("the good frame is refused")
	}
	plusN := new(big.Int).Add(new(big.Int).SetBytes(good), key.N)
	forged := append([]byte{0, 1, 0xff, 0}, open[128-51:]...)
	forged = append(forged, make([]byte, 128-len(forged))...)
	type2 := bytes.Clone(open)
	type2[1] = 2
	bare := bytes.Repeat([]byte{0xff}, 128)
	bare[0], bare[1], bare[95] = 0, 1, 0
	copy(bare[96:], open[96:])
	for name, frame := range map[string][]byte{"short padding": forged, "block type 2": type2, "no DigestInfo": bare} {
		if public.Verify(SHA256, msg, sign(frame)) {
			t.Errorf("accepted: %s", name)
		}
	}
	if len(plusN.Bytes()) == 128 && public.Verify(SHA256, msg, plusN.Bytes()) {
		t.Error("accepted: s + n")
	}
}
