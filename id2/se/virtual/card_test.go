package virtual

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"github.com/emmansun/gmsm/cbcmac"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/se"
)

var testID = []byte("\x00\xAA\xAB\xBB\x11\x12\x22\x81\xFE\x15\xB4\x00")

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newApplet returns an empty card and an applet on it.
func newApplet(t testing.TB, style Style) (*Card, *se.Applet) {
	t.Helper()
	card := New(rand.Reader, Config{Style: style, Vendor: se.Nationz, Version: [8]byte{1, 2}, ID: testID})
	applet := must[*se.Applet](t)(se.Open(card))
	t.Cleanup(func() { applet.Close() })
	return card, applet
}

// eachStyle runs a test on a card of every style.
func eachStyle(t *testing.T, test func(t *testing.T, card *Card, applet *se.Applet)) {
	for _, style := range []Style{Direct, T0, T0Exact} {
		t.Run(fmt.Sprint(style), func(t *testing.T) {
			card, applet := newApplet(t, style)
			test(t, card, applet)
		})
	}
}

func wantStatus(t *testing.T, err error, want se.Status) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestInformation(t *testing.T) {
	eachStyle(t, func(t *testing.T, card *Card, applet *se.Applet) {
		vendor, id, err := applet.ID()
		if err != nil || vendor != se.Nationz || !bytes.Equal(id, testID) {
			t.Errorf("%X, %x, %v", vendor, id, err)
		}
		info := must[se.VendorInfo](t)(applet.VendorInfo())
		if info.String() != "3DES,AES,SM4,RSA,SM2,SHA-1,SHA-224,SHA-256,SHA-384,SHA-512,SM3" || info.Free != capacity || info.Version[1] != 2 {
			t.Errorf("%+v", info)
		}
		for _, n := range []int{4, 16} {
			if c := must[[]byte](t)(applet.Challenge(n)); len(c) != n || !bytes.Equal(c, card.challenge) {
				t.Errorf("challenge %x", c)
			}
		}
		must[[]byte](t)(applet.Digest(se.SHA1, nil))
		if card.challenge != nil {
			t.Error("challenge outlived a command")
		}
	})
}

func TestDigest(t *testing.T) {
	eachStyle(t, func(t *testing.T, _ *Card, applet *se.Applet) {
		for d := se.SHA1; d <= se.SM3; d++ {
			for _, n := range []int{0, 1, 240, 241, 480, se.MaxChain} {
				data := bytes.Repeat([]byte{byte(n)}, n)
				h := digests[d]()
				h.Write(data)
				if got := must[[]byte](t)(applet.Digest(d, data)); !bytes.Equal(got, h.Sum(nil)) {
					t.Errorf("%d over %d bytes: %x", d, n, got)
				}
			}
		}
	})
}

// storeBlockKeys puts a symmetric key of each kind under its type's number.
func storeBlockKeys(t *testing.T, applet *se.Applet, raw []byte) {
	t.Helper()
	for kind, tag := range blockTags {
		err := applet.StoreKey(testID, se.StoredKey{Type: kind, KID: byte(kind), Fields: []se.Field{{Tag: tag, Value: raw}}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSymmetric(t *testing.T) {
	eachStyle(t, func(t *testing.T, _ *Card, applet *se.Applet) {
		storeBlockKeys(t, applet, []byte("0123456789abcdef"))
		for a, kind := range symmetricTypes {
			if a.MAC() {
				checkMAC(t, applet, a, byte(kind))
				continue
			}
			for _, n := range []int{16, 224, 240, 256, 1024, 4096} {
				r := se.SymmetricRequest{
					Mode: se.Encrypt, Algorithm: a, KID: byte(kind),
					IV: bytes.Repeat([]byte{9}, a.IVSize()), Data: bytes.Repeat([]byte("x"), n),
				}
				plain := r.Data
				r.Data = must[[]byte](t)(applet.SymmetricCrypt(r))
				r.Mode = se.Decrypt
				if got := must[[]byte](t)(applet.SymmetricCrypt(r)); !bytes.Equal(got, plain) || bytes.Equal(r.Data, plain) {
					t.Errorf("%02X over %d bytes: %x", a, n, got)
				}
			}
		}
	})
}

func checkMAC(t *testing.T, applet *se.Applet, a se.Symmetric, kid byte) {
	t.Helper()
	for _, n := range []int{1, 7, 16, 300, 4000} {
		r := se.SymmetricRequest{
			Mode: se.Sign, Algorithm: a, KID: kid,
			IV: make([]byte, a.IVSize()), Data: bytes.Repeat([]byte("m"), n),
		}
		r.MAC = must[[]byte](t)(applet.SymmetricCrypt(se.SymmetricRequest{Mode: r.Mode, Algorithm: a, KID: kid, IV: r.IV, Data: r.Data}))
		r.Mode = se.Verify
		if _, err := applet.SymmetricCrypt(r); err != nil {
			t.Errorf("%02X over %d bytes: %v", a, n, err)
		}
		r.MAC[0] ^= 1
		_, err := applet.SymmetricCrypt(r)
		wantStatus(t, err, se.StatusData)
	}
}

// The MAC of method 2 is that of an independent implementation.
func TestMACKnown(t *testing.T) {
	_, applet := newApplet(t, Direct)
	raw := []byte("0123456789abcdef")
	storeBlockKeys(t, applet, raw)
	block := must[interface {
		BlockSize() int
		Encrypt(dst, src []byte)
		Decrypt(dst, src []byte)
	}](t)(aes.NewCipher(raw))
	for _, n := range []int{1, 15, 16, 17, 250} {
		data := bytes.Repeat([]byte("q"), n)
		got := must[[]byte](t)(applet.SymmetricCrypt(se.SymmetricRequest{
			Mode: se.Sign, Algorithm: se.AESMAC2, KID: byte(se.KeyAES), IV: make([]byte, 16), Data: data,
		}))
		if want := cbcmac.NewCBCMAC(block, 16).MAC(data); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
	}
}

func TestSM2(t *testing.T) {
	eachStyle(t, func(t *testing.T, card *Card, applet *se.Applet) {
		made := must[se.PublicKey](t)(applet.GenerateKeyPair(se.KeySM2, 5, 256))
		read := must[se.PublicKey](t)(applet.PublicKey(se.KeySM2, 5, 256))
		if !bytes.Equal(made.X, read.X) || !bytes.Equal(made.Y, read.Y) || len(made.X) != 32 {
			t.Errorf("%x, %x", made, read)
		}
		msg := bytes.Repeat([]byte("message"), 100)
		signature := must[[]byte](t)(applet.AsymmetricCrypt(se.Sign, se.SM2SM3, 5, msg))
		public := card.keys[5].pair.Public()
		if !public.Verify(id2.SM3, msg, signature) {
			t.Error("signature refused")
		}
		must[[]byte](t)(applet.AsymmetricCrypt(se.Verify, se.SM2SM3, 5, append(msg, signature...)))
		_, err := applet.AsymmetricCrypt(se.Verify, se.SM2SM3, 5, append(msg[1:], signature...))
		wantStatus(t, err, se.StatusData)
		sealed := must[[]byte](t)(applet.AsymmetricCrypt(se.Encrypt, se.SM2SM3, 5, msg))
		if got := must[[]byte](t)(applet.AsymmetricCrypt(se.Decrypt, se.SM2SM3, 5, sealed)); !bytes.Equal(got, msg) {
			t.Errorf("decrypted %x", got)
		}
		sealed[70] ^= 1
		_, err = applet.AsymmetricCrypt(se.Decrypt, se.SM2SM3, 5, sealed)
		wantStatus(t, err, se.StatusData)
	})
}

// RSA of 2048 bits has results that do not fit one answer.
func TestRSA(t *testing.T) {
	eachStyle(t, func(t *testing.T, _ *Card, applet *se.Applet) {
		for kid, bits := range []uint16{1024, 2048} {
			parts := must[se.PublicKey](t)(applet.GenerateKeyPair(se.KeyRSA, byte(kid), bits))
			key := rsa.PublicKey{N: new(big.Int).SetBytes(parts.N), E: int(new(big.Int).SetBytes(parts.E).Int64())}
			msg := bytes.Repeat([]byte("message"), 100)
			signature := must[[]byte](t)(applet.AsymmetricCrypt(se.Sign, se.RSASHA256, byte(kid), msg))
			digest := sha256.Sum256(msg)
			if err := rsa.VerifyPKCS1v15(&key, crypto.SHA256, digest[:], signature); err != nil {
				t.Error(err)
			}
			must[[]byte](t)(applet.AsymmetricCrypt(se.Verify, se.RSASHA256, byte(kid), append(msg, signature...)))
			_, err := applet.AsymmetricCrypt(se.Verify, se.RSASHA384, byte(kid), append(msg, signature...))
			wantStatus(t, err, se.StatusData)
			checkRaw(t, applet, byte(kid), int(bits)/8)
		}
	})
}

func checkRaw(t *testing.T, applet *se.Applet, kid byte, size int) {
	t.Helper()
	plain := append(make([]byte, size-2), 7, 8)
	sealed := must[[]byte](t)(applet.AsymmetricCrypt(se.Encrypt, se.RSARaw, kid, plain))
	if got := must[[]byte](t)(applet.AsymmetricCrypt(se.Decrypt, se.RSARaw, kid, sealed)); !bytes.Equal(got, plain) {
		t.Errorf("raw: %x", got)
	}
	_, err := applet.AsymmetricCrypt(se.Decrypt, se.RSARaw, kid, bytes.Repeat([]byte{0xFF}, size))
	wantStatus(t, err, se.StatusData)
	_, err = applet.AsymmetricCrypt(se.Decrypt, se.RSARaw, kid, sealed[1:])
	wantStatus(t, err, se.StatusLength)
}

func TestStorage(t *testing.T) {
	eachStyle(t, func(t *testing.T, card *Card, applet *se.Applet) {
		for _, n := range []int{1, 300, se.MaxBusinessData} {
			data := bytes.Repeat([]byte{byte(n)}, n)
			if err := applet.StoreData(testID, 3, data); err != nil {
				t.Fatal(err)
			}
			if got := must[[]byte](t)(applet.ReadData(testID, 3)); !bytes.Equal(got, data) {
				t.Errorf("read %d of %d bytes", len(got), n)
			}
		}
		if err := applet.StoreData(testID, 4, make([]byte, se.MaxBusinessData)); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, applet.StoreData(testID, 5, []byte{1}), se.StatusNoSpace)
		_, err := applet.ReadData(testID, 5)
		wantStatus(t, err, se.StatusRecordNotFound)
		wantStatus(t, applet.StoreData(testID[1:], 3, []byte{1}), se.StatusIDWritten)

		aes := se.StoredKey{Type: se.KeyAES, Fields: []se.Field{{Tag: se.TagAES, Value: make([]byte, 16)}}}
		if err := applet.StoreKey(testID, aes); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, applet.StoreKey(testID, aes), se.StatusKeyExists)
		card.Finish()
		aes.KID = 1
		wantStatus(t, applet.StoreKey(testID, aes), se.StatusSecurity)
	})
}

// A card without an id takes that of the first key.
func TestStorageID(t *testing.T) {
	card := New(rand.Reader, Config{})
	applet := must[*se.Applet](t)(se.Open(card))
	_, _, err := applet.ID()
	wantStatus(t, err, se.StatusRecordNotFound)
	storeBlockKeys(t, applet, make([]byte, 16))
	if _, id, err := applet.ID(); err != nil || !bytes.Equal(id, testID) {
		t.Errorf("%x, %v", id, err)
	}
}

func TestStoragePairs(t *testing.T) {
	_, applet := newApplet(t, Direct)
	sm2 := must[id2.PrivateKey](t)(id2.GeneratePrivateKey(rand.Reader, id2.SM2))
	der := sm2.Bytes()
	d := der[bytes.Index(der, []byte{0x02, 1, 1, 0x04, 32})+5:][:32]
	x, y := point(sm2)
	stored := se.StoredKey{Type: se.KeySM2, KID: 1, Fields: []se.Field{{Tag: se.TagSM2X, Value: x}, {Tag: se.TagSM2Y, Value: y}, {Tag: se.TagSM2D, Value: d}}}
	if err := applet.StoreKey(testID, stored); err != nil {
		t.Error(err)
	}
	stored.KID, stored.Fields[0].Value = 2, y
	wantStatus(t, applet.StoreKey(testID, stored), se.StatusData)

	key := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	stored = se.StoredKey{Type: se.KeyRSA, KID: 3, Fields: []se.Field{
		{Tag: se.TagRSAN, Value: key.N.Bytes()}, {Tag: se.TagRSAE, Value: []byte{1, 0, 1}}, {Tag: se.TagRSAD, Value: key.D.Bytes()},
	}}
	if err := applet.StoreKey(testID, stored); err != nil {
		t.Error(err)
	}
	signature := must[[]byte](t)(applet.AsymmetricCrypt(se.Sign, se.RSASHA512, 3, []byte("m")))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA512, sum(crypto.SHA512, []byte("m")), signature); err != nil {
		t.Error(err)
	}
	stored.KID, stored.Fields[2].Value = 4, key.N.Bytes()
	wantStatus(t, applet.StoreKey(testID, stored), se.StatusData)
	wantStatus(t, applet.StoreKey(testID, se.StoredKey{Type: se.KeySM9, KID: 9}), se.StatusKeyType)
}

func TestRemove(t *testing.T) {
	card, applet := newApplet(t, Direct)
	card.Remove()
	if _, _, err := applet.ID(); !errors.Is(err, ErrRemoved) || !errors.Is(err, se.ErrSession) {
		t.Error(err)
	}
	if _, err := se.Open(card); !errors.Is(err, ErrRemoved) || !errors.Is(err, se.ErrSession) {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	card, applet := newApplet(t, Direct)
	card.Lock()
	_, _, err := applet.ID()
	wantStatus(t, err, se.StatusLocked)
	_, err = se.Open(card)
	wantStatus(t, err, se.StatusDeactivated)
}

func TestSetKey(t *testing.T) {
	card, _ := newApplet(t, Direct)
	for _, a := range id2.Algorithms() {
		err := card.SetKey(byte(a), must[id2.PrivateKey](t)(id2.GeneratePrivateKey(rand.Reader, a)))
		curve := a == id2.Secp192k1 || a == id2.Secp224k1 || a == id2.Secp256k1 || a == id2.P256
		if curve != errors.Is(err, id2.ErrAlgorithm) {
			t.Errorf("%v: %v", a, err)
		}
	}
}
