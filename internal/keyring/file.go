package keyring

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/hallmark-id/hallmark/internal/durable"
)

// ReadFile reads a root key file: 64 hexadecimal digits and a newline, readable
// by its owner only. A missing file is reported as fs.ErrNotExist.
func ReadFile(path string) (RootKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return RootKey{}, fmt.Errorf("root key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return RootKey{}, fmt.Errorf("root key file %s can be read by others (mode %04o): run chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return RootKey{}, fmt.Errorf("root key file: %w", err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != KeySize {
		return RootKey{}, fmt.Errorf("root key file %s must hold %d hexadecimal digits", path, 2*KeySize)
	}
	return RootKey(raw), nil
}

// ReadOrCreateFile reads the root key file, or makes it (mode 0600) when create
// is set and it does not exist. The new key is on disk when the call returns.
func ReadOrCreateFile(path string, create bool, random io.Reader) (RootKey, error) {
	root, err := ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	if !create {
		return RootKey{}, fmt.Errorf("the store is not empty and its root key file %s is missing: put the key file back, a new one could not open the secrets", path)
	}
	if _, err := io.ReadFull(random, root[:]); err != nil {
		return RootKey{}, fmt.Errorf("make a root key: %w", err)
	}
	text := hex.EncodeToString(root[:]) + "\n"
	return root, durable.WriteFile(path, []byte(text), 0o600)
}
