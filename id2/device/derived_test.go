package device_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/se"
	"github.com/hallmark-id/hallmark/id2/se/virtual"
)

type derivedVector struct {
	KeyType  string `json:"key_type"`
	Key      string `json:"key_hex"`
	ID       string `json:"id"`
	Seed     string `json:"seed"`
	Secret   string `json:"secret"`
	Derive32 string `json:"derive32"`
	Encrypt  []struct {
		Plain  string `json:"plain_hex"`
		Cipher string `json:"cipher_b64"`
	} `json:"encrypt"`
	TOTP []struct {
		TS               int64
		Index, Step, Len int
		Out              string
	} `json:"totp"`
}

func derivedVectors(t *testing.T) []derivedVector {
	t.Helper()
	text := must[[]byte](t)(os.ReadFile("../testdata/id2.json"))
	var file struct {
		Derived []derivedVector `json:"derived"`
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Derived) == 0 {
		t.Fatalf("%d vectors, %v", len(file.Derived), err)
	}
	return file.Derived
}

// carriers returns the same identity in memory and in a card.
func carriers(t *testing.T, id string, key id2.PrivateKey) map[string]device.Carrier {
	t.Helper()
	memory := device.NewMemory(rand.Reader)
	if err := memory.Set(device.Identity{ID: id, Hash: key.Algorithm().NativeHash(), Key: key}); err != nil {
		t.Fatal(err)
	}
	card := virtual.New(rand.Reader, virtual.Config{Style: virtual.T0, Vendor: se.NXP, ID: must[[]byte](t)(hex.DecodeString(id))})
	if err := card.SetKey(0, key); err != nil {
		t.Fatal(err)
	}
	applet := must[*se.Applet](t)(se.Open(card))
	t.Cleanup(func() { applet.Close() })
	return map[string]device.Carrier{"memory": memory, "card": newCarrier(t, applet, key.Algorithm(), key)}
}

// TestDerivedVectors: the vendor's values, with the key in memory and in a card.
func TestDerivedVectors(t *testing.T) {
	for _, v := range derivedVectors(t) {
		algorithm := vectorAlgorithms[v.KeyType]
		if len(v.Key) == 48 {
			algorithm = id2.TDES168
		}
		key := must[id2.PrivateKey](t)(id2.NewPrivateKey(algorithm, must[[]byte](t)(hex.DecodeString(v.Key))))
		for name, carrier := range carriers(t, v.ID, key) {
			t.Run(fmt.Sprint(v.KeyType, "/", v.Seed, "/", name), func(t *testing.T) {
				v.check(t, device.NewClient(carrier, nil))
			})
		}
	}
}

func (v derivedVector) check(t *testing.T, client *device.Client) {
	t.Helper()
	if got, err := client.Secret(v.Seed); err != nil || got != v.Secret {
		t.Errorf("Secret = %s, %v, want %s", got, err, v.Secret)
	}
	for n := 1; n <= 32; n++ {
		if got, err := client.DeriveKey(v.Seed, n); err != nil || hex.EncodeToString(got) != v.Derive32[:2*n] {
			t.Errorf("DeriveKey(%d) = %x, %v", n, got, err)
		}
	}
	for _, e := range v.Encrypt {
		got, err := client.Encrypt(v.Seed, must[[]byte](t)(hex.DecodeString(e.Plain)))
		if err != nil || base64.StdEncoding.EncodeToString(got) != e.Cipher {
			t.Errorf("Encrypt = %x, %v, want %s", got, err, e.Cipher)
		}
	}
	for _, c := range v.TOTP {
		if got, err := client.TOTP(c.TS, c.Step, c.Len, c.Index); err != nil || got != c.Out {
			t.Errorf("TOTP(%+v) = %s, %v", c, got, err)
		}
	}
}

// TestDerivedNumbers: the vendor's number for each wrong argument, with and
// without an identity; the arguments are looked at first.
func TestDerivedNumbers(t *testing.T) {
	key := must[id2.PrivateKey](t)(id2.NewPrivateKey(id2.AES128, make([]byte, 16)))
	long := strings.Repeat("s", 128)
	for name, carrier := range carriers(t, "2122232425262728292A2B2C", key) {
		checkDerivedNumbers(t, name, device.NewClient(carrier, nil), long, 0)
	}
	checkDerivedNumbers(t, "no identity", device.NewClient(device.NewMemory(nil), nil), long, -11)
	for _, other := range []id2.Algorithm{id2.SM2, id2.RSA1024, id2.P256, id2.Secp256k1} {
		key := must[id2.PrivateKey](t)(id2.GeneratePrivateKey(rand.Reader, other))
		checkDerivedNumbers(t, other.String(), memoryClient(t, other.NativeHash(), key), long, -8)
	}
	checkDerivedNumbers(t, "SHA-1 build", memoryClient(t, id2.SHA1, key), long, -8)
	tdes := must[id2.PrivateKey](t)(id2.NewPrivateKey(id2.TDES112, bytes.Repeat([]byte("12345678"), 2)))
	client := memoryClient(t, id2.SHA256, tdes)
	if _, err := client.Encrypt("s", []byte("x")); device.Number(err) != -8 {
		t.Errorf("3DES encrypts: %v", err)
	}
}

func memoryClient(t *testing.T, h id2.Hash, key id2.PrivateKey) *device.Client {
	t.Helper()
	memory := device.NewMemory(rand.Reader)
	if err := memory.Set(device.Identity{ID: "2122232425262728292A2B2C", Hash: h, Key: key}); err != nil {
		t.Fatal(err)
	}
	return device.NewClient(memory, nil)
}

// checkDerivedNumbers expects good for what is within the limits.
func checkDerivedNumbers(t *testing.T, who string, client *device.Client, long string, good int) {
	t.Helper()
	secret := func(seed string) int { _, err := client.Secret(seed); return device.Number(err) }
	derive := func(seed string, n int) int { _, err := client.DeriveKey(seed, n); return device.Number(err) }
	encrypt := func(seed string, n int) int {
		_, err := client.Encrypt(seed, make([]byte, n))
		return device.Number(err)
	}
	totp := func(unix int64, step, length, index int) int {
		_, err := client.TOTP(unix, step, length, index)
		return device.Number(err)
	}
	for name, c := range map[string]struct{ got, want int }{
		"secret":               {secret(long), good},
		"secret without seed":  {secret(""), -2},
		"secret of a seed 129": {secret(long + "s"), -4},
		"key":                  {derive(long, 32), good},
		"key without seed":     {derive("", 1), good},
		"key of 0":             {derive("s", 0), -2},
		"key of 33":            {derive("s", 33), -2},
		"key of a seed 129":    {derive(long+"s", 32), -4},
		"encrypt":              {encrypt(long, 1024), good},
		"encrypt without seed": {encrypt("", 1), good},
		"encrypt nothing":      {encrypt("s", 0), -2},
		"encrypt 1025":         {encrypt("s", 1025), -4},
		"encrypt, seed 129":    {encrypt(long+"s", 1), -4},
		"TOTP":                 {totp(1, 1800, 16, 99), good},
		"TOTP of the step 0":   {totp(1, 0, 6, 0), good},
		"TOTP of the time 0":   {totp(0, 180, 6, 0), -2},
		"TOTP of the step 179": {totp(1, 179, 6, 0), -2},
		"TOTP of 5 digits":     {totp(1, 180, 5, 0), -2},
		"TOTP of the index -1": {totp(1, 180, 6, -1), -2},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s: %d, want %d", who, name, c.got, c.want)
		}
	}
}
