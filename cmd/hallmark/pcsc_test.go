//go:build pcsc

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/se/virtual"
	"github.com/hallmark-id/hallmark/internal/pcsctest"
)

// say runs a command and returns what it prints.
func say(t *testing.T, args ...string) string {
	t.Helper()
	var out, complaint bytes.Buffer
	if status := run(context.Background(), args, strings.NewReader(""), &out, &complaint); status != exitDone {
		t.Fatalf("%v: status %d: %s", args, status, complaint.String())
	}
	return strings.TrimSpace(out.String())
}

// The commands with a card in a reader.
func TestPCSCReader(t *testing.T) {
	d := pcsctest.Start(t)
	t.Setenv("PCSCLITE_CSOCK_NAME", d.Socket)
	const id = "00AAABBB11122281FE15B400"
	raw, err := hex.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	key, err := id2.GeneratePrivateKey(rand.Reader, id2.AES128)
	if err != nil {
		t.Fatal(err)
	}
	card := virtual.New(rand.Reader, virtual.Config{Style: virtual.T0Exact, ID: raw})
	if err := card.SetKey(0, key); err != nil {
		t.Fatal(err)
	}
	d.Insert(0, card, pcsctest.T0)
	d.Await("the card is seen", func() bool { return strings.Contains(say(t, "device", "sim", "readers"), "yes") })
	if text := say(t, "device", "sim", "readers", "-o", "json"); strings.Count(text, pcsctest.Name) != pcsctest.Slots || !strings.Contains(text, `"atr_hex": "3b00"`) {
		t.Error(text)
	}
	code := say(t, "device", "sim", "auth-code", "--reader", "test reader", "--algorithm", "aes128", "--challenge", "55B83408399FA660F05C82E4F25333DC")
	parsed, err := id2.ParseAuthCode(code)
	public := key.Public()
	if err != nil || !public.Verify(id2.SHA256, id2.AppendMessage(nil, id, parsed.DeviceRandom, parsed.Value, nil), parsed.Signature) {
		t.Errorf("%s: %v", code, err)
	}
	var complaint bytes.Buffer
	status := run(context.Background(), []string{"device", "sim", "auth-code", "--reader", "test reader", "--algorithm", "sm4", "--timestamp", "now"}, nil, &complaint, &complaint)
	if status != exitFailed || !strings.Contains(complaint.String(), "for another --algorithm") {
		t.Errorf("status %d: %s", status, complaint.String())
	}
}
