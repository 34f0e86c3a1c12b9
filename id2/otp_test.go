package id2

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// otpVector is one provisioning of a real client, or an official one.
type otpVector struct {
	Binary      string
	Note        string
	Token       string
	FP          string     `json:"fp"`
	Auth        int        `json:"ret_auth"`
	Code        string     `json:"otp_auth"`
	KeyType     OTPKeyType `json:"key_type_in_code"`
	Session     string     `json:"ss_hex"`
	ID          string     `json:"id"`
	Key         string     `json:"key_hex"`
	Data        string     `json:"data_hex"`
	Official    string     `json:"data"`
	Provisioned bool
}

func otpVectors(t testing.TB) (otp, official []otpVector) {
	t.Helper()
	text, err := os.ReadFile("testdata/id2.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		OTP      []otpVector `json:"otp"`
		Official []otpVector `json:"otp_official"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.OTP) < 30 || len(file.Official) != 2 {
		t.Fatalf("%d vectors, %d official ones", len(file.OTP), len(file.Official))
	}
	return file.OTP, file.Official
}

// request is what the vector's device asked for.
func (v otpVector) request(t testing.TB) OTPRequest {
	t.Helper()
	return OTPRequest{KeyType: v.KeyType, SessionKey: [16]byte(unhex(t, v.Session)), Fingerprint: []byte(v.FP)}
}

// checkCode checks both directions of a code.
func (v otpVector) checkCode(t *testing.T) {
	t.Helper()
	token, err := ParseToken(v.Token)
	if err != nil {
		t.Fatal(err)
	}
	raw, ok := DecodeOTP(v.Code)
	code, err := ParseOTPAuthCode(raw)
	if err != nil || !ok || code.KeyHash != token.KeyHash() {
		t.Fatalf("%v, base64 %v", err, ok)
	}
	got, err := code.Open(token)
	want := v.request(t)
	if err != nil || got.KeyType != want.KeyType || got.SessionKey != want.SessionKey || !bytes.Equal(got.Fingerprint, want.Fingerprint) {
		t.Errorf("opened %+v, %v", got, err)
	}
	if again, err := want.AuthCode(token); err != nil || !bytes.Equal(again, raw) {
		t.Errorf("built %x, %v; want %x", again, err, raw)
	}
}

func TestOTPVectors(t *testing.T) {
	vectors, _ := otpVectors(t)
	for _, v := range vectors {
		t.Run(v.Binary+" "+v.Note, func(t *testing.T) {
			if v.Auth != 0 { // -8 is a build without this key type or use type
				if _, err := ParseToken(v.Token); (err == nil) != (v.Auth == -8) {
					t.Errorf("token: %v, the client says %d", err, v.Auth)
				}
				return
			}
			v.checkCode(t)
			if v.Data == "" {
				return
			}
			data, r := unhex(t, v.Data), v.request(t)
			id, key, err := r.OpenProvisionData(data)
			if (err == nil) != v.Provisioned {
				t.Fatalf("opened: %v, the client has been provisioned: %v", err, v.Provisioned)
			}
			if !v.Provisioned {
				return
			}
			public := key.Public()
			if id != v.ID || hex.EncodeToString(public.Bytes()) != v.Key {
				t.Errorf("opened id %s", id)
			}
			if strings.Contains(v.Note, "zero padding") {
				return
			}
			if again, err := r.ProvisionData(id, &public); err != nil || !bytes.Equal(again, data) {
				t.Errorf("built %x, %v; want %x", again, err, data)
			}
		})
	}
}

func TestOfficialOTPVectors(t *testing.T) {
	_, official := otpVectors(t)
	for _, v := range official {
		token, err := ParseToken(v.Token)
		if err != nil {
			t.Fatal(err)
		}
		v.KeyType = token.KeyType
		v.checkCode(t)
		data, r := unhex(t, v.Official), v.request(t)
		id, key, err := r.OpenProvisionData(data)
		if err != nil {
			t.Fatalf("%s: %v", v.Token, err)
		}
		public := key.Public()
		if again, err := r.ProvisionData(id, &public); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s: built %x, %v", v.Token, again, err)
		}
	}
}

func TestOTPKeyTypes(t *testing.T) {
	lengths := map[Algorithm]int{AES128: 89, AES192: 89, AES256: 105, TDES112: 81, TDES168: 89, SM4: 89}
	for _, a := range Algorithms() {
		kind := OTPKeyTypeOf(a)
		if kind != 0 && kind.Algorithm() != a || kind.Provisionable() != a.Symmetric() {
			t.Errorf("%v is key type %d, which is %v", a, kind, kind.Algorithm())
		}
		if !a.Symmetric() {
			continue
		}
		key, err := NewSymmetricKey(a, bytes.Repeat([]byte{7}, a.KeySize()))
		if err != nil {
			t.Fatal(err)
		}
		r := OTPRequest{KeyType: kind, SessionKey: [16]byte{1, 2}, Fingerprint: []byte("f")}
		data, err := r.ProvisionData("00A1B2C3D4E5F60718293A00", &key)
		if err != nil || len(data) != lengths[a] {
			t.Errorf("%v: %d bytes, %v", a, len(data), err)
		}
		_, opened, err := r.OpenProvisionData(data)
		if public := opened.Public(); err != nil || !public.Equal(key) {
			t.Errorf("%v: %v", a, err)
		}
	}
	if OTPSM1.Algorithm() != 0 || OTPKeyType(11).Algorithm() != 0 || OTPKeyTypeOf(0) != 0 {
		t.Error("numbers without an algorithm have one")
	}
}

func TestTokens(t *testing.T) {
	for text, want := range map[string]error{
		"i11ABCDEFGHabcdefgh0123456789ABC":  nil,
		"x11ABCDEFGHabcdefgh0123456789ABC":  nil,
		"i11ABCDEFGHabcdefgh0123456789ABCD": nil,
		"i2100000EBESExQVFhcYGRobHB0eHw==":  nil,
		"":                                  ErrTokenLength,
		"i11ABCDEFGHabcdefgh0123456789AB":   ErrTokenLength,
		"q11ABCDEFGHabcdefgh0123456789ABC":  ErrToken,
		"i31ABCDEFGHabcdefgh0123456789ABC":  ErrTokenUse,
		"i10ABCDEFGHabcdefgh0123456789ABC":  ErrTokenUse,
		"i1:ABCDEFGHabcdefgh0123456789ABC":  ErrTokenUse,
		"i2100000EBESExQVFhcYGRobHB0eH===":  ErrToken,
		"i2100000EBESExQVFhcYGRobHB0eHx4f":  ErrToken,
		"i11" + strings.Repeat("A", 400):    ErrTokenLength,
	} {
		if _, err := ParseToken(text); err != want || err != nil && !errors.Is(err, ErrToken) {
			t.Errorf("%.40q: %v, want %v", text, err, want)
		}
	}
}

// sealed is a code with any plaintext and padding, made with the right hashes.
func sealed(t testing.TB, token Token, plain []byte) []byte {
	t.Helper()
	block, err := token.KeyType.cipher(token.key)
	if err != nil {
		t.Fatal(err)
	}
	keyHash, plainHash := token.KeyHash(), sha256.Sum256(plain)
	code := append(otpVersion[:], keyHash[:]...)
	return append(append(code, plainHash[:]...), encryptECB(block, plain)...)
}

func openCode(token Token, code []byte) error {
	parsed, err := ParseOTPAuthCode(code)
	if err == nil {
		_, err = parsed.Open(token)
	}
	return err
}

func TestOTPAuthCodeRefusals(t *testing.T) {
	token, _ := ParseToken("i11ABCDEFGHabcdefgh0123456789ABC")
	other, _ := ParseToken("i11ABCDEFGHabcdefgh012345X789ABC") // the tail is not part of the key
	foreign, _ := ParseToken("i11ABCDEFGHabcdefgX0123456789ABC")
	good, err := OTPRequest{KeyType: OTPAES128, Fingerprint: []byte("demo-uid")}.AuthCode(token)
	if err != nil || openCode(token, good) != nil || openCode(other, good) != nil {
		t.Fatal(err)
	}
	for i := range good {
		for bit := range 8 {
			damaged := bytes.Clone(good)
			damaged[i] ^= 1 << bit
			if err := openCode(token, damaged); !errors.Is(err, ErrOTPAuthCode) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
		}
		if err := openCode(token, good[:i]); !errors.Is(err, ErrOTPAuthCode) {
			t.Fatalf("%d bytes: %v", i, err)
		}
	}
	prefix := make([]byte, otpPlainPrefix)
	for name, c := range map[string]struct {
		token Token
		code  []byte
		want  error
	}{
		"wrong token":          {foreign, good, ErrOTPAuthCode},
		"one byte more":        {token, append(bytes.Clone(good), 0), ErrOTPAuthCode},
		"one block more":       {token, append(bytes.Clone(good), make([]byte, 16)...), ErrOTPAuthCode},
		"oversized":            {token, make([]byte, 1<<20), ErrOTPAuthCode},
		"no session key":       {token, sealed(t, token, prefix[:5]), ErrOTPAuthCode},
		"no fingerprint":       {token, sealed(t, token, prefix), ErrFingerprint},
		"longest fingerprint":  {token, sealed(t, token, append(prefix, make([]byte, 128)...)), nil},
		"too long fingerprint": {token, sealed(t, token, append(prefix, make([]byte, 129)...)), ErrFingerprint},
	} {
		if err := openCode(c.token, c.code); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for _, n := range []int{0, 129} {
		if _, err := (OTPRequest{KeyType: OTPAES128, Fingerprint: make([]byte, n)}).AuthCode(token); !errors.Is(err, ErrFingerprint) {
			t.Errorf("built with a fingerprint of %d: %v", n, err)
		}
	}
	if _, err := (OTPRequest{KeyType: OTPSM2, Fingerprint: []byte("f")}).AuthCode(token); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("built for SM2: %v", err)
	}
}

func TestProvisionDataRefusals(t *testing.T) {
	const id = "00A1B2C3D4E5F60718293A00"
	key, _ := NewSymmetricKey(AES128, make([]byte, 16))
	r := OTPRequest{KeyType: OTPAES128, SessionKey: [16]byte{1}}
	good, err := r.ProvisionData(id, &key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		damaged := bytes.Clone(good)
		damaged[i] ^= 1
		// The second half of the check's last block is padding, which no client
		// looks at; a change there garbles the whole block.
		if _, _, err := r.OpenProvisionData(damaged); !errors.Is(err, ErrProvisionData) {
			t.Errorf("byte %d: %v", i, err)
		}
		if _, _, err := r.OpenProvisionData(good[:i]); !errors.Is(err, ErrProvisionData) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
	for name, other := range map[string]OTPRequest{
		"another session": {KeyType: OTPAES128, SessionKey: [16]byte{2}},
		"another type":    {KeyType: OTPSM4, SessionKey: r.SessionKey},
		"no type":         {SessionKey: r.SessionKey},
		"asymmetric":      {KeyType: OTPSM2, SessionKey: r.SessionKey},
	} {
		if _, _, err := other.OpenProvisionData(good); !errors.Is(err, ErrProvisionData) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.ProvisionData(id+"00", &key); !errors.Is(err, ErrProvisionData) {
		t.Errorf("id of 26: %v", err)
	}
	r.KeyType = OTPAES256
	if _, err := r.ProvisionData(id, &key); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("key of another type: %v", err)
	}
}

func TestOTPKeysAreNotPrinted(t *testing.T) {
	token, _ := ParseToken("i11ABCDEFGHabcdefgh0123456789ABC")
	r := OTPRequest{KeyType: OTPAES128, SessionKey: [16]byte([]byte("sixteen secrets!"))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if text := fmt.Sprintf(verb+verb, token, r); text != "id2.Token(aes128)id2.OTPRequest(aes128)" {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

func FuzzOTPAuthCode(f *testing.F) {
	vectors, official := otpVectors(f)
	for _, v := range append(vectors, official...) {
		code, _ := base64.StdEncoding.DecodeString(v.Code)
		f.Add(v.Token, code)
	}
	f.Fuzz(func(t *testing.T, text string, code []byte) {
		token, err := ParseToken(text)
		if err != nil {
			return
		}
		parsed, err := ParseOTPAuthCode(code)
		if err != nil {
			return
		}
		r, err := parsed.Open(token)
		if err != nil || !r.KeyType.Provisionable() || (r.KeyType == OTPTDES112 || r.KeyType == OTPTDES168) != (token.KeyType == OTPTDES112 || token.KeyType == OTPTDES168) {
			return
		}
		if again, err := r.AuthCode(token); err != nil || !bytes.Equal(again, code) {
			t.Errorf("a second code for one request: %x, %v", again, err)
		}
	})
}

func FuzzProvisionData(f *testing.F) {
	vectors, _ := otpVectors(f)
	for _, v := range vectors {
		session, _ := hex.DecodeString(v.Session)
		data, _ := hex.DecodeString(v.Data)
		f.Add(uint8(v.KeyType), session, data)
	}
	f.Fuzz(func(t *testing.T, kind uint8, session, data []byte) {
		r := OTPRequest{KeyType: OTPKeyType(kind)}
		copy(r.SessionKey[:], session)
		id, key, err := r.OpenProvisionData(data)
		if err != nil {
			return
		}
		public := key.Public()
		again, err := r.ProvisionData(id, &public)
		if err != nil || len(again) != len(data) {
			t.Errorf("opened, and not built again: %v", err)
		}
	})
}
