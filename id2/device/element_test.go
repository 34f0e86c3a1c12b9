package device_test

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

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/se"
	"github.com/hallmark-id/hallmark/id2/se/virtual"
)

// recorder is a driver that writes down what passes, in the form of the vectors.
type recorder struct {
	driver se.Driver
	trace  []string
}

type recording struct {
	se.Session
	recorder *recorder
}

func (r *recorder) Open() (se.Session, error) {
	session, err := r.driver.Open()
	r.trace = append(r.trace, "SE open")
	return recording{session, r}, err
}

func (r recording) Transmit(command []byte) ([]byte, error) {
	answer, err := r.Session.Transmit(command)
	r.recorder.trace = append(r.recorder.trace, fmt.Sprintf("APDU> %X", command), fmt.Sprintf("APDU< %X", answer))
	return answer, err
}

// apduVector is a run of the vendor's client over its secure-element adapter.
type apduVector struct {
	Binary   string   `json:"binary"`
	ID       string   `json:"id"`
	Key      string   `json:"key_hex"`
	KeyType  string   `json:"key_type"`
	T0       bool     `json:"t0"`
	AuthCode string   `json:"auth_code"`
	Plain    string   `json:"plain"`
	Trace    []string `json:"trace"`
}

func loadAPDUVectors(t *testing.T) []apduVector {
	t.Helper()
	text, err := os.ReadFile("../testdata/id2.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		APDU []apduVector `json:"se_apdu"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.APDU) == 0 {
		t.Fatal("no vectors")
	}
	return v.APDU
}

var vectorAlgorithms = map[string]id2.Algorithm{"3DES": id2.TDES112, "AES": id2.AES128, "SM4": id2.SM4}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newElement returns a client over a virtual card, and the card's key.
func newElement(t testing.TB, a id2.Algorithm, style virtual.Style) (*device.Client, *virtual.Card, id2.PrivateKey) {
	t.Helper()
	key := must[id2.PrivateKey](t)(id2.GeneratePrivateKey(rand.Reader, a))
	card := virtual.New(rand.Reader, virtual.Config{Style: style, Vendor: se.NXP, ID: []byte("\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2A\x2B\x2C")})
	if err := card.SetKey(0, key); err != nil {
		t.Fatal(err)
	}
	applet := must[*se.Applet](t)(se.Open(card))
	t.Cleanup(func() { applet.Close() })
	return device.NewClient(newCarrier(t, applet, a, key), rand.Reader), card, key
}

func newCarrier(t testing.TB, applet *se.Applet, a id2.Algorithm, key id2.PrivateKey) *device.SecureElement {
	t.Helper()
	return must[*device.SecureElement](t)(device.NewSecureElement(applet, a, key.Public()))
}

// The client over the virtual card exchanges what the vendor's client exchanged
// with its chip, byte for byte.
func TestSecureElementTraces(t *testing.T) {
	for _, v := range loadAPDUVectors(t) {
		t.Run(fmt.Sprintf("%s/t0=%v", v.Binary, v.T0), func(t *testing.T) {
			style := virtual.Direct
			if v.T0 {
				style = virtual.T0
			}
			id, raw := must[[]byte](t)(hex.DecodeString(v.ID)), must[[]byte](t)(hex.DecodeString(v.Key))
			key := must[id2.PrivateKey](t)(id2.NewPrivateKey(vectorAlgorithms[v.KeyType], raw))
			card := virtual.New(rand.Reader, virtual.Config{Style: style, Vendor: se.Synochip, ID: id})
			if err := card.SetKey(0, key); err != nil {
				t.Fatal(err)
			}
			r := &recorder{driver: card}
			applet := must[*se.Applet](t)(se.Open(r))
			fixed := bytes.NewReader(bytes.Repeat([]byte{0xAB}, 8))
			client := device.NewClient(newCarrier(t, applet, key.Algorithm(), key), fixed)

			code := must[string](t)(client.ChallengeAuthCode(strings.Split(v.AuthCode, "~")[3], []byte("abcd1234")))
			if code != v.AuthCode {
				t.Errorf("code %s, want %s", code, v.AuthCode)
			}
			server := key.Public()
			for _, plain := range []string{v.Plain, strings.Repeat("B", 500)} {
				sealed := must[[]byte](t)(server.Encrypt(rand.Reader, []byte(plain)))
				if got := must[[]byte](t)(client.Decrypt(sealed)); string(got) != plain {
					t.Errorf("decrypted %q, want %q", got, plain)
				}
			}
			if diff := cmp.Diff(v.Trace, r.trace); diff != "" {
				t.Error(diff)
			}
		})
	}
}

var elementAlgorithms = []id2.Algorithm{id2.TDES112, id2.TDES168, id2.AES128, id2.AES192, id2.AES256, id2.SM4, id2.SM2}

// Every operation of the client works over every kind of key and style of card.
func TestSecureElement(t *testing.T) {
	for _, a := range elementAlgorithms {
		for _, style := range []virtual.Style{virtual.Direct, virtual.T0, virtual.T0Exact} {
			t.Run(fmt.Sprintf("%v/%d", a, style), func(t *testing.T) {
				client, _, key := newElement(t, a, style)
				checkCodes(t, client, key.Public())
				checkServer(t, client, key)
			})
		}
	}
}

func checkCodes(t *testing.T, client *device.Client, server id2.Key) {
	t.Helper()
	id := must[string](t)(client.ID())
	if id != "2122232425262728292A2B2C" {
		t.Errorf("id %s", id)
	}
	for _, extra := range [][]byte{nil, []byte("digest1234"), bytes.Repeat([]byte{7}, id2.MaxExtraLength)} {
		for _, make := range []func(string, []byte) (string, error){client.ChallengeAuthCode, client.TimestampAuthCode} {
			text := must[string](t)(make("1499753003564", extra))
			code := must[id2.AuthCode](t)(id2.ParseAuthCode(text))
			if !server.Verify(code.Hash, id2.AppendMessage(nil, id, code.DeviceRandom, code.Value, extra), code.Signature) {
				t.Errorf("code refused: %s", text)
			}
		}
	}
}

func checkServer(t *testing.T, client *device.Client, key id2.PrivateKey) {
	t.Helper()
	server := key.Public()
	for _, n := range []int{1, 15, 16, 239, 240, 241, 500, 900} {
		plain := bytes.Repeat([]byte{byte(n)}, n)
		sealed := must[[]byte](t)(server.Encrypt(rand.Reader, plain))
		if got := must[[]byte](t)(client.Decrypt(sealed)); !bytes.Equal(got, plain) {
			t.Errorf("%d bytes decrypted to %x", n, got)
		}
	}
	challenge := must[string](t)(client.DeviceChallenge(64))
	id, hash := must[string](t)(client.ID()), key.Algorithm().NativeHash()
	answer := must[string](t)(key.ServerCode(rand.Reader, hash, id, challenge, []byte("x"), true))
	if err := client.VerifyServerCode(answer, challenge, []byte("x")); err != nil {
		t.Error(err)
	}
	if err := client.VerifyServerCode(answer, challenge, []byte("y")); device.Number(err) != -1 {
		t.Errorf("wrong extra: %v", err)
	}
}

// Many goroutines share a card; blocks of their commands do not mix.
func TestSecureElementConcurrent(t *testing.T) {
	client, _, key := newElement(t, id2.AES128, virtual.T0)
	server := key.Public()
	plain := bytes.Repeat([]byte("z"), 700)
	sealed := must[[]byte](t)(server.Encrypt(rand.Reader, plain))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				if got, err := client.Decrypt(sealed); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%v, %x", err, got)
				}
			}
		})
	}
	group.Wait()
}

func TestSecureElementRefuses(t *testing.T) {
	for _, a := range id2.Algorithms() {
		_, err := device.NewSecureElement(nil, a, id2.Key{})
		taken := a.Symmetric() || a == id2.SM2
		if taken != (err == nil) || (!taken && !errors.Is(err, device.ErrNotSupported)) {
			t.Errorf("%v: %v", a, err)
		}
	}
	client, card, key := newElement(t, id2.AES128, virtual.Direct)
	server := key.Public()
	bad := must[[]byte](t)(server.Encrypt(rand.Reader, []byte("x")))
	bad[3] ^= 1
	long := make([]byte, device.MaxDecryptLength+16)
	for name, c := range map[string]struct {
		ciphertext []byte
		want       int
	}{"nothing": {nil, -2}, "part of a block": {bad[:15], -2}, "padding": {bad, -1}, "long": {long, -4}} {
		if _, err := client.Decrypt(c.ciphertext); device.Number(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	applet := must[*se.Applet](t)(se.Open(card))
	sm2 := must[*device.SecureElement](t)(device.NewSecureElement(applet, id2.SM2, id2.Key{}))
	if err := sm2.VerifyServer(nil, nil); !errors.Is(err, device.ErrNotSupported) {
		t.Errorf("no server key: %v", err)
	}
	if _, err := sm2.Decrypt(nil); !errors.Is(err, device.ErrBadParameters) {
		t.Errorf("nothing: %v", err)
	}
	if _, err := sm2.Sign([]byte("m")); !errors.Is(err, device.ErrNotSupported) {
		t.Errorf("AES key signing SM2: %v", err)
	}
}

// What goes wrong in the card has the vendor's number, at every step.
func TestSecureElementErrors(t *testing.T) {
	numbers := map[se.Status]int{
		se.StatusKeyNotFound: -11, se.StatusAlgorithm: -8, se.StatusSecurity: -13, 0x63C2: -13,
		se.StatusNoSpace: -5, se.StatusUnknown: -1, 0x1234: -1, 0x95FF: -1,
	}
	for status, want := range numbers {
		client, card, _ := newElement(t, id2.SM4, virtual.Direct)
		for _, ins := range []byte{se.InsGetID, se.InsSymmetricCrypt} {
			card.Fail(ins, status)
			_, err := client.ChallengeAuthCode("c", nil)
			if device.Number(err) != want || !errors.Is(err, status) {
				t.Errorf("%v at %02X: %v", status, ins, err)
			}
		}
		card.Fail(se.InsSymmetricCrypt, status)
		code := "10~3~c~" + strings.Repeat("A", 64)
		if err := client.VerifyServerCode(code, "c", nil); device.Number(err) != want {
			t.Errorf("%v while verifying: %v", status, err)
		}
		if _, err := client.ChallengeAuthCode("c", nil); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}
	client, card, _ := newElement(t, id2.SM4, virtual.Direct)
	card.Remove()
	if _, err := client.ID(); device.Number(err) != -7 || !errors.Is(err, virtual.ErrRemoved) {
		t.Errorf("removed: %v", err)
	}
}

// failing is a driver whose session fails from one call on.
type failing struct {
	card  *virtual.Card
	after int
	err   error
}

type failingSession struct {
	se.Session
	failing *failing
}

func (f *failing) Open() (se.Session, error) {
	session, err := f.card.Open()
	return failingSession{session, f}, err
}

func (s failingSession) Transmit(command []byte) ([]byte, error) {
	if s.failing.after--; s.failing.after < 0 {
		return nil, s.failing.err
	}
	return s.Session.Transmit(command)
}

func TestSecureElementDriverErrors(t *testing.T) {
	for err, want := range map[error]int{
		errors.New("wire"): -7, se.ErrTimeout: -10, os.ErrDeadlineExceeded: -10, device.ErrAccessConflict: -12,
	} {
		for after := 1; after < 4; after++ {
			_, card, key := newElement(t, id2.AES128, virtual.Direct)
			applet := must[*se.Applet](t)(se.Open(&failing{card, after, err}))
			client := device.NewClient(newCarrier(t, applet, id2.AES128, key), rand.Reader)
			_, first := client.ChallengeAuthCode("c", nil)
			_, second := client.Decrypt(make([]byte, 512))
			for _, got := range []error{first, second} {
				if device.Number(got) != want && (after == 1 || got == second) {
					t.Errorf("%v after %d: %v", err, after, got)
				}
			}
		}
	}
}

// fixedAnswer is a card that gives one answer to all but SELECT.
type fixedAnswer []byte

func (a fixedAnswer) Open() (se.Session, error) { return a, nil }
func (a fixedAnswer) Close() error              { return nil }

func (a fixedAnswer) Transmit(command []byte) ([]byte, error) {
	if command[1] == se.InsSelect {
		return []byte{0x90, 0}, nil
	}
	return a, nil
}

// Answers that break the protocol are failures of communication.
func TestSecureElementNonsense(t *testing.T) {
	long := append([]byte{0x81, 0x82, 49}, make([]byte, 49)...)
	for name, c := range map[string]struct {
		answer []byte
		want   int
	}{
		"61xx for ever":     {[]byte{1, 0x61, 1}, -7},
		"6Cxx for ever":     {[]byte{0x6C, 5}, -1},
		"nothing":           {nil, -7},
		"one byte":          {[]byte{0x90}, -7},
		"too much":          {make([]byte, 300), -7},
		"lying length":      {[]byte{0x81, 0x82, 0x0C, 1, 0x90, 0}, -7},
		"id too long":       {append(long, 0x90, 0), -1},
		"success, no data":  {[]byte{0x90, 0}, -7},
		"an unknown status": {[]byte{0x12, 0x34}, -1},
	} {
		applet := must[*se.Applet](t)(se.Open(fixedAnswer(c.answer)))
		carrier := must[*device.SecureElement](t)(device.NewSecureElement(applet, id2.AES128, id2.Key{}))
		client := device.NewClient(carrier, rand.Reader)
		if _, err := client.ID(); device.Number(err) != c.want {
			t.Errorf("%s: id: %v", name, err)
		}
		if _, err := client.ChallengeAuthCode("c", nil); device.Number(err) != c.want {
			t.Errorf("%s: code: %v", name, err)
		}
		if _, err := client.Decrypt(make([]byte, 512)); err == nil {
			t.Errorf("%s: decrypted", name)
		}
		if err := applet.Close(); err != nil {
			t.Error(err)
		}
		if _, err := client.ID(); device.Number(err) != -7 {
			t.Errorf("%s: closed: %v", name, err)
		}
	}
}

// Where plaintext ends in 0 without padding the carrier does as the software
// carriers do.
func TestSecureElementUnpadded(t *testing.T) {
	client, card, key := newElement(t, id2.AES128, virtual.Direct)
	applet := must[*se.Applet](t)(se.Open(card))
	for _, last := range []byte{0, 1, 2, 16, 17, 255} {
		block := append(bytes.Repeat([]byte{9}, 15), last)
		sealed := must[[]byte](t)(applet.SymmetricCrypt(se.SymmetricRequest{Mode: se.Encrypt, Algorithm: se.AESECB, Data: block}))
		want, wantErr := key.Decrypt(sealed)
		got, err := client.Decrypt(sealed)
		if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%d: %x, %v; want %x, %v", last, got, err, want, wantErr)
		}
	}
}

// A device whose key is in a secure element, here a virtual card.
func ExampleNewSecureElement() {
	key, err := id2.GeneratePrivateKey(rand.Reader, id2.AES128)
	if err != nil {
		panic(err)
	}
	card := virtual.New(rand.Reader, virtual.Config{ID: []byte("\x00\xAA\xAB\xBB\x11\x12\x22\x81\xFE\x15\xB4\x00")})
	if err := card.SetKey(0, key); err != nil {
		panic(err)
	}

	applet, err := se.Open(card)
	if err != nil {
		panic(err)
	}
	defer applet.Close()
	carrier, err := device.NewSecureElement(applet, id2.AES128, id2.Key{})
	if err != nil {
		panic(err)
	}
	client := device.NewClient(carrier, rand.Reader)
	text, err := client.ChallengeAuthCode("55B83408399FA660F05C82E4F25333DC", nil)
	if err != nil {
		panic(err)
	}

	code, err := id2.ParseAuthCode(text)
	if err != nil {
		panic(err)
	}
	server := key.Public()
	msg := id2.AppendMessage(nil, "00AAABBB11122281FE15B400", code.DeviceRandom, code.Value, nil)
	fmt.Println(server.Verify(code.Hash, msg, code.Signature))
	// Output: true
}
