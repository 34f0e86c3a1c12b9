package se_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/id2/se"
)

func TestCommand(t *testing.T) {
	for text, want := range map[string]se.Command{
		"00A40400":                   {INS: 0xA4, P1: 4},
		"80F8000000":                 {CLA: 0x80, INS: 0xF8, Le: 256},
		"0084000010":                 {INS: 0x84, Le: 16},
		"80F00001020042":             {CLA: 0x80, INS: 0xF0, P2: 1, Data: []byte{0, 0x42}},
		"80F0000102004200":           {CLA: 0x80, INS: 0xF0, P2: 1, Data: []byte{0, 0x42}, Le: 256},
		"80F00001FF" + bytesHex(255): {CLA: 0x80, INS: 0xF0, P2: 1, Data: bytes.Repeat([]byte{0x42}, 255)},
	} {
		raw, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := se.ParseCommand(raw)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if built, err := want.Bytes(); err != nil || !bytes.Equal(built, raw) {
			t.Errorf("%s: %X, %v", text, built, err)
		}
	}
}

func TestCommandRefused(t *testing.T) {
	for _, text := range []string{"", "00A404", "00A404000100000001", "00A40400000001AA", "00A404000201", "00A4040001020304", "00A404000000"} {
		raw, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := se.ParseCommand(raw); !errors.Is(err, se.ErrCommand) {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
	for _, c := range []se.Command{{Data: make([]byte, 256)}, {Le: 257}, {Le: -1}} {
		if _, err := c.Bytes(); !errors.Is(err, se.ErrCommand) {
			t.Errorf("%d, %d: %v", len(c.Data), c.Le, err)
		}
	}
}

// knownStatuses returns every status word that has a name.
func knownStatuses() map[se.Status]bool {
	known := map[se.Status]bool{}
	for n := range 0x10000 {
		if s := se.Status(n); s.Known() {
			known[s] = true
		}
	}
	return known
}

// All the words of the note are named, and none other.
func TestStatus(t *testing.T) {
	known := knownStatuses()
	if want := 256*3 + 16 + 35; len(known) != want {
		t.Errorf("%d known words, want %d", len(known), want)
	}
	for s := range known {
		if strings.Contains(s.Error(), "unknown status") || !strings.Contains(s.Error(), strings.ToUpper(hex.EncodeToString([]byte{byte(s >> 8), byte(s)}))) {
			t.Errorf("%04X: %v", uint16(s), s)
		}
	}
	if n, ok := se.Status(0x63C3).Tries(); n != 3 || !ok {
		t.Error(n, ok)
	}
	if _, ok := se.StatusMoreData.Tries(); ok {
		t.Error("6310 has tries")
	}
	for s, want := range map[se.Status]string{
		0x63C2: "se: PIN wrong, 2 tries left (63C2)", 0x9403: "se: key not found (9403)",
		0x610F: "se: answer waits to be fetched (610F)", 0x1234: "se: unknown status (1234)",
	} {
		if s.Error() != want {
			t.Errorf("%q, want %q", s.Error(), want)
		}
	}
}

// FuzzAPDU reads commands, answers and stored data of any form: what is accepted
// is what is built from the result.
func FuzzAPDU(f *testing.F) {
	for _, text := range []string{"00A404000EA0000000416C6959756E2E494432", "80F8000000", "610F", "02696400014100020102", "80F000010200420A"} {
		raw, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := se.ParseCommand(raw); err == nil {
			if built, err := c.Bytes(); err != nil || !bytes.Equal(built, raw) {
				t.Errorf("%X, %v", built, err)
			}
		} else if !errors.Is(err, se.ErrCommand) {
			t.Error(err)
		}
		if r, err := se.ParseResponse(raw); err == nil {
			if built := r.Bytes(); !bytes.Equal(built, raw) || r.Status.Error() == "" {
				t.Errorf("%X", built)
			}
		} else if !errors.Is(err, se.ErrResponse) {
			t.Error(err)
		}
		if id, key, err := se.ParseStorageData(raw); err == nil {
			if built, err := se.StorageData(id, key); err != nil || !bytes.Equal(built, raw) {
				t.Errorf("%X, %v", built, err)
			}
		} else if !errors.Is(err, se.ErrParameter) {
			t.Error(err)
		}
	})
}
