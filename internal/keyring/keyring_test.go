package keyring

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newTestRing(t *testing.T) (RootKey, *Ring, Wrapped) {
	t.Helper()
	var root RootKey
	rand.Read(root[:])
	ring, wrapped, err := Create(root, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return root, ring, wrapped
}

func TestSealOpen(t *testing.T) {
	root, ring, wrapped := newTestRing(t)
	again, err := Open(root, wrapped, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range [][]byte{{}, {1}, bytes.Repeat([]byte{7}, 5000)} {
		sealed, err := ring.Seal(secret, "devices/key/1")
		if err != nil {
			t.Fatal(err)
		}
		if len(sealed) != len(secret)+Overhead {
			t.Errorf("sealed %d bytes into %d", len(secret), len(sealed))
		}
		got, err := again.Open(sealed, "devices/key/1")
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("opened %x, %v", got, err)
		}
		if _, err := again.Open(sealed, "devices/key/2"); !errors.Is(err, ErrSealed) {
			t.Errorf("a value moved to another row opened: %v", err)
		}
	}
}

func TestOpenRefusesEveryDamage(t *testing.T) {
	_, ring, _ := newTestRing(t)
	sealed, _ := ring.Seal([]byte("secret"), "row")
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 0x40
		if _, err := ring.Open(bad, "row"); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		if _, err := ring.Open(sealed[:i], "row"); !errors.Is(err, ErrSealed) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestWrongRootKeyIsRefused(t *testing.T) {
	root, _, wrapped := newTestRing(t)
	other := root
	other[31] ^= 1
	if _, err := Open(other, wrapped, rand.Reader); !errors.Is(err, ErrWrongRootKey) {
		t.Errorf("another root key: %v", err)
	}
	wrapped.DataKey[20] ^= 1
	if _, err := Open(root, wrapped, rand.Reader); !errors.Is(err, ErrSealed) {
		t.Errorf("damaged data key: %v", err)
	}
}

func TestDeriveSeparatesPurposes(t *testing.T) {
	root, ring, wrapped := newTestRing(t)
	again, _ := Open(root, wrapped, rand.Reader)
	if ring.Derive("a") != again.Derive("a") {
		t.Error("two rings over one store derive different keys")
	}
	if ring.Derive("a") == ring.Derive("b") {
		t.Error("two purposes share a key")
	}
	_, stranger, _ := newTestRing(t)
	if ring.Derive("a") == stranger.Derive("a") {
		t.Error("two stores share a key")
	}
}

func TestKeysStayOutOfLogs(t *testing.T) {
	root, ring, _ := newTestRing(t)
	text := fmt.Sprintf("%v %+v %s %#v %v", root, root, root, root, ring)
	if strings.Contains(text, fmt.Sprint(root[0], " ", root[1])) || strings.Contains(text, fmt.Sprintf("%x", root[:4])) {
		t.Errorf("key bytes printed: %s", text)
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	if _, err := ReadOrCreateFile(path, false, rand.Reader); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Fatalf("made a key for a store that has one: %v", err)
	}
	made, err := ReadOrCreateFile(path, true, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(path)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	read, err := ReadOrCreateFile(path, true, rand.Reader)
	if err != nil || read != made {
		t.Errorf("read back another key: %v", err)
	}
}

func TestKeyFileRefusals(t *testing.T) {
	good := strings.Repeat("ab", KeySize) + "\n"
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"readable by others": {good, 0o644, "chmod 600"},
		"short":              {"abcd", 0o600, "64 hexadecimal"},
		"not hex":            {strings.Repeat("zz", KeySize), 0o600, "64 hexadecimal"},
		"empty":              {"", 0o600, "64 hexadecimal"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "k")
			if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := ReadOrCreateFile(path, true, rand.Reader)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if strings.Contains(fmt.Sprint(err), "abab") {
				t.Error("the error shows the key")
			}
		})
	}
}
