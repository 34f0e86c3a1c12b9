//go:build linux && cgo

package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
)

// The files of a store.
const (
	identityFile    = "identity"    // sealed by device.File
	sealKeyFile     = "seal.key"    // 64 hex digits
	fingerprintFile = "fingerprint" // text
)

// sealKeySize is what device.OpenFile wants.
const sealKeySize = 32

// openSoft opens the store, and makes it where there is none.
func openSoft(o options) (*session, error) {
	dir := o.store
	if dir == "" {
		if o.home == "" {
			return nil, fmt.Errorf("%w: neither HALLMARK_ID2_STORE nor HOME is set", device.ErrGeneric)
		}
		dir = filepath.Join(o.home, ".hallmark", "id2")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := sealKey(dir, o.sealKeyFile)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	file, err := device.OpenFile(rand.Reader, filepath.Join(dir, identityFile), key)
	if err != nil {
		return nil, err
	}
	return &session{
		client:      device.NewClient(file, rand.Reader),
		fingerprint: func() ([]byte, error) { return fingerprint(dir, o.fingerprint) },
		set:         file.Set,
		close:       func() error { return nil },
	}, nil
}

// sealKey returns the key that seals the identity: of the file that the
// environment names, which must be there, or of the one in the store, which is
// made if the store is new.
func sealKey(dir, named string) ([]byte, error) {
	path := named
	if path == "" {
		path = filepath.Join(dir, sealKeyFile)
		_, err := os.Stat(filepath.Join(dir, identityFile))
		if errors.Is(err, fs.ErrNotExist) {
			err = create(path, sealKeySize)
		}
		if err != nil {
			return nil, err
		}
	}
	text, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the identity is sealed, and its key is not there: %w", device.ErrAuthentication, err)
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	key := make([]byte, sealKeySize)
	digits := strings.TrimSpace(string(text))
	if len(digits) != hex.EncodedLen(sealKeySize) {
		return nil, fmt.Errorf("%w: %s does not hold %d hex digits", device.ErrAuthentication, path, hex.EncodedLen(sealKeySize))
	}
	if _, err := hex.Decode(key, []byte(digits)); err != nil {
		return nil, fmt.Errorf("%w: %s does not hold hex digits", device.ErrAuthentication, path)
	}
	return key, nil
}

// fingerprint returns what the device tells itself apart by when it asks for an
// identity: what the environment says, or a random text that the store keeps.
func fingerprint(dir, named string) ([]byte, error) {
	if named != "" {
		return []byte(named), nil
	}
	path := filepath.Join(dir, fingerprintFile)
	if err := create(path, 16); err != nil {
		return nil, err
	}
	text, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	return []byte(strings.TrimSpace(string(text))), nil
}

// create makes a file of random hex digits, unless there is one: of processes
// that start together one makes it, and all read the same.
func create(path string, size int) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	random := make([]byte, size)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	defer clear(random)
	file, err := os.CreateTemp(filepath.Dir(path), ".id2-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = fmt.Fprintf(file, "%x\n", random)
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// readSmall reads a file that has a few bytes only.
func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, 2*id2.MaxFingerprintLength))
}

// keyTypes are the algorithms of id2_client_set_id2_and_key, by its number and the
// length of the key in bytes.
var keyTypes = map[[2]int]id2.Algorithm{
	{1, 16}: id2.TDES112, {1, 24}: id2.TDES168,
	{2, 16}: id2.AES128, {2, 24}: id2.AES192, {2, 32}: id2.AES256,
	{3, 16}: id2.SM4,
}

// identity builds what id2_client_set_id2_and_key is given. The error wraps
// [device.ErrBadParameters].
func identity(id string, keyType int, digits string) (device.Identity, error) {
	if len(id) != id2.MinIDLength || !id2.ValidID(id) {
		return device.Identity{}, fmt.Errorf("%w: an id has %d characters", device.ErrBadParameters, id2.MinIDLength)
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return device.Identity{}, fmt.Errorf("%w: the key is not in hex digits", device.ErrBadParameters)
	}
	defer clear(raw)
	algorithm, ok := keyTypes[[2]int{keyType, len(raw)}]
	if !ok {
		return device.Identity{}, fmt.Errorf("%w: no key of type %d has %d bytes", device.ErrBadParameters, keyType, len(raw))
	}
	key, err := id2.NewPrivateKey(algorithm, raw)
	if err != nil {
		return device.Identity{}, fmt.Errorf("%w: %w", device.ErrBadParameters, err)
	}
	return device.Identity{ID: id, Hash: algorithm.NativeHash(), Key: key}, nil
}
