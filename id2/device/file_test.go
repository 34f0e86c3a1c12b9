package device

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/hallmark-id/hallmark/id2"
)

var sealKey = bytes.Repeat([]byte{7}, 32)

// testIdentity makes an identity, with a server key if it can have one.
func testIdentity(t testing.TB, a id2.Algorithm) Identity {
	t.Helper()
	key, err := id2.GeneratePrivateKey(rand.Reader, a)
	if err != nil {
		t.Fatal(err)
	}
	identity := Identity{ID: testID, Hash: a.NativeHash(), Key: key}
	if !a.Symmetric() {
		identity.ServerKey = key.Public()
	}
	return identity
}

func TestFileRoundTrip(t *testing.T) {
	for _, a := range id2.Algorithms() {
		path := filepath.Join(t.TempDir(), "identity")
		file, err := OpenFile(rand.Reader, path, sealKey)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.ID(); !errors.Is(err, ErrItemNotFound) {
			t.Errorf("%v: new file: %v", a, err)
		}
		identity := testIdentity(t, a)
		if err := file.Set(identity); err != nil {
			t.Fatal(err)
		}
		again, err := OpenFile(rand.Reader, path, sealKey)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []*File{file, again} {
			got, err := f.get()
			if err != nil || got.ID != identity.ID || got.Hash != identity.Hash ||
				!bytes.Equal(got.Key.Bytes(), identity.Key.Bytes()) || !got.ServerKey.Equal(identity.ServerKey) {
				t.Errorf("%v: %+v, %v", a, got, err)
			}
		}
		checkFile(t, path, identity)
	}
}

// checkFile looks at the file from outside.
func checkFile(t *testing.T, path string, identity Identity) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(content, identity.Key.Bytes()) || bytes.Contains(content, []byte(testID)) {
		t.Error("the file shows the identity")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files left, %v", len(entries), err)
	}
}

func TestFileRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	file, err := OpenFile(rand.Reader, path, sealKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Set(testIdentity(t, id2.AES128)); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, content, key []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := OpenFile(rand.Reader, path, key)
		if Number(err) != int(ErrAuthentication) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		refused("a changed byte", bad, sealKey)
	}
	for n := range good {
		refused("cut", good[:n], sealKey)
	}
	refused("longer", append(bytes.Clone(good), 0), sealKey)
	refused("much longer", make([]byte, maxFileSize+1), sealKey)
	refused("another key", good, bytes.Repeat([]byte{8}, 32))
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := OpenFile(rand.Reader, path, make([]byte, n)); !errors.Is(err, ErrBadParameters) {
			t.Errorf("key of %d bytes: %v", n, err)
		}
	}
	if _, err := OpenFile(rand.Reader, filepath.Dir(path), sealKey); err == nil {
		t.Error("opened a directory")
	}
}

// TestFileKeepsOld: a Set that fails leaves file and carrier as they were.
func TestFileKeepsOld(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "identity")
	file, err := OpenFile(rand.Reader, path, sealKey)
	if err != nil {
		t.Fatal(err)
	}
	old := testIdentity(t, id2.AES128)
	if err := file.Set(old); err != nil {
		t.Fatal(err)
	}
	check := func(name string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		got, err := file.get()
		if err != nil || !bytes.Equal(got.Key.Bytes(), old.Key.Bytes()) {
			t.Errorf("%s: the carrier changed", name)
		}
	}
	bad := testIdentity(t, id2.SM4)
	bad.ID = "short"
	check("bad identity", file.Set(bad))

	file.rand = iotest.ErrReader(errors.New("no randomness"))
	check("no nonce", file.Set(testIdentity(t, id2.SM4)))
	file.rand = rand.Reader

	file.path = filepath.Join(dir, "missing", "identity")
	if err := file.Set(testIdentity(t, id2.SM4)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	// A directory cannot be replaced by a file: the rename fails, and the
	// temporary file goes.
	file.path = filepath.Join(dir, "occupied")
	if err := os.MkdirAll(filepath.Join(file.path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	check("occupied", file.Set(testIdentity(t, id2.SM4)))
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%d entries left, %v", len(entries), err)
	}
	again, err := OpenFile(rand.Reader, path, sealKey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.get(); err != nil || !bytes.Equal(got.Key.Bytes(), old.Key.Bytes()) {
		t.Errorf("the file changed: %v", err)
	}
}

// TestFileContents: a sealed content that is no identity.
func TestFileContents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	file, err := OpenFile(rand.Reader, path, sealKey)
	if err != nil {
		t.Fatal(err)
	}
	const id = `"id":"` + testID + `"`
	for _, content := range []string{
		``, `[]`, `{}`,
		`{"algorithm":"aes128"}`,
		`{"algorithm":"aes128","hash":"sha256"}`,
		`{"algorithm":"aes128","hash":"sha256","key":"AAAAAAAAAAAAAAAAAAAAAA=="}`,
		`{` + id + `,"algorithm":"aes128","hash":"sm3","key":"AAAAAAAAAAAAAAAAAAAAAA=="}`,
		`{` + id + `,"algorithm":"aes128","hash":"sha256","key":"AAAAAAAAAAAAAAAAAAAAAA==","server_key":"AAAA"}`,
		`{` + id + `,"algorithm":"aes128","hash":"sha256","key":"####"}`,
	} {
		nonce := make([]byte, 12)
		sealed := file.aead.Seal(append([]byte(fileMagic), nonce...), nonce, []byte(content), []byte(fileMagic))
		if err := os.WriteFile(path, sealed, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenFile(rand.Reader, path, sealKey); err == nil {
			t.Errorf("%s: accepted", content)
		}
	}
}

// TestFileConcurrent is for the race detector, and checks that file and carrier
// end with the same identity.
func TestFileConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	file, err := OpenFile(rand.Reader, path, sealKey)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		identity := testIdentity(t, id2.AES128)
		wg.Go(func() {
			for range 5 {
				if err := file.Set(identity); err != nil {
					t.Error(err)
				}
				_, _ = file.Sign([]byte("m"))
			}
		})
	}
	wg.Wait()
	again, err := OpenFile(rand.Reader, path, sealKey)
	if err != nil {
		t.Fatal(err)
	}
	inMemory, _ := file.get()
	onDisk, _ := again.get()
	if !bytes.Equal(inMemory.Key.Bytes(), onDisk.Key.Bytes()) {
		t.Error("file and carrier differ")
	}
}
