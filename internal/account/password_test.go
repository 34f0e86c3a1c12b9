package account

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestPHC(t *testing.T) {
	good := nobody.String()
	if p, err := parsePHC(good); err != nil || p.String() != good {
		t.Fatalf("%q: %v", good, err)
	}
	for _, bad := range []string{"", "$", good + " ", good[1:], strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=19456", "m=19456000", 1), strings.Replace(good, "t=2", "t=0", 1), strings.Replace(good, "p=1", "p=0", 1),
		strings.Replace(good, "t=2", "t=02", 1), strings.TrimRight(good, "A"), good + "$", strings.Replace(good, "m=19456", "m=-1", 1)} {
		if p, err := parsePHC(bad); err == nil {
			t.Errorf("%q was read as %v", bad, p)
		}
	}
}

// What is read never costs more than a server has, and prints as it was.
func FuzzPHC(f *testing.F) {
	f.Add(nobody.String())
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePHC(text)
		if err == nil && (p.String() != text || p.memory > maxArgonMemory || p.time > maxArgonTime) {
			t.Errorf("%q was read as %q", text, p)
		}
	})
}

// A flood is refused beyond a few that work and a few dozen that wait.
func TestHashingIsBounded(t *testing.T) {
	h := newHasher(rand.Reader)
	for range maxHashing {
		h.slots <- struct{}{} // all places are taken
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var busy, gaveUp atomic.Int64
	var all sync.WaitGroup
	const flood = 500
	for range flood {
		all.Go(func() {
			switch _, err := h.run(ctx, nobody, "x"); {
			case errors.Is(err, ErrBusy):
				if busy.Add(1) == flood-maxHashing-maxWaiting {
					cancel()
				}
			case errors.Is(err, context.Canceled):
				gaveUp.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if busy.Load() != flood-maxHashing-maxWaiting || gaveUp.Load() != maxHashing+maxWaiting {
		t.Errorf("%d refused, %d waited", busy.Load(), gaveUp.Load())
	}
	if h.waiting.Load() != 0 {
		t.Errorf("%d are still counted", h.waiting.Load())
	}
}

// Whatever is pasted for a certificate has a fingerprint or is refused.
func FuzzCertificate(f *testing.F) {
	for _, s := range []string{"", "30", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fingerprint, err := fingerprintOf(text)
		if err == nil {
			_, err = parseFingerprint(fingerprint)
		} else if !errors.Is(err, ErrNotCertificate) {
			t.Error(err)
		}
		if err == nil && len(fingerprint) != 64 {
			t.Errorf("%q", fingerprint)
		}
	})
}
