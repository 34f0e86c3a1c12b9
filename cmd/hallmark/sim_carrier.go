package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/se"
	"github.com/hallmark-id/hallmark/id2/se/pcsc"
)

// simDevice are the flags that say who the device is and where its key is.
type simDevice struct {
	KeyFile   string `placeholder:"FILE" xor:"carrier" required:"" help:"File with the device's key; goes with --algorithm and --id2."`
	Card      string `placeholder:"FILE" xor:"carrier" required:"" help:"Virtual secure element that sim new --card made."`
	Reader    string `placeholder:"NAME" xor:"carrier" required:"" help:"Card reader with the device's secure element, by its name or a part of it (sim readers); goes with --algorithm."`
	Algorithm string `enum:",${algorithms}" default:"" placeholder:"A" help:"Algorithm of the device's key: ${algorithms}."`
	ID2       string `name:"id2" placeholder:"ID" help:"The device's ID²; cards know theirs."`
	Hash      string `enum:"${hashes},native" default:"native" help:"Digest the device is built with; cards use their algorithm's own."`
	ServerKey string `placeholder:"FILE" help:"Public key that checks server codes, PEM; for asymmetric devices (hallmark product server-key)."`
}

// check refuses flags that do not go together.
func (s *simDevice) check() error {
	switch {
	case s.KeyFile != "" && (s.Algorithm == "" || s.ID2 == ""):
		return usage("--key-file needs --algorithm and --id2: the file holds nothing but the key")
	case s.Reader != "" && s.Algorithm == "":
		return usage("--reader needs --algorithm: a card does not say what its key is for")
	case s.Card != "" && s.Algorithm != "":
		return usage("--algorithm does not go with --card, which knows its own")
	case s.KeyFile == "" && s.ID2 != "":
		return usage("--id2 does not go with --card or --reader: a card knows its own")
	case s.KeyFile == "" && s.Hash != "native":
		return usage("--hash does not go with --card or --reader: the digest goes with the algorithm")
	}
	return nil
}

// use runs the device's software.
func (s *simDevice) use(run func(*device.Client) error) (err error) {
	if err := s.check(); err != nil {
		return err
	}
	if s.KeyFile != "" {
		carrier, err := s.soft()
		if err != nil {
			return err
		}
		return run(device.NewClient(carrier, rand.Reader))
	}
	driver, algorithm, err := s.driver()
	if err != nil {
		return err
	}
	serverKey, err := s.readServerKey(algorithm)
	if err != nil {
		return err
	}
	applet, err := se.Open(driver)
	if err != nil {
		return explainCard(err)
	}
	defer func() { err = errors.Join(err, applet.Close()) }()
	carrier, err := device.NewSecureElement(applet, algorithm, serverKey)
	if err != nil {
		return err
	}
	return explainCard(run(device.NewClient(carrier, rand.Reader)))
}

// soft is a carrier of the key in a file.
func (s *simDevice) soft() (device.Carrier, error) {
	algorithm, err := id2.ParseAlgorithm(s.Algorithm)
	if err != nil {
		return nil, err
	}
	identity := device.Identity{ID: s.ID2, Hash: algorithm.NativeHash()}
	if s.Hash != "native" {
		if identity.Hash, err = id2.ParseHash(s.Hash); err != nil {
			return nil, err
		}
	}
	if identity.Key, err = readKeyFile(algorithm, s.KeyFile); err != nil {
		return nil, err
	}
	if identity.ServerKey, err = s.readServerKey(algorithm); err != nil {
		return nil, err
	}
	carrier := device.NewMemory(rand.Reader)
	return carrier, carrier.Set(identity)
}

// driver reaches the device's card, and says what its key is for.
func (s *simDevice) driver() (se.Driver, id2.Algorithm, error) {
	if s.Card != "" {
		return openCardFile(s.Card)
	}
	algorithm, err := id2.ParseAlgorithm(s.Algorithm)
	return pcsc.Driver{Reader: s.Reader}, algorithm, err
}

// readServerKey returns the key that --server-key names, the zero Key without it.
func (s *simDevice) readServerKey(a id2.Algorithm) (id2.Key, error) {
	if s.ServerKey == "" {
		return id2.Key{}, nil
	}
	text, err := os.ReadFile(s.ServerKey)
	if err != nil {
		return id2.Key{}, err
	}
	key, err := id2.ParsePublicKeyPEM(a, text)
	return key, errorAt(s.ServerKey, err)
}

// explainCard says what to do about a card or its reader.
func explainCard(err error) error {
	switch {
	case errors.Is(err, pcsc.ErrNoDaemon):
		return withHint(err, "install and start the PC/SC daemon; Debian: apt-get install pcscd")
	case errors.Is(err, pcsc.ErrNoReader):
		return withHint(err, "hallmark device sim readers lists them")
	case errors.Is(err, pcsc.SharingViolation):
		return withHint(err, "end the other program, such as gpg's scdaemon")
	case errors.Is(err, se.StatusFileNotFound):
		return withHint(err, "this card has no ID² applet")
	case errors.Is(err, se.StatusKeyNotFound), errors.Is(err, se.StatusKeyType):
		return withHint(err, "the card's ID² key is for another --algorithm, or it has none")
	}
	return err
}

// readKeyFile reads a key from a file of its own.
func readKeyFile(a id2.Algorithm, path string) (id2.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return id2.PrivateKey{}, err
	}
	key, err := parseKey(a, text)
	return key, errorAt(path, err)
}

// parseKey reads hexadecimal digits, or PEM for asymmetric algorithms.
func parseKey(a id2.Algorithm, text []byte) (id2.PrivateKey, error) {
	if !a.Symmetric() {
		return id2.ParsePrivateKeyPEM(a, text)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return id2.PrivateKey{}, fmt.Errorf("a key of %s is %d hexadecimal digits", a, 2*a.KeySize())
	}
	return id2.NewPrivateKey(a, raw)
}

func errorAt(path string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
