package id2

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

func TestAlgorithms(t *testing.T) {
	names := "aes128 aes192 aes256 3des112 3des168 sm4 rsa1024 rsa2048 sm2 secp192k1 secp224k1 secp256k1 p256"
	var got []string
	for _, a := range Algorithms() {
		got = append(got, a.String())
		if back, err := ParseAlgorithm(a.String()); err != nil || back != a || !a.Valid() {
			t.Errorf("%v: %v, %v", a, back, err)
		}
		if a.Symmetric() != (a.KeySize() > 0) {
			t.Errorf("%v: symmetric %v, key of %d bytes", a, a.Symmetric(), a.KeySize())
		}
	}
	if strings.Join(got, " ") != names {
		t.Errorf("got %v", got)
	}
	for _, a := range []Algorithm{0, P256 + 1, 255} {
		if a.Valid() || a.Symmetric() || a.AllowedHash(SHA256) || a.AllowedHash(MD5) || !strings.HasPrefix(a.String(), "Algorithm(") {
			t.Errorf("%d counts for something", a)
		}
	}
}

func TestAllowedHash(t *testing.T) {
	want := map[Algorithm]string{
		AES128: "sha1,sha256", AES192: "sha1,sha256", AES256: "sha1,sha256", TDES112: "sha1,sha256", TDES168: "sha1,sha256",
		SM4: "sm3", SM2: "sm3", RSA1024: "md5,sha1,sha256", RSA2048: "md5,sha1,sha256",
		Secp192k1: "sha256", Secp224k1: "sha256", Secp256k1: "sha256", P256: "sha256",
	}
	for _, a := range Algorithms() {
		var set HashSet
		for h := range Hash(255) {
			if a.AllowedHash(h) {
				set = set.With(h)
			}
		}
		if set.String() != want[a] {
			t.Errorf("%v: %v, want %s", a, set, want[a])
		}
	}
}

func TestHashes(t *testing.T) {
	for h := MD5; h <= SM3; h++ {
		if back, err := ParseHash(h.String()); err != nil || back != h {
			t.Errorf("%v: %v, %v", h, back, err)
		}
		var set HashSet
		if set.Has(h) || !set.With(h).Has(h) || set.With(h).String() != h.String() {
			t.Errorf("set of %v", h)
		}
	}
	if _, err := ParseHash("SHA256"); !errors.Is(err, ErrHash) {
		t.Errorf("upper case: %v", err)
	}
	var none HashSet
	if none.With(4) != 0 || none.With(255) != 0 || HashSet(255).Has(4) || none.String() != "" || Hash(4).String() != "Hash(4)" {
		t.Error("a digest that is none counts for something")
	}
}

func TestCodes(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range Codes() {
		if !strings.HasPrefix(c.String(), "Code") || c.Message() == "" || seen[c.String()] || seen[c.Message()] {
			t.Errorf("%d: %s, %s", int(c), c, c.Message())
		}
		seen[c.String()], seen[c.Message()] = true, true
	}
	if len(Codes()) != 37 {
		t.Errorf("%d codes", len(Codes()))
	}
	if CodeOK.String() != "CodeOK" || Code(1).String() != "Code(1)" || Code(1).Message() != "unknown result code" {
		t.Error("names")
	}
}

func TestDeriveLimits(t *testing.T) {
	key, _ := NewSymmetricKey(AES128, make([]byte, 16))
	tdesKey, _ := NewSymmetricKey(TDES112, make([]byte, 16))
	private := testKeys()[P256]
	public := private.Public()
	aes, tdes, p256 := key.Deriver(benchID), tdesKey.Deriver(benchID), public.Deriver(benchID)
	long := strings.Repeat("s", MaxSeedLength)
	for name, c := range map[string]struct{ got, want error }{
		"no seed":            {second(aes.Secret("")), ErrDerive},
		"longest seed":       {second(aes.Secret(long)), nil},
		"seed of 129":        {second(aes.Secret(long + "s")), ErrDeriveExcess},
		"secret of P-256":    {second(p256.Secret("s")), ErrAlgorithm},
		"empty seed derives": {second(aes.Key("", 32)), nil},
		"derive seed of 129": {second(aes.Key(long+"s", 32)), ErrDeriveExcess},
		"derive 0":           {second(aes.Key("s", 0)), ErrDerive},
		"derive 33":          {second(aes.Key("s", 33)), ErrDerive},
		"derive of P-256":    {second(p256.Key("s", 1)), ErrAlgorithm},
		"encrypt":            {second(aes.Encrypt("s", make([]byte, 1024))), nil},
		"encrypt, no seed":   {second(aes.Encrypt("", make([]byte, 1))), nil},
		"encrypt nothing":    {second(aes.Encrypt("s", nil)), ErrDerive},
		"encrypt 1025":       {second(aes.Encrypt("s", make([]byte, 1025))), ErrDeriveExcess},
		"encrypt, long seed": {second(aes.Encrypt(long+"s", []byte("x"))), ErrDeriveExcess},
		"encrypt with 3DES":  {second(tdes.Encrypt("s", []byte("x"))), ErrAlgorithm},
		"TOTP":               {second(aes.TOTP(1, 1800, 16, 99)), nil},
		"TOTP in 1970":       {second(aes.TOTP(0, 1800, 16, 99)), ErrDerive},
		"TOTP before 1970":   {second(aes.TOTP(-1, 180, 6, 0)), ErrDerive},
		"TOTP step 179":      {second(aes.TOTP(1, 179, 6, 0)), ErrDerive},
		"TOTP step 1801":     {second(aes.TOTP(1, 1801, 6, 0)), ErrDerive},
		"TOTP length 5":      {second(aes.TOTP(1, 180, 5, 0)), ErrDerive},
		"TOTP length 17":     {second(aes.TOTP(1, 180, 17, 0)), ErrDerive},
		"TOTP index 100":     {second(aes.TOTP(1, 180, 6, 100)), ErrDerive},
		"TOTP of P-256":      {second(p256.TOTP(1, 180, 6, 0)), ErrAlgorithm},
		"index of 5":         {second(TOTPIndex("12345")), ErrDerive},
		"index of 17":        {second(TOTPIndex(strings.Repeat("1", 17))), ErrDerive},
		"index of letters":   {second(TOTPIndex("1234x6")), ErrDerive},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

func TestTOTPIndex(t *testing.T) {
	key, _ := NewSymmetricKey(AES128, make([]byte, 16))
	d := key.Deriver(benchID)
	for length := 6; length <= 16; length++ {
		for index := range 100 {
			code, err := d.TOTP(1512022279, 0, length, index)
			if err != nil || len(code) != length {
				t.Fatalf("length %d: %q, %v", length, code, err)
			}
			if got, err := TOTPIndex(code); err != nil || got != index {
				t.Errorf("index in %s: %d, %v; want %d", code, got, err, index)
			}
		}
	}
}

func TestAsymmetricServerCode(t *testing.T) {
	forEachKey(t, func(t *testing.T, a Algorithm, private PrivateKey, public Key) {
		h := a.NativeHash()
		code, err := private.ServerCode(rand.Reader, h, benchID, "challenge", []byte("extra"), true)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckServerCode(public.Verify, h, benchID, "challenge", []byte("extra"), true, code); err != nil {
			t.Error(err)
		}
		if err := CheckServerCode(public.Verify, h, benchID, "challenge", []byte("extrA"), true, code); !errors.Is(err, ErrServerCode) {
			t.Errorf("another extra: %v", err)
		}
		_, err = public.ServerCode(h, benchID, "challenge", nil, false)
		if (err == nil) != a.Symmetric() || (err != nil && !errors.Is(err, ErrAlgorithm)) {
			t.Errorf("with the public key: %v", err)
		}
		if _, err := private.ServerCode(rand.Reader, h, benchID, "", nil, false); err != ErrDeviceChallenge {
			t.Errorf("no challenge: %v", err)
		}
	})
}

func FuzzPublicKeyDER(f *testing.F) {
	for _, a := range Algorithms() {
		if private := testKeys()[a]; !a.Symmetric() {
			f.Add(uint8(a), private.Public().Bytes())
			f.Add(uint8(a), private.Bytes())
		}
	}
	f.Fuzz(func(t *testing.T, a uint8, der []byte) {
		key, err := NewPublicKey(Algorithm(a), der)
		if err == nil {
			again, err := NewPublicKey(Algorithm(a), key.Bytes())
			if err != nil || !again.Equal(key) {
				t.Errorf("does not round trip: %v", err)
			}
			key.Verify(key.Algorithm().NativeHash(), der, der)
			_, _ = key.Encrypt(rand.Reader, []byte("x"))
		}
		if private, err := NewPrivateKey(Algorithm(a), der); err == nil && !Algorithm(a).Symmetric() {
			again, err := NewPrivateKey(Algorithm(a), private.Bytes())
			if err != nil || !again.Public().Equal(private.Public()) {
				t.Errorf("private key does not round trip: %v", err)
			}
		}
	})
}

func FuzzDecrypt(f *testing.F) {
	for _, a := range Algorithms() {
		private := testKeys()[a]
		public := private.Public()
		ciphertext, err := public.Encrypt(rand.Reader, []byte("plain"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(a), ciphertext)
	}
	f.Fuzz(func(t *testing.T, a uint8, ciphertext []byte) {
		private, ok := testKeys()[Algorithm(a)]
		if !ok {
			return
		}
		plain, err := private.Decrypt(ciphertext)
		switch {
		case err == nil && len(plain) > len(ciphertext):
			t.Errorf("%d bytes from %d", len(plain), len(ciphertext))
		case err != nil && err != ErrCiphertextLong && err != ErrCiphertextLength && err != ErrDecrypt:
			t.Errorf("unexpected error %v", err)
		}
	})
}
