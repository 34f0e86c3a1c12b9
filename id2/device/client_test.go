package device

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/hallmark-id/hallmark/id2"
)

const testID = "2122232425262728292A2B2C"

// limitVector is what the vendor's client returned at a limit.
type limitVector struct {
	Binary string  `json:"binary"`
	Note   string  `json:"note"`
	Ret    int     `json:"ret"`
	ID     *string `json:"id"`
}

// challengeVector is a device challenge of the vendor's client and the server
// codes it took for it.
type challengeVector struct {
	Binary   string `json:"binary"`
	Buffer   int    `json:"buffer"`
	Ret      int    `json:"ret"`
	Length   int    `json:"length"`
	Value    string `json:"value"`
	AuthCode string `json:"auth_code"`
	Explicit int    `json:"verify_explicit"`
}

var loadVectors = sync.OnceValue(func() (v struct {
	Limits          []limitVector     `json:"limits"`
	DeviceChallenge []challengeVector `json:"device_challenge"`
}) {
	text, err := os.ReadFile("../testdata/id2.json")
	if err != nil {
		panic(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		panic(err)
	}
	return v
})

// newClient returns a client in memory, and its key.
func newClient(t testing.TB, a id2.Algorithm) (*Client, id2.Key) {
	t.Helper()
	key, err := id2.GeneratePrivateKey(rand.Reader, a)
	if err != nil {
		t.Fatal(err)
	}
	identity := Identity{ID: testID, Hash: a.NativeHash(), Key: key}
	if !a.Symmetric() {
		identity.ServerKey = key.Public()
	}
	carrier := NewMemory(rand.Reader)
	if err := carrier.Set(identity); err != nil {
		t.Fatal(err)
	}
	return NewClient(carrier, rand.Reader), key.Public()
}

// rawCarrier gives out any bytes as the stored id.
type rawCarrier struct {
	Carrier
	id string
}

func (c rawCarrier) ID() (string, error) { return c.id, nil }

// TestLimitVectors holds the client against the vendor's 3.1.0 and against what
// older ones have in common with it.
func TestLimitVectors(t *testing.T) {
	counts := make(map[string]int)
	for _, v := range loadVectors().Limits {
		// Builds with OTP take ids of 24 characters only; 3.x without it
		// up to 48, as this client does.
		otpID := v.Binary == "310-aes" && v.ID == nil && strings.HasPrefix(v.Note, "id of")
		oldLimit := !strings.HasPrefix(v.Binary, "3") && (strings.HasPrefix(v.Note, "decrypt") || strings.HasPrefix(v.Note, "id of"))
		if otpID || oldLimit {
			continue
		}
		counts[strings.Fields(v.Note)[0]]++
		t.Run(v.Binary+"/"+v.Note, func(t *testing.T) {
			if got := Number(tryLimit(t, v)); got != v.Ret {
				t.Errorf("got %d, want %d", got, v.Ret)
			}
		})
	}
	for _, kind := range []string{"decrypt:", "empty", "extra", "33-character", "challenge", "id", "secret", "derive-key"} {
		if counts[kind] == 0 {
			t.Errorf("no vector of kind %q was run", kind)
		}
	}
}

// tryLimit does what the vector's note says.
func tryLimit(t *testing.T, v limitVector) error {
	t.Helper()
	a := map[string]id2.Algorithm{"3des": id2.TDES112, "aes": id2.AES128, "sm4": id2.SM4}[v.Binary[strings.LastIndexByte(v.Binary, '-')+1:]]
	client, key := newClient(t, a)
	var n, size int
	if _, err := fmt.Sscanf(v.Note, "decrypt: %d plain bytes, %d cipher bytes", &n, &size); err == nil {
		ciphertext, err := key.Encrypt(nil, make([]byte, n))
		if err != nil || len(ciphertext) != size {
			t.Fatalf("%d bytes, %v", len(ciphertext), err)
		}
		_, err = client.Decrypt(ciphertext)
		return err
	}
	if _, err := fmt.Sscanf(v.Note, "id of %d characters, get-id", &n); err == nil {
		id, err := NewClient(rawCarrier{id: strings.Repeat("0123456789ABCDEF", 4)[:n]}, nil).ID()
		if err == nil && id != *v.ID {
			t.Errorf("id %s, want %s", id, *v.ID)
		}
		return err
	}
	if _, err := fmt.Sscanf(v.Note, "secret seed %d", &n); err == nil {
		return second(client.Secret(strings.Repeat("s", n)))
	}
	if _, err := fmt.Sscanf(v.Note, "derive-key %d bytes", &n); err == nil {
		return second(client.DeriveKey("s", n))
	}
	var err error
	switch v.Note {
	case "empty challenge":
		_, err = client.ChallengeAuthCode("", nil)
	case "extra of 513 bytes":
		_, err = client.ChallengeAuthCode("c", make([]byte, 513))
	case "33-character timestamp":
		_, err = client.TimestampAuthCode(strings.Repeat("1", 33), nil)
	case "33-character challenge":
		_, err = client.ChallengeAuthCode(strings.Repeat("1", 33), nil)
	case "challenge with a tilde":
		_, err = client.ChallengeAuthCode("not hex ~ tilde", nil)
	default:
		t.Fatalf("unknown note %q", v.Note)
	}
	return err
}

func TestDeviceChallengeVectors(t *testing.T) {
	key, _ := hex.DecodeString("2122232425262728292a2b2c2d2e2f30")
	private, err := id2.NewPrivateKey(id2.AES128, key)
	if err != nil {
		t.Fatal(err)
	}
	carrier := NewMemory(rand.Reader)
	if err := carrier.Set(Identity{ID: testID, Hash: id2.SHA256, Key: private}); err != nil {
		t.Fatal(err)
	}
	client := NewClient(carrier, rand.Reader)
	for _, v := range loadVectors().DeviceChallenge {
		if v.Binary == "310-aes" {
			got, err := client.DeviceChallenge(v.Buffer)
			if Number(err) != v.Ret || len(got) != v.Length {
				t.Errorf("buffer of %d: %q, %v", v.Buffer, got, err)
			}
		}
		// Every generation's answer passes, with the challenge as it is in
		// the code (some vectors show it cut off).
		fields := strings.Split(v.AuthCode, "~")
		if v.AuthCode == "" {
			continue
		}
		if got := Number(client.VerifyServerCode(v.AuthCode, fields[2], nil)); got != v.Explicit || !strings.HasPrefix(fields[2], v.Value) {
			t.Errorf("%s, buffer of %d: server code gave %d, want %d", v.Binary, v.Buffer, got, v.Explicit)
		}
	}
}

// TestEveryAlgorithm goes once around with a server that has the other half.
func TestEveryAlgorithm(t *testing.T) {
	for _, a := range id2.Algorithms() {
		t.Run(a.String(), func(t *testing.T) {
			private, err := id2.GeneratePrivateKey(rand.Reader, a)
			if err != nil {
				t.Fatal(err)
			}
			identity := Identity{ID: testID, Hash: a.NativeHash(), Key: private}
			serverKey := private
			if !a.Symmetric() {
				if serverKey, err = id2.GeneratePrivateKey(rand.Reader, a); err != nil {
					t.Fatal(err)
				}
				identity.ServerKey = serverKey.Public()
			}
			carrier := NewMemory(rand.Reader)
			if err := carrier.Set(identity); err != nil {
				t.Fatal(err)
			}
			client := NewClient(carrier, rand.Reader)
			checkAuthCodes(t, client, private.Public())
			checkServerCode(t, client, serverKey)
			public := private.Public()
			ciphertext, err := public.Encrypt(rand.Reader, []byte("1234"))
			if err != nil {
				t.Fatal(err)
			}
			if plain, err := client.Decrypt(ciphertext); err != nil || string(plain) != "1234" {
				t.Errorf("Decrypt: %q, %v", plain, err)
			}
		})
	}
}

// checkAuthCodes makes all four kinds of codes and checks them as a server does.
func checkAuthCodes(t *testing.T, client *Client, key id2.Key) {
	t.Helper()
	for kind, make := range map[id2.Kind]func() (string, error){
		id2.Challenge:      func() (string, error) { return client.ChallengeAuthCode("C", nil) },
		id2.ChallengeExtra: func() (string, error) { return client.ChallengeAuthCode("C", []byte("a\x00b")) },
		id2.Timestamp:      func() (string, error) { return client.TimestampAuthCode("1512022279204", nil) },
		id2.TimestampExtra: func() (string, error) { return client.TimestampAuthCode("1512022279204", []byte("a\x00b")) },
	} {
		text, err := make()
		if err != nil {
			t.Fatal(err)
		}
		code, err := id2.ParseAuthCode(text)
		if err != nil || code.Kind != kind || code.Hash != key.Algorithm().NativeHash() {
			t.Fatalf("%s: %+v, %v", text, code, err)
		}
		var extra []byte
		if kind.HasExtra() {
			extra = []byte("a\x00\x00")
		}
		msg := id2.AppendMessage(nil, testID, code.DeviceRandom, code.Value, extra)
		if !key.Verify(code.Hash, msg, code.Signature) {
			t.Errorf("kind %d does not verify", kind)
		}
	}
}

func checkServerCode(t *testing.T, client *Client, server id2.PrivateKey) {
	t.Helper()
	challenge, err := client.DeviceChallenge(33)
	if err != nil || len(challenge) != 33 {
		t.Fatalf("%q, %v", challenge, err)
	}
	extra := []byte("server extra")
	code, err := server.ServerCode(rand.Reader, server.Algorithm().NativeHash(), testID, challenge, extra, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.VerifyServerCode(code, challenge, extra); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"no extra":        client.VerifyServerCode(code, challenge, nil),
		"other extra":     client.VerifyServerCode(code, challenge, []byte("server extrA")),
		"other challenge": client.VerifyServerCode(code, challenge[1:], extra),
		"garbage":         client.VerifyServerCode("garbage", challenge, extra),
	} {
		if Number(err) != -1 || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestArgumentsBeforeIdentity: the vendor's client looks at its arguments first.
func TestArgumentsBeforeIdentity(t *testing.T) {
	client := NewClient(NewMemory(rand.Reader), rand.Reader)
	long := strings.Repeat("x", 513)
	_, errID := client.ID()
	for name, c := range map[string]struct {
		err  error
		want Error
	}{
		"id":                  {errID, ErrItemNotFound},
		"challenge":           {second(client.ChallengeAuthCode("c", nil)), ErrItemNotFound},
		"timestamp":           {second(client.TimestampAuthCode("1", []byte("x"))), ErrItemNotFound},
		"no challenge":        {second(client.ChallengeAuthCode("", nil)), ErrBadParameters},
		"challenge with NUL":  {second(client.ChallengeAuthCode("a\x00b", nil)), ErrBadParameters},
		"empty extra":         {second(client.ChallengeAuthCode("c", []byte{})), ErrExcessData},
		"long extra":          {second(client.TimestampAuthCode("1", []byte(long))), ErrExcessData},
		"decrypt":             {second(client.Decrypt(make([]byte, 16))), ErrItemNotFound},
		"decrypt nothing":     {second(client.Decrypt(nil)), ErrBadParameters},
		"decrypt too much":    {second(client.Decrypt(make([]byte, 1025))), ErrExcessData},
		"device challenge":    {second(client.DeviceChallenge(16)), 0},
		"device challenge 0":  {second(client.DeviceChallenge(0)), ErrBadParameters},
		"device challenge -1": {second(client.DeviceChallenge(-1)), ErrBadParameters},
		"server code":         {client.VerifyServerCode("10~2~c~QQ==", "c", nil), ErrItemNotFound},
		"no server code":      {client.VerifyServerCode("", "c", nil), ErrBadParameters},
		"no device challenge": {client.VerifyServerCode("10~2~c~QQ==", "", nil), ErrBadParameters},
		"long challenge":      {client.VerifyServerCode("10~2~c~QQ==", long[:129], nil), ErrExcessData},
		"long server extra":   {client.VerifyServerCode("10~2~c~QQ==", "c", []byte(long)), ErrExcessData},
		"empty server extra":  {client.VerifyServerCode("10~2~c~QQ==", "c", []byte{}), ErrExcessData},
	} {
		if Number(c.err) != int(c.want) {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestDecryptNumbers(t *testing.T) {
	client, key := newClient(t, id2.AES128)
	good, err := key.Encrypt(nil, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := newClient(t, id2.AES128)
	for name, c := range map[string]struct {
		client     *Client
		ciphertext []byte
		want       int
	}{
		"good":        {client, good, 0},
		"not a block": {client, good[1:], -2},
		"too long":    {client, make([]byte, 1040), -4},
	} {
		if _, err := c.client.Decrypt(c.ciphertext); Number(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Under another key one block in 250 happens to have a valid end.
	failed := 0
	for i := range 20 {
		good[0] = byte(i)
		if _, err := other.Decrypt(good); Number(err) == -1 {
			failed++
		}
	}
	if failed < 15 {
		t.Errorf("%d of 20 refused under another key", failed)
	}
}

// brokenCarrier fails in one of its methods.
type brokenCarrier struct {
	Carrier
	hash, sign, verify error
}

func (c brokenCarrier) Hash() (id2.Hash, error) {
	if c.hash != nil {
		return 0, c.hash
	}
	return c.Carrier.Hash()
}

func (c brokenCarrier) Sign(msg []byte) ([]byte, error) {
	if c.sign != nil {
		return nil, c.sign
	}
	return c.Carrier.Sign(msg)
}

func (c brokenCarrier) VerifyServer(msg, signature []byte) error {
	if c.verify != nil {
		return c.verify
	}
	return c.Carrier.VerifyServer(msg, signature)
}

func TestBrokenCarrier(t *testing.T) {
	good, key := newClient(t, id2.AES128)
	code, err := key.ServerCode(id2.SHA256, testID, "c", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	client := func(c brokenCarrier) *Client {
		c.Carrier = good.carrier
		return NewClient(c, rand.Reader)
	}
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"whole":                  {client(brokenCarrier{}).VerifyServerCode(code, "c", nil), 0},
		"no hash":                {second(client(brokenCarrier{hash: ErrTimeout}).ChallengeAuthCode("c", nil)), -10},
		"no hash, server code":   {client(brokenCarrier{hash: ErrTimeout}).VerifyServerCode(code, "c", nil), -10},
		"no link":                {second(client(brokenCarrier{sign: ErrCommunication}).ChallengeAuthCode("c", nil)), -7},
		"no link, server code":   {client(brokenCarrier{verify: ErrCommunication}).VerifyServerCode(code, "c", nil), -7},
		"an error of its own":    {second(client(brokenCarrier{sign: errors.New("x")}).ChallengeAuthCode("c", nil)), -1},
		"no randomness":          {second(NewClient(good.carrier, iotest.ErrReader(errors.New("x"))).ChallengeAuthCode("c", nil)), -1},
		"no randomness at start": {second(NewClient(good.carrier, iotest.ErrReader(errors.New("x"))).DeviceChallenge(8)), -1},
		"id too long":            {second(NewClient(rawCarrier{id: strings.Repeat("A", 49)}, nil).ID()), -1},
		"no id":                  {second(NewClient(rawCarrier{}, nil).ID()), -1},
	} {
		if Number(c.err) != c.want {
			t.Errorf("%s: %v, want %d", name, c.err, c.want)
		}
	}
}

// TestRawID: a chip that stores twelve bytes has an id of 24 digits.
func TestRawID(t *testing.T) {
	raw := "\x00\xaa\xab\xbb\x11\x12\x22\x81\xfe\x15\xb4\x00"
	id, err := NewClient(rawCarrier{id: raw}, nil).ID()
	if err != nil || id != "00AAABBB11122281FE15B400" {
		t.Errorf("%q, %v", id, err)
	}
}

func TestMemorySet(t *testing.T) {
	aes, _ := id2.GeneratePrivateKey(rand.Reader, id2.AES128)
	p256, _ := id2.GeneratePrivateKey(rand.Reader, id2.P256)
	sm2, _ := id2.GeneratePrivateKey(rand.Reader, id2.SM2)
	for name, identity := range map[string]Identity{
		"no id":              {Hash: id2.SHA256, Key: aes},
		"no key":             {ID: testID, Hash: id2.SHA256},
		"hash of others":     {ID: testID, Hash: id2.SM3, Key: aes},
		"server key of AES":  {ID: testID, Hash: id2.SHA256, Key: aes, ServerKey: aes.Public()},
		"server key of SM2":  {ID: testID, Hash: id2.SHA256, Key: p256, ServerKey: sm2.Public()},
		"id with a tilde":    {ID: strings.Repeat("~", 24), Hash: id2.SHA256, Key: aes},
		"id in a long chain": {ID: strings.Repeat("A", 100), Hash: id2.SHA256, Key: aes},
	} {
		m := NewMemory(rand.Reader)
		if err := m.Set(identity); !errors.Is(err, ErrBadParameters) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := m.ID(); !errors.Is(err, ErrItemNotFound) {
			t.Errorf("%s: kept", name)
		}
	}
	m := NewMemory(rand.Reader)
	if err := m.Set(Identity{ID: testID, Hash: id2.SHA256, Key: p256}); err != nil {
		t.Fatal(err)
	}
	if err := m.VerifyServer([]byte("m"), make([]byte, 64)); !errors.Is(err, ErrNotSupported) {
		t.Errorf("without server key: %v", err)
	}
}

func TestErrors(t *testing.T) {
	for e := Error(-14); e <= 0; e++ {
		if !strings.Contains(e.Error(), fmt.Sprintf("(%d)", int(e))) {
			t.Errorf("%d: %s", int(e), e)
		}
		if known := errorTexts[e] != ""; known != (e < 0 && e > -14 && e != -6) {
			t.Errorf("%d: known %v", int(e), known)
		}
	}
	if Number(nil) != 0 || Number(errors.New("x")) != -1 || Number(fmt.Errorf("x: %w", ErrTimeout)) != -10 {
		t.Error("numbers")
	}
	if err := fromProtocol(id2.ErrCiphertextLong); Number(err) != -4 || !errors.Is(err, id2.ErrCiphertextLong) {
		t.Error(err)
	}
}

// TestConcurrent is for the race detector: everything while the identity
// changes.
func TestConcurrent(t *testing.T) {
	client, _ := newClient(t, id2.AES128)
	carrier := client.carrier.(*Memory)
	key, _ := id2.GeneratePrivateKey(rand.Reader, id2.SM2)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				_, _ = client.ChallengeAuthCode("c", nil)
				_ = client.VerifyServerCode("10~2~c~QQ==", "c", nil)
				_, _ = client.Decrypt(make([]byte, 16))
				_ = carrier.Set(Identity{ID: testID, Hash: id2.SM3, Key: key})
			}
		})
	}
	wg.Wait()
	if id, err := client.ID(); err != nil || id != testID {
		t.Error(id, err)
	}
}

// TestDeviceRandom: device randoms come from the reader alone.
func TestDeviceRandom(t *testing.T) {
	client, _ := newClient(t, id2.AES128)
	client.rand = bytes.NewReader([]byte{0xAB, 0, 0, 0, 0, 0, 0, 0x0F, 1})
	text, err := client.ChallengeAuthCode("c", nil)
	if err != nil || !strings.HasPrefix(text, "0~2~AB0000000000000F~c~") {
		t.Errorf("%s, %v", text, err)
	}
}
