package virtual

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/se"
)

const selectHex = "00A404000EA0000000416C6959756E2E494432"

// newSession returns a card with an AES key 0 and an SM2 key 1, with which
// commands are exchanged in hex.
func newSession(t testing.TB, style Style) (*Card, func(command string) string) {
	t.Helper()
	card := New(rand.NewChaCha8([32]byte{}), Config{Style: style, Vendor: se.NXP, ID: testID})
	setKey(t, card, 0, id2.AES128, make([]byte, 16))
	if card.keys[1] == nil {
		k, err := importSM2(map[se.Tag][]byte{se.TagSM2D: bytes.Repeat([]byte{3}, 32)})
		if err != nil {
			t.Fatal(err)
		}
		card.keys[1] = k
	}
	return card, func(command string) string {
		t.Helper()
		raw, err := hex.DecodeString(command)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%X", card.Process(raw))
	}
}

func setKey(t testing.TB, card *Card, kid byte, a id2.Algorithm, raw []byte) {
	t.Helper()
	key, err := id2.NewPrivateKey(a, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := card.SetKey(kid, key); err != nil {
		t.Fatal(err)
	}
}

func x(n int) string { return strings.Repeat("11", n) }

// refusals are commands, the last of which the card must answer with a status.
var refusals = []struct {
	name     string
	commands []string
	want     string
}{
	{"not selected", []string{"80F8000000"}, "6901"},
	{"other application", []string{"00A40400021122"}, "6A82"},
	{"other application unselects", []string{selectHex, "00A40400021122", "80F8000000"}, "6901"},
	{"selection by P1", []string{"00A400000EA0000000416C6959756E2E494432"}, "6A86"},
	{"half a header", []string{selectHex, "80F8"}, "6700"},
	{"Lc too long", []string{selectHex, "80F60001FF00"}, "6700"},
	{"Lc too short", []string{selectHex, "80F6000101000000"}, "6700"},
	{"extended length", []string{selectHex, "80F8000000FFFF"}, "6700"},
	{"class", []string{selectHex, "90F8000000"}, "6E00"},
	{"class of another command", []string{selectHex, "00F8000000"}, "6E00"},
	{"secured class", []string{selectHex, "84F8000000"}, "6E00"},
	{"instruction", []string{selectHex, "80AA000000"}, "6D00"},
	{"PIN", []string{selectHex, "0020000000"}, "6D00"},
	{"id with P1", []string{selectHex, "80F8010000"}, "6A86"},
	{"id with data", []string{selectHex, "80F80000011100"}, "6700"},
	{"id without Le", []string{selectHex, "80F80000"}, "6700"},
	{"vendor with P2", []string{selectHex, "80FC000100"}, "6A86"},
	{"challenge of 3", []string{selectHex, "0084000003"}, "6700"},
	{"challenge of 17", []string{selectHex, "0084000011"}, "6700"},
	{"challenge with P2", []string{selectHex, "0084000108"}, "6A86"},
	{"response without any", []string{selectHex, "00C0000010"}, "6985"},
	{"response with P1", []string{selectHex, "00C0010010"}, "6A86"},
	{"response without Le", []string{selectHex, "00C00000"}, "6700"},
	{"crypt without header", []string{selectHex, "80F6000104510300" + "00"}, "6700"},
	{"crypt without data", []string{selectHex, "80F60001055103000010"}, "6700"},
	{"crypt of nothing", []string{selectHex, "80F60001065103000000" + "11"}, "6700"},
	{"crypt of too much", []string{selectHex, "80F6000115510300FFFF" + x(16)}, "6700"},
	{"crypt of more than announced", []string{selectHex, "80F60001255103000010" + x(32)}, "6700"},
	{"crypt of part of a block", []string{selectHex, "80F60001145103000020" + x(15)}, "6700"},
	{"crypt to part of a block", []string{selectHex, "80F60001155103000011" + x(16)}, "6700"},
	{"crypt in a block of F1", []string{selectHex, "80F60001F65103000200" + x(241)}, "6700"},
	{"vector alone", []string{selectHex, "80F60001155102000010" + x(16)}, "6700"},
	{"mode", []string{selectHex, "80F60001155003000010" + x(16)}, "6A80"},
	{"algorithm", []string{selectHex, "80F60001155112000010" + x(16)}, "9401"},
	{"MAC by a cipher", []string{selectHex, "80F60001155303000010" + x(16)}, "9406"},
	{"cipher by a MAC", []string{selectHex, "80F60001155106000010" + x(16)}, "9401"},
	{"MAC of nothing", []string{selectHex, "80F60001155306000010" + x(16)}, "6700"},
	{"key type", []string{selectHex, "80F60001155111000010" + x(16)}, "9402"},
	{"key", []string{selectHex, "80F60001155103070010" + x(16)}, "9403"},
	{"second block first", []string{selectHex, "80F6010110" + x(16)}, "6985"},
	{"third block second", []string{selectHex, "80F60001155103000030" + x(16), "80F6020110" + x(16)}, "6A86"},
	{"block twice", []string{selectHex, "80F60001155103000030" + x(16), "80F6010110" + x(16), "80F6010110" + x(16)}, "6A86"},
	{"block 21", []string{selectHex, "80F6150110" + x(16)}, "6A86"},
	{"P2", []string{selectHex, "80F60002155103000010" + x(16)}, "6A86"},
	{"more after the end", []string{selectHex, "80F60000155103000010" + x(16)}, "6A86"},
	{"empty block", []string{selectHex, "80F60001155103000030" + x(16), "80F60101"}, "6700"},
	{"block of F1", []string{selectHex, "80F60001155103000200" + x(16), "80F60101F1" + x(241)}, "6700"},
	{"block after the end", []string{selectHex, "80F60001155103000010" + x(16), "80F6010110" + x(16)}, "6985"},
	{"block after an error", []string{selectHex, "80F60001155103000030" + x(16), "80F601010F" + x(15), "80F6010110" + x(16)}, "6985"},
	{"block after another command", []string{selectHex, "80F60001155103000030" + x(16), "80F8000000", "80F6010110" + x(16)}, "6985"},
	{"block of another command", []string{selectHex, "80F60001155103000030" + x(16), "80F4010110" + x(16)}, "6985"},
	{"block after nonsense", []string{selectHex, "80F60001155103000030" + x(16), "80", "80F6010110" + x(16)}, "6985"},
	{"block after a reset", []string{selectHex, "80F60001155103000030" + x(16), selectHex, "80F6010110" + x(16)}, "6985"},
	{"digest", []string{selectHex, "80F000010106"}, "9401"},
	{"digest of no kind", []string{selectHex, "80F00001"}, "6700"},
	{"digest in a block of F1", []string{selectHex, "80F00000F202" + x(241)}, "6700"},
	{"asymmetric mode", []string{selectHex, "80F40001065505010001" + "11"}, "6A80"},
	{"ECDSA", []string{selectHex, "80F40001065306010001" + "11"}, "9401"},
	{"asymmetric key", []string{selectHex, "80F40001065305090001" + "11"}, "9403"},
	{"SM2 by an AES key", []string{selectHex, "80F40001065305000001" + "11"}, "9402"},
	{"RSA by an AES key", []string{selectHex, "80F40001065302000001" + "11"}, "9402"},
	{"RSA by an SM2 key", []string{selectHex, "80F40001065302010001" + "11"}, "9402"},
	{"verify without signature", []string{selectHex, "80F40001065405010001" + "11"}, "6700"},
	{"decrypt nonsense", []string{selectHex, "80F40001065205010001" + "11"}, "6A80"},
	{"rest of nothing", []string{selectHex, "80F4400000"}, "6985"},
	{"rest without Le", []string{selectHex, "80F44000"}, "6700"},
	{"rest with P2", []string{selectHex, "80F4400100"}, "6A86"},
	{"key reading", []string{selectHex, "84E280010500AAABBB11"}, "6986"},
	{"storage in plain class", []string{selectHex, "80E200010500AAABBB11"}, "6E00"},
	{"storage of nothing", []string{selectHex, "84E20001"}, "6700"},
	{"storage over the secured length", []string{selectHex, "84E20001F0" + x(240)}, "6700"},
	{"storage with lying id", []string{selectHex, "84E20001020CFF"}, "6A80"},
	{"storage with other id", []string{selectHex, "84E2000104" + "01FF0105"}, "9404"},
	{"storage changing flags", []string{selectHex, "84E24000020CFF", "84E20101020CFF"}, "6A86"},
	{"business data that is a key", []string{selectHex, "84E2400115" + "0C00AAABBB11122281FE15B400" + "FF01" + "40000111" + "2222"}, "6A80"},
	{"key without parts", []string{selectHex, "84E200010F" + "0C00AAABBB11122281FE15B400" + "0102"}, "6A80"},
	{"key of wrong length", []string{selectHex, "84E2000113" + "0C00AAABBB11122281FE15B400" + "0102" + "41000111"}, "6A80"},
	{"pair with P1", []string{selectHex, "80F20200040405" + "0100"}, "6A86"},
	{"pair with little data", []string{selectHex, "80F20000030405" + "01"}, "6700"},
	{"pair of another kind", []string{selectHex, "80F20000040A05" + "0100"}, "9402"},
	{"pair of another size", []string{selectHex, "80F20000040405" + "0101"}, "6A80"},
	{"pair that exists", []string{selectHex, "80F20000040401" + "0100"}, "9405"},
	{"public part of nothing", []string{selectHex, "80F20100040409" + "0100"}, "9403"},
	{"public part of an AES key", []string{selectHex, "80F20100040400" + "0100"}, "9402"},
}

func TestRefusals(t *testing.T) {
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			_, send := newSession(t, Direct)
			var got string
			for _, command := range r.commands {
				got = send(command)
			}
			if got != r.want {
				t.Errorf("%q answered %s, want %s", r.commands, got, r.want)
			}
		})
	}
}

// A card of the T=0 protocol hands out an answer in the pieces asked for.
func TestGetResponse(t *testing.T) {
	_, send := newSession(t, T0)
	const id = "81820C00AAABBB11122281FE15B400"
	for i, step := range [][2]string{
		{selectHex, "9000"},
		{"80F8000000", "610F"}, {"00C0000010", "6C0F"}, {"00C000000F", id + "9000"}, {"00C000000F", "6985"},
		{"80F8000000", "610F"}, {"00C0000003", id[:6] + "610C"}, {"00C000000C", id[6:] + "9000"},
		{"80F8000000", "610F"}, {"00A40400021122", "6A82"}, {"00C000000F", "6985"},
	} {
		if got := send(step[0]); got != step[1] {
			t.Errorf("step %d: %s, want %s", i, got, step[1])
		}
	}
	_, send = newSession(t, T0Exact)
	for i, step := range [][2]string{
		{selectHex, "9000"}, {"80F8000000", "6C0F"}, {"80F800000F", id + "9000"}, {"80F8000003", "6C0F"}, {"80FC000000", "6C14"},
	} {
		if got := send(step[0]); got != step[1] {
			t.Errorf("exact, step %d: %s, want %s", i, got, step[1])
		}
	}
}

func TestReset(t *testing.T) {
	card, send := newSession(t, Direct)
	send(selectHex)
	card.Reset()
	if got := send("80F8000000"); got != "6901" {
		t.Error(got)
	}
}

// A card whose source of randomness fails says so.
func TestNoRandomness(t *testing.T) {
	card := New(strings.NewReader(""), Config{})
	card.selected = true
	if got := card.Process([]byte{0, 0x84, 0, 0, 8}); !bytes.Equal(got, []byte{0x6F, 0}) {
		t.Errorf("%X", got)
	}
}

// A card has room for a number of keys and no more.
func TestKeySlots(t *testing.T) {
	card, applet := newApplet(t, Direct)
	for kid := range byte(maxKeys) {
		setKey(t, card, kid, id2.SM4, make([]byte, 16))
	}
	_, err := applet.GenerateKeyPair(se.KeySM2, maxKeys, 256)
	wantStatus(t, err, se.StatusNoSpace)
	err = applet.StoreKey(testID, se.StoredKey{Type: se.KeySM4, KID: maxKeys, Fields: []se.Field{{Tag: se.TagSM4, Value: make([]byte, 16)}}})
	wantStatus(t, err, se.StatusNoSpace)
}

// FuzzVirtualCard sends a card anything, in each style.
func FuzzVirtualCard(f *testing.F) {
	pack := func(commands ...string) (input []byte) {
		for _, c := range commands {
			b, _ := hex.DecodeString(c)
			input = append(append(input, byte(len(b))), b...)
		}
		return input
	}
	for i, r := range refusals {
		f.Add(pack(r.commands...), byte(i))
	}
	f.Add(pack(selectHex, "80F40001065305010001"+"11", "00C0000042"), byte(T0))
	f.Fuzz(func(t *testing.T, input []byte, style byte) {
		card, _ := newSession(t, Style(style%3))
		for len(input) > 0 {
			n := min(int(input[0]), len(input)-1)
			command := input[1 : 1+n]
			input = input[1+n:]
			if len(command) > 1 && command[1] == se.InsGenerateKeyPair && len(command) > 5 && command[5] == byte(se.KeyRSA) {
				continue // takes too long
			}
			checkAnswer(t, card, command)
		}
	})
}

// checkAnswer sends a command and looks at the answer and the card's state.
func checkAnswer(t *testing.T, card *Card, command []byte) {
	answer, err := se.ParseResponse(card.Process(command))
	if err != nil || !answer.Status.Known() {
		t.Errorf("%X answered %v, %v", command, answer.Status, err)
	}
	if group := answer.Status.Group(); len(answer.Data) > 0 && group != se.StatusOK && group != se.StatusMoreXX && group != se.StatusMoreData {
		t.Errorf("%X answered %v with %d bytes", command, answer.Status, len(answer.Data))
	}
	if card.free() < 0 || len(card.keys) > maxKeys || !bytes.Equal(card.id, testID) {
		t.Errorf("%X left %d bytes, %d keys, id %X", command, card.free(), len(card.keys), card.id)
	}
}

// A card that is tried out by hand, as a reader would talk to it.
func ExampleCard_Process() {
	card := New(rand.NewChaCha8([32]byte{}), Config{Style: T0, Vendor: se.NXP, ID: testID})
	for _, command := range []string{selectHex, "80F8000000", "00C000000F"} {
		raw, err := hex.DecodeString(command)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%X\n", card.Process(raw))
	}
	// Output:
	// 9000
	// 610F
	// 81820C00AAABBB11122281FE15B4009000
}
