package ciss

import (
	"crypto/cipher"
	"errors"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

// work counts cryptographic operations by the block.
type work struct{ decrypted, encrypted, hashed int }

// countingBlock is SM4 without the shortcut for whole messages, so that every
// block is seen.
type countingBlock struct {
	cipher.Block
	work *work
}

func (b countingBlock) Encrypt(dst, src []byte) { b.work.encrypted++; b.Block.Encrypt(dst, src) }
func (b countingBlock) Decrypt(dst, src []byte) { b.work.decrypted++; b.Block.Decrypt(dst, src) }

type countingHash struct {
	hash.Hash
	work    *work
	written int
}

func (h *countingHash) Write(p []byte) (int, error) { h.written += len(p); return h.Hash.Write(p) }
func (h *countingHash) Reset()                      { h.written = 0; h.Hash.Reset() }
func (h *countingHash) Sum(b []byte) []byte {
	h.work.hashed += digestBlocks(h.written)
	return h.Hash.Sum(b)
}

// watch makes a channel count its work.
func watch(c *Channel) *work {
	w := new(work)
	c.block = countingBlock{c.block, w}
	c.newHash = func() hash.Hash { return &countingHash{sm3.New(), w, 0} }
	return w
}

// sealRaw seals a plaintext that is already padded.
func sealRaw(t *testing.T, c *Channel, padded string) string {
	t.Helper()
	if len(padded)%blockSize != 0 {
		t.Fatalf("%d bytes are not whole blocks", len(padded))
	}
	// Sealing pads a whole block more, which CBC allows to cut off again.
	text, err := c.seal([]byte(padded))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := decodeText(text)
	if err != nil {
		t.Fatal(err)
	}
	return encodeText(sealed[:len(sealed)-blockSize])
}

// badMessages returns ciphertexts of one length that are wrong in one way each.
func badMessages(t *testing.T, c *Channel) map[string]string {
	t.Helper()
	good, err := c.SealLoginVerify(LoginVerify{AuthID: testAuthID, SignCert: strings.Repeat("ab", 500), SignData: strings.Repeat("cd", 64), Time: testTime})
	if err != nil {
		t.Fatal(err)
	}
	padded, err := c.unseal(good)
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := unpad(padded)
	change := func(old, replacement string) string {
		if len(old) != len(replacement) || !strings.Contains(string(plain), old) {
			t.Fatalf("cannot replace %q by %q", old, replacement)
		}
		return sealRaw(t, c, strings.Replace(string(padded), old, replacement, 1))
	}
	other := newTestChannel(t, func(s *Settings) { *s = c.Settings() })
	other.block, err = sm4.NewCipher([]byte("another key 1234"))
	if err != nil {
		t.Fatal(err)
	}
	signature := value(mustParse(t, string(plain)), nameSignature)
	return map[string]string{
		"wrong key":          sealRaw(t, other, string(padded)),
		"padding of 0":       sealRaw(t, c, string(padded[:len(padded)-1])+"\x00"),
		"padding of 17":      sealRaw(t, c, string(padded[:len(padded)-1])+"\x11"),
		"not JSON":           change(`{"authId"`, `["authId"`),
		"not text":           change(`{"authId":"`, "{\"authId\":\xff"),
		"two of a name":      change(`"signCert"`, `"signData"`),
		"missing field":      change(`"timestamp"`, `"timestamq"`),
		"missing signature":  change(`"signature"`, `"signaturf"`),
		"field not in form":  change(testAuthID, "!"+testAuthID[1:]),
		"null":               change(`"`+testAuthID+`"`, "null"+strings.Repeat(" ", len(testAuthID)-2)),
		"signed differently": change(testAuthID, "0"+testAuthID[1:]),
		"bad signature":      change(signature, "A"+signature[1:]),
		"no signature":       change(`"`+signature+`"`, `""`+strings.Repeat(" ", len(signature))),
	}
}

func mustParse(t *testing.T, text string) []member {
	t.Helper()
	members, err := parseMembers([]byte(text), false)
	if err != nil {
		t.Fatal(err)
	}
	return members
}

// TestFailuresCostTheSame counts the cryptographic work of each way to fail.
func TestFailuresCostTheSame(t *testing.T) {
	for _, variant := range variants {
		for _, iv := range []IVMode{IVZero, IVPrefix} {
			for _, layer := range []bool{false, true} {
				c := newTestChannel(t, func(s *Settings) { s.Signature, s.IV, s.LoginLayer = variant, iv, layer })
				bad := badMessages(t, c)
				w := watch(c)
				var first *work
				for name, param := range bad {
					*w = work{}
					_, err := c.OpenLoginVerify(param, testTime)
					var fault *Fault
					if !errors.As(err, &fault) {
						t.Errorf("%s: %v", name, err)
					}
					if first == nil {
						first = &work{w.decrypted, w.encrypted, w.hashed}
					}
					if *w != *first || w.decrypted == 0 || w.hashed == 0 {
						t.Errorf("%s %s: %s: work %+v, of another failure %+v", variant, iv, name, *w, *first)
					}
				}
			}
		}
	}
}

// TestSuccessCostsNoMore keeps the work of the failures off the good messages.
func TestSuccessCostsNoMore(t *testing.T) {
	c := newTestChannel(t, nil)
	param, err := c.SealScan(Scan{AuthID: testAuthID, Status: StatusScanned, Time: testTime})
	if err != nil {
		t.Fatal(err)
	}
	w := watch(c)
	if _, err := c.OpenScan(param, testTime.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	want := work{decrypted: 10, encrypted: 2, hashed: digestBlocks(len(testAppID) + len(testAuthID) + 2 + 14)}
	if *w != want {
		t.Errorf("work %+v, want %+v", *w, want)
	}
}
