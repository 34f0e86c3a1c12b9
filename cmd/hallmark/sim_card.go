package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/se/pcsc"
	"github.com/hallmark-id/hallmark/id2/se/virtual"
)

// cardFile is a virtual secure element as it is kept.
type cardFile struct {
	ID2       string `json:"id2"`
	Algorithm string `json:"algorithm"`
	Key       string `json:"key"` // as in a key file
}

// newCardFile makes the content of a card's file. Chips hold ids of 12 bytes.
func newCardFile(id string, a id2.Algorithm, key []byte) ([]byte, error) {
	file := cardFile{id, a.String(), strings.TrimSpace(string(key))}
	if _, err := file.card(a); err != nil {
		return nil, err
	}
	if _, err := device.NewSecureElement(nil, a, id2.Key{}); err != nil { // the card would hold it, and no device could use it
		return nil, err
	}
	text, err := json.Marshal(file)
	return append(text, '\n'), err
}

// openCardFile puts the card of a file into a reader.
func openCardFile(path string) (*virtual.Card, id2.Algorithm, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, err
	}
	var file cardFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, 0, withHint(fmt.Errorf("%s is no virtual card", path), "hallmark device sim new --card FILE makes one")
	}
	algorithm, err := id2.ParseAlgorithm(file.Algorithm)
	if err != nil {
		return nil, 0, errorAt(path, err)
	}
	card, err := file.card(algorithm)
	return card, algorithm, errorAt(path, err)
}

// card is the card with the file's id and key. It answers as most chips do, in
// parts that have to be fetched.
func (f *cardFile) card(a id2.Algorithm) (*virtual.Card, error) {
	id, err := hex.DecodeString(f.ID2)
	if err != nil || len(f.ID2) != id2.MinIDLength || strings.ToUpper(f.ID2) != f.ID2 {
		return nil, fmt.Errorf("%q: a card's ID² is %d upper-case hexadecimal digits", f.ID2, id2.MinIDLength)
	}
	key, err := parseKey(a, []byte(f.Key))
	if err != nil {
		return nil, err
	}
	card := virtual.New(rand.Reader, virtual.Config{Style: virtual.T0, ID: id})
	return card, card.SetKey(0, key)
}

// SimReadersCmd lists card readers.
type SimReadersCmd struct{}

// simReader is a reader as SimReadersCmd prints it as JSON.
type simReader struct {
	Name string `json:"name"`
	Card bool   `json:"card"`
	ATR  string `json:"atr_hex,omitempty"`
}

// Run prints the readers.
func (c *SimReadersCmd) Run(env *Env) error {
	readers, err := pcsc.Driver{}.Readers()
	if err != nil {
		return explainCard(err)
	}
	out := struct {
		Readers []simReader `json:"readers"`
	}{[]simReader{}}
	t := table{header: []string{"NAME", "CARD", "ATR"}}
	for _, r := range readers {
		atr := hex.EncodeToString(r.ATR)
		out.Readers = append(out.Readers, simReader{r.Name, r.Card, atr})
		t.add(r.Name, yes(r.Card), atr)
	}
	return env.print(out, t)
}
