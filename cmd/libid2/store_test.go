//go:build linux && cgo

package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/se/virtual"
)

const (
	testID  = "2122232425262728292A2B2C"
	testKey = "2122232425262728292a2b2c2d2e2f30"
)

// openStore opens a store and gives it an identity.
func openStore(t *testing.T, o options) *session {
	t.Helper()
	s, err := openSoft(o)
	if err != nil {
		t.Fatal(err)
	}
	i, err := identity(testID, 2, testKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.set(i); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStorePlace: HALLMARK_ID2_STORE before HOME, and neither is an error.
func TestStorePlace(t *testing.T) {
	home, store := t.TempDir(), filepath.Join(t.TempDir(), "a", "b")
	openStore(t, options{home: home})
	openStore(t, options{home: home, store: store})
	for _, dir := range []string{filepath.Join(home, ".hallmark", "id2"), store} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 2 {
			t.Errorf("%s: %v, %v", dir, entries, err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", e.Name(), info, err)
			}
		}
	}
	if _, err := openSoft(options{}); device.Number(err) != -1 {
		t.Errorf("no home: %v", err)
	}
}

// TestSealKey: the identity opens under its key only, and a key that is gone is
// not replaced.
func TestSealKey(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(t.TempDir(), "own.key")
	if err := os.WriteFile(own, []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	openStore(t, options{store: dir})
	openStore(t, options{store: filepath.Join(dir, "2"), sealKeyFile: own})
	if _, err := os.Stat(filepath.Join(dir, "2", sealKeyFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key was made beside the one that was named: %v", err)
	}
	for name, o := range map[string]options{
		"another key": {store: dir, sealKeyFile: own},
		"no such key": {store: dir, sealKeyFile: own + "x"},
		"own key":     {store: filepath.Join(dir, "2"), sealKeyFile: filepath.Join(dir, sealKeyFile)},
		"none":        {store: filepath.Join(dir, "2")},
	} {
		if _, err := openSoft(o); device.Number(err) != int(device.ErrAuthentication) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", "00", strings.Repeat("x", 64), strings.Repeat("0", 66), strings.Repeat("0", 1<<20)} {
		if err := os.WriteFile(filepath.Join(dir, sealKeyFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openSoft(options{store: dir}); device.Number(err) != int(device.ErrAuthentication) {
			t.Errorf("a key of %.70q: %v", text, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, sealKeyFile)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := openSoft(options{store: dir}); device.Number(err) != int(device.ErrAuthentication) {
			t.Errorf("the key is gone: %v", err)
		}
	}
}

// TestStoreTogether: processes that start at once on an empty store agree.
func TestStoreTogether(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	prints := make([][]byte, 8)
	for i := range prints {
		wg.Go(func() {
			s, err := openSoft(options{store: dir})
			if err != nil {
				t.Error(err)
				return
			}
			if prints[i], err = s.fingerprint(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range prints {
		if len(p) != 32 || !bytes.Equal(p, prints[0]) {
			t.Errorf("fingerprints %s and %s", p, prints[0])
		}
	}
	openStore(t, options{store: dir})
	if s, err := openSoft(options{store: dir, fingerprint: "serial 1"}); err != nil {
		t.Error(err)
	} else if p, err := s.fingerprint(); string(p) != "serial 1" || err != nil {
		t.Errorf("fingerprint %s, %v", p, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestLibrary: init counts, also where it fails.
func TestLibrary(t *testing.T) {
	var l library
	if err := l.init(nil, options{}); err == nil {
		t.Fatal("opened without a place")
	}
	card := virtual.New(rand.Reader, virtual.Config{ID: []byte(testID)})
	key, err := id2.GeneratePrivateKey(rand.Reader, id2.SM4)
	if err != nil {
		t.Fatal(err)
	}
	if err := card.SetKey(0, key); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.init(card, options{algorithm: "sm4"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.cleanup(); err != nil {
		t.Fatal(err)
	}
	s, err := l.session()
	if err != nil {
		t.Fatal(err)
	}
	if code, err := s.client.ChallengeAuthCode("c", nil); err != nil || !strings.HasPrefix(code, "0~3~") {
		t.Errorf("%s, %v", code, err)
	}
	for range 2 {
		if err := l.cleanup(); err != nil {
			t.Error(err)
		}
		if _, err := l.session(); device.Number(err) != -1 {
			t.Errorf("after the last cleanup: %v", err)
		}
	}
	if _, err := s.client.ChallengeAuthCode("c", nil); device.Number(err) != int(device.ErrCommunication) {
		t.Errorf("what was under way: %v", err)
	}
}

// TestAddress: devices go to their product's own name, or to an address.
func TestAddress(t *testing.T) {
	for host, want := range map[string]string{
		"itls.cn-shanghai.aliyuncs.com": "a1Key.itls.cn-shanghai.aliyuncs.com:1883",
		"192.0.2.10":                    "192.0.2.10:1883",
		"2001:db8::1":                   "[2001:db8::1]:1883",
		"localhost":                     "a1Key.localhost:1883",
	} {
		if got := (itlsServer{host, 1883, "a1Key"}).address(); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}
