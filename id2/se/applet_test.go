package se_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/id2/se"
	"github.com/hallmark-id/hallmark/id2/se/virtual"
)

// script is a driver and a session that gives answers in hex, one by one, the
// last again and again, and keeps the commands.
type script struct {
	answers  []string
	commands []string
	closed   int
}

func (s *script) Open() (se.Session, error) { return s, nil }

func (s *script) Transmit(command []byte) ([]byte, error) {
	s.commands = append(s.commands, fmt.Sprintf("%X", command))
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	if answer == "gone" {
		return nil, errors.New("card is gone")
	}
	return hex.DecodeString(answer)
}

func (s *script) Close() error {
	s.closed++
	return nil
}

// openScript returns an applet that was selected, and its session.
func openScript(t testing.TB, answers ...string) (*script, *se.Applet) {
	t.Helper()
	s := &script{answers: append([]string{"9000"}, answers...)}
	applet, err := se.Open(s)
	if err != nil {
		t.Fatal(err)
	}
	s.commands = nil
	return s, applet
}

func bytesHex(n int) string { return strings.Repeat("42", n) }

// aesRequest asks for the encryption of n bytes in AES-ECB.
func aesRequest(n int) se.SymmetricRequest {
	return se.SymmetricRequest{Mode: se.Encrypt, Algorithm: se.AESECB, Data: make([]byte, n)}
}

// exchanges are answers of a card to one call, with what must come of them.
var exchanges = []struct {
	name     string
	call     func(*se.Applet) error
	answers  []string
	want     error
	commands int
}{
	{"id", getID, []string{"8182020102" + "9000"}, nil, 1},
	{"id in two parts", getID, []string{"6103", "818202" + "6102", "0102" + "9000"}, nil, 3},
	{"Le corrected", getID, []string{"6C05", "8182020102" + "9000"}, nil, 2},
	{"Le corrected twice", getID, []string{"6C04", "6C05", "8182020102" + "9000"}, nil, 3},
	{"Le corrected for ever", getID, []string{"6C05"}, se.Status(0x6C05), 3},
	{"61xx for ever", getID, []string{"426101"}, se.ErrResponse, 21},
	{"61xx without data", getID, []string{"6100"}, se.ErrResponse, 2},
	{"more than fetched", getID, []string{"6101", "818202" + "9000"}, se.ErrResponse, 2},
	{"no answer", getID, []string{""}, se.ErrResponse, 1},
	{"half a status", getID, []string{"90"}, se.ErrResponse, 1},
	{"too long", getID, []string{bytesHex(257) + "9000"}, se.ErrResponse, 1},
	{"id cut short", getID, []string{"81820C01029000"}, se.ErrResponse, 1},
	{"id too long", getID, []string{"8182010102" + "9000"}, se.ErrResponse, 1},
	{"no id", getID, []string{"9000"}, se.ErrResponse, 1},
	{"empty id", getID, []string{"8182009000"}, se.ErrResponse, 1},
	{"wrong status", getID, []string{"1234"}, se.Status(0x1234), 1},
	{"card gone", getID, []string{"gone"}, se.ErrSession, 1},
	{"gone while fetching", getID, []string{"6105", "gone"}, se.ErrSession, 2},
	{"vendor information", getVendor, []string{bytesHex(20) + "9000"}, nil, 1},
	{"vendor information short", getVendor, []string{bytesHex(19) + "9000"}, se.ErrResponse, 1},
	{"challenge", getChallenge, []string{bytesHex(8) + "9000"}, nil, 1},
	{"challenge short", getChallenge, []string{bytesHex(7) + "9000"}, se.ErrResponse, 1},
	{"challenge long", getChallenge, []string{bytesHex(9) + "9000"}, se.ErrResponse, 1},
	{"crypt", crypt(256), []string{bytesHex(240) + "9000", bytesHex(16) + "9000"}, nil, 2},
	{"crypt unevenly", crypt(256), []string{"9000", bytesHex(256) + "9000"}, nil, 2},
	{"crypt short", crypt(256), []string{bytesHex(240) + "9000", bytesHex(15) + "9000"}, se.ErrResponse, 2},
	{"crypt long", crypt(256), []string{bytesHex(240) + "9000"}, se.ErrResponse, 2},
	{"crypt refused in the middle", crypt(512), []string{bytesHex(240) + "9000", "9403"}, se.StatusKeyNotFound, 2},
	{"digest", digest, []string{bytesHex(32) + "9000"}, nil, 1},
	{"digest short", digest, []string{bytesHex(31) + "9000"}, se.ErrResponse, 1},
	{"RSA", decrypt, []string{"000142" + "9000"}, nil, 1},
	{"RSA in parts", decrypt, []string{"0102" + bytesHex(254) + "6310", "4242424242" + "9000"}, se.ErrResponse, 2},
	{"RSA in right parts", decrypt, []string{"0100" + bytesHex(254) + "6310", "4242" + "9000"}, nil, 2},
	{"RSA in parts for ever", decrypt, []string{bytesHex(256) + "6310"}, se.StatusMoreData, 21},
	{"RSA length too long", decrypt, []string{"000242" + "9000"}, se.ErrResponse, 1},
	{"RSA length too short", decrypt, []string{"000042" + "9000"}, se.ErrResponse, 1},
	{"RSA without length", decrypt, []string{"00" + "9000"}, se.ErrResponse, 1},
	{"RSA without anything", decrypt, []string{"9000"}, se.ErrResponse, 1},
	{"pair", generate, []string{"6E0142" + "65020001" + "9000"}, nil, 1},
	{"pair of two kinds", generate, []string{"6E0142" + "650101" + "600101" + "610101" + "9000"}, se.ErrResponse, 1},
	{"pair without E", generate, []string{"6E0142" + "9000"}, se.ErrResponse, 1},
	{"pair with N twice", generate, []string{"6E0142" + "6E0142" + "9000"}, se.ErrResponse, 1},
	{"pair cut short", generate, []string{"6E8201" + "9000"}, se.ErrResponse, 1},
	{"pair with lying length", generate, []string{"6E82FFFF42" + "9000"}, se.ErrResponse, 1},
	{"pair with empty part", generate, []string{"6E00" + "65020001" + "9000"}, se.ErrResponse, 1},
	{"pair with unknown part", generate, []string{"990142" + "9000"}, se.ErrResponse, 1},
	{"no pair", generate, []string{"9000"}, se.ErrResponse, 1},
	{"business data", readData, []string{"FF000142" + "9000"}, nil, 1},
	{"business data cut", readData, []string{"FF000242" + "9000"}, se.ErrResponse, 1},
	{"business data twice", readData, []string{"FF000142FF000142" + "9000"}, se.ErrResponse, 1},
	{"other data", readData, []string{"40000142" + "9000"}, se.ErrResponse, 1},
	{"no business data", readData, []string{"6A83"}, se.StatusRecordNotFound, 1},
}

func getID(a *se.Applet) error        { _, _, err := a.ID(); return err }
func getVendor(a *se.Applet) error    { _, err := a.VendorInfo(); return err }
func getChallenge(a *se.Applet) error { _, err := a.Challenge(8); return err }
func digest(a *se.Applet) error       { _, err := a.Digest(se.SHA256, []byte("x")); return err }
func decrypt(a *se.Applet) error {
	_, err := a.AsymmetricCrypt(se.Decrypt, se.RSARaw, 1, []byte("x"))
	return err
}
func generate(a *se.Applet) error { _, err := a.GenerateKeyPair(se.KeyRSA, 1, 1024); return err }
func readData(a *se.Applet) error { _, err := a.ReadData([]byte("id"), 1); return err }
func crypt(n int) func(*se.Applet) error {
	return func(a *se.Applet) error { _, err := a.SymmetricCrypt(aesRequest(n)); return err }
}

func TestExchanges(t *testing.T) {
	for _, e := range exchanges {
		t.Run(e.name, func(t *testing.T) {
			s, applet := openScript(t, e.answers...)
			if err := e.call(applet); !errors.Is(err, e.want) {
				t.Errorf("error %v, want %v", err, e.want)
			}
			if len(s.commands) != e.commands {
				t.Errorf("%d commands: %q", len(s.commands), s.commands)
			}
		})
	}
}

// A card that fails at any step of any command gives that failure, and no more
// commands are sent.
func TestFailureAtEveryStep(t *testing.T) {
	calls := map[byte]func(*se.Applet) error{
		se.InsGetID: getID, se.InsGetVendorInfo: getVendor, se.InsGetChallenge: getChallenge,
		se.InsSymmetricCrypt: crypt(16), se.InsAsymmetricCrypt: decrypt, se.InsComputeDigest: digest,
		se.InsGenerateKeyPair: generate, se.InsSecurityStorage: readData,
	}
	card := virtual.New(rand.Reader, virtual.Config{ID: []byte("twelve bytes")})
	applet, err := se.Open(card)
	if err != nil {
		t.Fatal(err)
	}
	for status := range knownStatuses() {
		group := status.Group()
		if status == se.StatusOK || group == se.StatusMoreXX || group == se.StatusWrongLeXX || status == se.StatusMoreData {
			continue
		}
		for ins, call := range calls {
			card.Fail(ins, status)
			if err := call(applet); !errors.Is(err, status) {
				t.Errorf("%02X: %v, want %v", ins, err, status)
			}
		}
		card.Fail(se.InsSelect, status)
		if _, err := se.Open(card); !errors.Is(err, status) {
			t.Errorf("SELECT: %v, want %v", err, status)
		}
		if applet, err = se.Open(card); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenFailure(t *testing.T) {
	for _, answer := range []string{"gone", "6A82", "90", "61FF"} {
		s := &script{answers: []string{answer}}
		if _, err := se.Open(s); err == nil || s.closed != 1 {
			t.Errorf("%s: %v, closed %d times", answer, err, s.closed)
		}
	}
	if _, err := se.Open(noSession{}); !errors.Is(err, se.ErrSession) {
		t.Error(err)
	}
}

type noSession struct{}

func (noSession) Open() (se.Session, error) { return nil, nil }

func TestClose(t *testing.T) {
	s, applet := openScript(t, "9000")
	for range 2 {
		if err := applet.Close(); err != nil || s.closed != 1 {
			t.Errorf("%v, closed %d times", err, s.closed)
		}
	}
	if err := getID(applet); !errors.Is(err, se.ErrClosed) {
		t.Error(err)
	}
}

// Arguments that no card takes do not reach the card.
func TestParameters(t *testing.T) {
	s, applet := openScript(t, "9000")
	id, long := []byte("id"), make([]byte, se.MaxChain+1)
	crypt := func(r se.SymmetricRequest) error { _, err := applet.SymmetricCrypt(r); return err }
	asymmetric := func(m se.Mode, a se.Asymmetric, data []byte) error {
		_, err := applet.AsymmetricCrypt(m, a, 0, data)
		return err
	}
	_, challenge3 := applet.Challenge(3)
	_, challenge17 := applet.Challenge(17)
	_, digest6 := applet.Digest(6, nil)
	_, digestLong := applet.Digest(se.SM3, long)
	_, noID := applet.ReadData(nil, 0)
	for i, err := range []error{
		challenge3, challenge17, digest6, digestLong, noID,
		crypt(aesRequest(0)), crypt(aesRequest(15)), crypt(aesRequest(len(long)/16*16 + 16)),
		crypt(se.SymmetricRequest{Mode: 0x50, Algorithm: se.AESECB, Data: make([]byte, 16)}),
		crypt(se.SymmetricRequest{Mode: se.Sign, Algorithm: se.AESECB, Data: make([]byte, 16)}),
		crypt(se.SymmetricRequest{Mode: se.Encrypt, Algorithm: 0x08, Data: make([]byte, 16)}),
		crypt(se.SymmetricRequest{Mode: se.Encrypt, Algorithm: se.AESCBC, Data: make([]byte, 16)}),
		crypt(se.SymmetricRequest{Mode: se.Verify, Algorithm: se.DESMAC1, IV: make([]byte, 8), Data: id}),
		asymmetric(0x55, se.RSARaw, id), asymmetric(se.Sign, 7, id), asymmetric(se.Sign, se.ECDSA, nil), asymmetric(se.Sign, se.ECDSA, long),
		applet.StoreKey(id, se.StoredKey{Fields: []se.Field{{Tag: 1, Value: long[:4096]}, {Tag: 2, Value: long[:915]}}}),
		applet.StoreData(id, 0, nil), applet.StoreData(id, 0, long), applet.StoreData(long, 0, id),
	} {
		if !errors.Is(err, se.ErrParameter) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if len(s.commands) != 0 {
		t.Errorf("sent %q", s.commands)
	}
}

// Blocks of class 84 leave room for a MAC, all others carry F0 bytes.
func TestBlocks(t *testing.T) {
	s, applet := openScript(t, "9000")
	if err := applet.StoreData([]byte("id"), 7, make([]byte, 300)); err != nil {
		t.Fatal(err)
	}
	if len(s.commands) != 2 || !strings.HasPrefix(s.commands[0], "84E24000EF026964FF07FF012C00") || !strings.HasPrefix(s.commands[1], "84E2410145") {
		t.Errorf("%q", s.commands)
	}
	s, applet = openScript(t, "9000", bytesHex(20)+"9000")
	if _, err := applet.Digest(se.SHA1, make([]byte, 241)); err != nil {
		t.Fatal(err)
	}
	if len(s.commands) != 2 || !strings.HasPrefix(s.commands[0], "80F00000F10000") || s.commands[1] != "80F001010100" {
		t.Errorf("%q", s.commands)
	}
}

// The longest chain of class 84 ends with block 20.
func TestLongestStorage(t *testing.T) {
	s, applet := openScript(t, "9000")
	value := make([]byte, 4096)
	key := se.StoredKey{Fields: []se.Field{{Tag: 1, Value: value}, {Tag: 2, Value: value[:21*se.MaxSecuredData-5-4096-6]}}}
	if err := applet.StoreKey([]byte("id"), key); err != nil {
		t.Fatal(err)
	}
	if n := len(s.commands); n != 21 || !strings.HasPrefix(s.commands[n-1], "84E21401EF") {
		t.Errorf("%d commands", n)
	}
}

// hostile is a session that answers with pieces of fuzz input.
type hostile struct {
	input []byte
	sent  int
}

func (h *hostile) Open() (se.Session, error) { return h, nil }
func (h *hostile) Close() error              { return nil }

func (h *hostile) Transmit([]byte) ([]byte, error) {
	h.sent++
	if len(h.input) == 0 {
		return nil, errors.New("end")
	}
	n := min(int(h.input[0]), len(h.input)-1)
	answer := h.input[1 : 1+n]
	h.input = h.input[1+n:]
	return answer, nil
}

// FuzzApplet runs every command against a card that answers anything.
func FuzzApplet(f *testing.F) {
	pack := func(answers ...string) (input []byte) {
		for _, a := range append([]string{"9000"}, answers...) {
			b, _ := hex.DecodeString(a)
			input = append(append(input, byte(len(b))), b...)
		}
		return input
	}
	for i, e := range exchanges {
		f.Add(pack(e.answers...), byte(i))
	}
	calls := []func(*se.Applet) error{getID, getVendor, getChallenge, digest, decrypt, generate, readData, crypt(16), crypt(512)}
	f.Fuzz(func(t *testing.T, input []byte, which byte) {
		h := &hostile{input: input}
		applet, err := se.Open(h)
		if err != nil {
			return
		}
		for i := range calls {
			h.sent = 0
			err := calls[(int(which)+i)%len(calls)](applet)
			if h.sent > 25*(se.MaxBlock+1) {
				t.Errorf("%d commands", h.sent)
			}
			var status se.Status
			if err != nil && !errors.As(err, &status) && !errors.Is(err, se.ErrResponse) && !errors.Is(err, se.ErrSession) {
				t.Errorf("undefined error %v", err)
			}
		}
	})
}

func Example() {
	card := virtual.New(rand.Reader, virtual.Config{Vendor: se.NXP, ID: []byte("\x00\xAA\xAB\xBB\x11\x12\x22\x81\xFE\x15\xB4\x00")})
	applet, err := se.Open(card)
	if err != nil {
		panic(err)
	}
	defer applet.Close()
	vendor, id, err := applet.ID()
	fmt.Printf("%04X %X %v\n", uint16(vendor), id, err)
	_, err = applet.SymmetricCrypt(se.SymmetricRequest{Mode: se.Encrypt, Algorithm: se.AESECB, Data: bytes.Repeat([]byte{1}, 16)})
	fmt.Println(err)
	// Output:
	// 8182 00AAABBB11122281FE15B400 <nil>
	// se: key not found (9403)
}
