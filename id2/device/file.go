package device

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/hallmark-id/hallmark/id2"
)

const (
	// fileMagic begins the file and is authenticated with it.
	fileMagic = "HMID2\x00\x00\x01"
	// maxFileSize bounds what is read; the longest identity, two RSA-2048
	// keys, takes 2.2 kB.
	maxFileSize = 16 << 10
)

// sealedIdentity is the plaintext of the file, in JSON.
type sealedIdentity struct {
	ID        string `json:"id"`
	Algorithm string `json:"algorithm"`
	Hash      string `json:"hash"`
	Key       []byte `json:"key"`
	ServerKey []byte `json:"server_key,omitempty"`
}

// File is a [Carrier] that keeps its identity in a file: a magic number, a nonce
// of 12 bytes, and JSON under AES-256-GCM. Two processes may read the same file
// but see each other's changes only when they open it again.
type File struct {
	soft
	path    string
	aead    cipher.AEAD
	writing sync.Mutex // orders calls of Set: file and carrier end up with the same one
}

// OpenFile returns the carrier in the file at path, sealed under sealKey of 32
// bytes. If there is no such file the carrier has no identity yet. rand is a
// secure source, used for nonces and signatures.
//
// The error wraps [ErrBadParameters] for a key of another length and
// [ErrAuthentication] if the file was not sealed under this key or was changed.
func OpenFile(rand io.Reader, path string, sealKey []byte) (*File, error) {
	if len(sealKey) != 32 {
		return nil, fmt.Errorf("%w: sealing key of %d bytes", ErrBadParameters, len(sealKey))
	}
	block, err := aes.NewCipher(sealKey)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	f := &File{soft: soft{rand: rand}, path: path, aead: aead}
	sealed, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	f.identity, err = f.open(sealed)
	return f, err
}

// Set replaces the identity. When it returns nil the file has the new identity
// and survives a crash of the machine; on any error the file and the carrier
// have the old one, unless only the last step, syncing the directory, failed:
// then either may be found after a crash. The error wraps [ErrBadParameters] as
// that of [Memory.Set] does, or is one of the file system.
func (f *File) Set(identity Identity) error {
	if err := identity.check(); err != nil {
		return err
	}
	f.writing.Lock()
	defer f.writing.Unlock()
	sealed, err := f.seal(identity)
	if err != nil {
		return err
	}
	if err := writeFile(f.path, sealed); err != nil {
		return err
	}
	f.set(&identity)
	return nil
}

// seal returns the content of the file.
func (f *File) seal(identity Identity) ([]byte, error) {
	plain, err := json.Marshal(sealedIdentity{
		ID:        identity.ID,
		Algorithm: identity.Key.Algorithm().String(),
		Hash:      identity.Hash.String(),
		Key:       identity.Key.Bytes(),
		ServerKey: identity.ServerKey.Bytes(),
	})
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	sealed := append(make([]byte, 0, maxFileSize), fileMagic...)
	nonce := make([]byte, f.aead.NonceSize())
	if _, err := io.ReadFull(f.rand, nonce); err != nil {
		return nil, err
	}
	return f.aead.Seal(append(sealed, nonce...), nonce, plain, []byte(fileMagic)), nil
}

// open is the inverse of seal.
func (f *File) open(sealed []byte) (*Identity, error) {
	head := len(fileMagic) + f.aead.NonceSize()
	if len(sealed) < head || string(sealed[:len(fileMagic)]) != fileMagic {
		return nil, fmt.Errorf("%w: %s is not an identity file", ErrAuthentication, f.path)
	}
	plain, err := f.aead.Open(nil, sealed[len(fileMagic):head], sealed[head:], []byte(fileMagic))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: sealed under another key, or changed", ErrAuthentication, f.path)
	}
	defer clear(plain)
	var s sealedIdentity
	if err := json.Unmarshal(plain, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	defer clear(s.Key)
	identity, err := s.identity()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return identity, nil
}

// identity builds the keys from their encodings.
func (s sealedIdentity) identity() (*Identity, error) {
	algorithm, err := id2.ParseAlgorithm(s.Algorithm)
	if err != nil {
		return nil, err
	}
	hash, err := id2.ParseHash(s.Hash)
	if err != nil {
		return nil, err
	}
	key, err := id2.NewPrivateKey(algorithm, s.Key)
	if err != nil {
		return nil, err
	}
	identity := &Identity{ID: s.ID, Hash: hash, Key: key}
	if len(s.ServerKey) > 0 {
		if identity.ServerKey, err = id2.NewPublicKey(algorithm, s.ServerKey); err != nil {
			return nil, err
		}
	}
	return identity, identity.check()
}

// readFile reads a file of bounded size.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err == nil && len(b) > maxFileSize {
		return nil, fmt.Errorf("%w: %s is not an identity file", ErrAuthentication, path)
	}
	return b, err
}

// writeFile replaces the file at path so that a crash at any moment leaves the
// old content or the new: openat(temporary), write, fsync, close, rename,
// open(directory), fsync.
func writeFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, ".id2-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncDir(dir)
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
