package koblitz

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"math/big"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"pgregory.net/rapid"
)

var curves = []*Curve{Secp192k1, Secp224k1, Secp256k1}

func TestParameters(t *testing.T) {
	for _, c := range curves {
		if !c.p.ProbablyPrime(20) || !c.n.ProbablyPrime(20) {
			t.Errorf("%v: p or n is not prime", c)
		}
		if !c.contains(&c.g.x, &c.g.y) {
			t.Errorf("%v: the base point is not on the curve", c)
		}
		a := newArithmetic(c)
		minus1 := new(big.Int).Sub(c.n, big.NewInt(1))
		p := a.combine(minus1, c.base(), nil, nil)
		x, y := a.affine(p)
		if x.Cmp(&c.g.x) != 0 || new(big.Int).Add(y, &c.g.y).Cmp(c.p) != 0 {
			t.Errorf("%v: (n−1)·G is not −G", c)
		}
		if a.add(p, c.g); !p.infinite() {
			t.Errorf("%v: n·G is not infinity", c)
		}
	}
}

// TestGroupLaw compares k·G by windows with k·G by single additions, which
// passes through every exceptional case of add.
func TestGroupLaw(t *testing.T) {
	for _, c := range curves {
		a := newArithmetic(c)
		sum := new(jacobian)
		for k := int64(1); k <= 40; k++ {
			a.add(sum, c.g)
			want := a.combine(big.NewInt(k), c.base(), nil, nil)
			x1, y1 := a.affine(sum)
			x2, y2 := a.affine(want)
			if x1.Cmp(x2) != 0 || y1.Cmp(y2) != 0 || !c.contains(x1, y1) {
				t.Fatalf("%v: %d·G differs", c, k)
			}
			both := a.combine(big.NewInt(k-1), c.base(), big.NewInt(1), a.table(c.g))
			if x3, _ := a.affine(both); x3.Cmp(x1) != 0 {
				t.Fatalf("%v: (%d−1)·G + G differs", c, k)
			}
		}
		a.add(sum, new(jacobian))
		zero := new(jacobian)
		if a.double(zero); !zero.infinite() {
			t.Errorf("%v: 2·∞ is not ∞", c)
		}
	}
}

func TestSignVerify(t *testing.T) {
	for _, c := range curves {
		key, err := c.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256([]byte(c.String()))
		signature, err := key.Sign(rand.Reader, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		if len(signature) != 2*c.FieldSize() || !key.Public().Verify(digest[:], signature) {
			t.Errorf("%v: own signature refused", c)
		}
		other, _ := c.GenerateKey(rand.Reader)
		if other.Public().Verify(digest[:], signature) {
			t.Errorf("%v: accepted under another key", c)
		}
		for name, bad := range badSignatures(c, signature) {
			if key.Public().Verify(digest[:], bad) {
				t.Errorf("%v: accepted %s", c, name)
			}
		}
	}
}

// badSignatures are the classic ways to break a check of ranges.
func badSignatures(c *Curve, good []byte) map[string][]byte {
	size := c.fieldSize
	part := func(v *big.Int) []byte {
		// secp224k1's order does not fit; its low bytes serve as well.
		b := v.FillBytes(make([]byte, c.orderSize+1))
		return b[len(b)-size:]
	}
	zero, order := make([]byte, size), part(c.n)
	r, s := good[:size], good[size:]
	join := func(r, s []byte) []byte { return append(append([]byte(nil), r...), s...) }
	sPlusN := new(big.Int).Add(new(big.Int).SetBytes(s), c.n)
	return map[string][]byte{
		"nothing":        nil,
		"r = 0":          join(zero, s),
		"s = 0":          join(r, zero),
		"r = s = 0":      join(zero, zero),
		"r = n":          join(order, s),
		"s = n":          join(r, order),
		"s + n, cut":     join(r, part(sPlusN)),
		"r and s turned": join(s, r),
		"too short":      good[1:],
		"too long":       append(append([]byte(nil), good...), 0),
		"all ones":       bytes.Repeat([]byte{0xff}, 2*size),
	}
}

// TestTwin states that (r, n−s) verifies too: whoever must see each signature
// once has to look at the message.
func TestTwin(t *testing.T) {
	for _, c := range curves {
		key, _ := c.GenerateKey(rand.Reader)
		digest := sha256.Sum256([]byte("twin"))
		for {
			signature, err := key.Sign(rand.Reader, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			s := new(big.Int).SetBytes(signature[c.fieldSize:])
			s.Sub(c.n, s)
			if s.BitLen() > 8*c.fieldSize {
				continue // half of secp224k1's have a twin that is too long
			}
			s.FillBytes(signature[c.fieldSize:])
			if !key.Public().Verify(digest[:], signature) {
				t.Errorf("%v: twin refused", c)
			}
			break
		}
	}
}

func TestECDH(t *testing.T) {
	for _, c := range curves {
		a, _ := c.GenerateKey(rand.Reader)
		b, _ := c.GenerateKey(rand.Reader)
		z1, err1 := a.ECDH(b.Public())
		z2, err2 := b.ECDH(a.Public())
		if err1 != nil || err2 != nil || !bytes.Equal(z1, z2) || len(z1) != c.FieldSize() {
			t.Errorf("%v: %x and %x, %v, %v", c, z1, z2, err1, err2)
		}
	}
	a, _ := Secp192k1.GenerateKey(rand.Reader)
	b, _ := Secp256k1.GenerateKey(rand.Reader)
	if _, err := a.ECDH(b.Public()); !errors.Is(err, ErrCurve) {
		t.Errorf("two curves: %v", err)
	}
}

func TestParsePublicKey(t *testing.T) {
	for _, c := range curves {
		key, _ := c.GenerateKey(rand.Reader)
		good := key.Public().Bytes()
		back, err := c.ParsePublicKey(good)
		if err != nil || !bytes.Equal(back.Bytes(), good) || back.Curve() != c {
			t.Fatalf("%v: round trip: %v", c, err)
		}
		change := func(i int, b byte) []byte {
			bad := append([]byte(nil), good...)
			bad[i] ^= b
			return bad
		}
		infinity := make([]byte, len(good))
		infinity[0] = 4
		for _, bad := range [][]byte{nil, {0}, good[1:], good[:len(good)-1], change(0, 1), change(1, 1),
			change(len(good)-1, 1), infinity, bytes.Repeat([]byte{4}, len(good)),
			append([]byte{4}, bytes.Repeat([]byte{0xff}, len(good)-1)...)} {
			if _, err := c.ParsePublicKey(bad); !errors.Is(err, ErrPoint) {
				t.Errorf("%v: %x: %v", c, bad, err)
			}
		}
	}
}

func TestNewPrivateKey(t *testing.T) {
	for _, c := range curves {
		for _, bad := range [][]byte{nil, {0}, c.n.Bytes(), make([]byte, c.orderSize+1), bytes.Repeat([]byte{0xff}, c.orderSize)} {
			if _, err := c.NewPrivateKey(bad); !errors.Is(err, ErrScalar) {
				t.Errorf("%v: %x: %v", c, bad, err)
			}
		}
		one, err := c.NewPrivateKey([]byte{1})
		if err != nil || one.public.x.Cmp(&c.g.x) != 0 || len(one.Bytes()) != c.OrderSize() {
			t.Errorf("%v: 1·G: %v", c, err)
		}
	}
}

func TestRandomFailure(t *testing.T) {
	short := func() *bytes.Reader { return bytes.NewReader(make([]byte, 8)) }
	if _, err := Secp192k1.GenerateKey(short()); err == nil {
		t.Error("GenerateKey made a key of 8 bytes")
	}
	key, _ := Secp192k1.NewPrivateKey([]byte{7})
	if _, err := key.Sign(short(), make([]byte, 32)); err == nil {
		t.Error("Sign drew a nonce of 8 bytes")
	}
}

// TestRepeatedRandom: two digests signed with the same random bytes must not
// share R, or their difference would give the key away.
func TestRepeatedRandom(t *testing.T) {
	key, _ := Secp256k1.NewPrivateKey([]byte{7})
	zeros := func() *bytes.Reader { return bytes.NewReader(make([]byte, 64)) }
	one, err1 := key.Sign(zeros(), bytes.Repeat([]byte{1}, 32))
	two, err2 := key.Sign(zeros(), bytes.Repeat([]byte{2}, 32))
	if err1 != nil || err2 != nil || bytes.Equal(one[:32], two[:32]) {
		t.Errorf("%x, %x, %v, %v", one, two, err1, err2)
	}
}

// TestDecred compares secp256k1 with an independent implementation: public
// keys, shared secrets, and signatures both ways.
func TestDecred(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scalar := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "scalar")
		digest := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest")
		mine, err := Secp256k1.NewPrivateKey(scalar)
		if err != nil {
			t.Skip("not a scalar")
		}
		theirs := secp256k1.PrivKeyFromBytes(scalar)
		if !bytes.Equal(mine.Public().Bytes(), theirs.PubKey().SerializeUncompressed()) {
			t.Fatal("public keys differ")
		}
		peer, _ := Secp256k1.GenerateKey(rand.Reader)
		peerTheirs, err := secp256k1.ParsePubKey(peer.Public().Bytes())
		if err != nil {
			t.Fatal(err)
		}
		z, err := mine.ECDH(peer.Public())
		if err != nil || !bytes.Equal(z, secp256k1.GenerateSharedSecret(theirs, peerTheirs)) {
			t.Fatalf("shared secrets differ: %v", err)
		}

		r, s := splitSignature(ecdsa.Sign(theirs, digest))
		if !mine.Public().Verify(digest, append(r[:], s[:]...)) {
			t.Fatal("their signature refused")
		}
		own, err := mine.Sign(rand.Reader, digest)
		if err != nil {
			t.Fatal(err)
		}
		var rs, ss secp256k1.ModNScalar
		rs.SetByteSlice(own[:32])
		ss.SetByteSlice(own[32:])
		if !ecdsa.NewSignature(&rs, &ss).Verify(digest, theirs.PubKey()) {
			t.Fatal("own signature refused by theirs")
		}
		own[rapid.IntRange(0, 63).Draw(t, "at")] ^= 1
		rOver, sOver := rs.SetByteSlice(own[:32]), ss.SetByteSlice(own[32:])
		want := !rOver && !sOver && ecdsa.NewSignature(&rs, &ss).Verify(digest, theirs.PubKey())
		if mine.Public().Verify(digest, own) != want {
			t.Fatal("verdicts on a changed signature differ")
		}
	})
}

func splitSignature(s *ecdsa.Signature) (r, sBytes [32]byte) {
	rs, ss := s.R(), s.S()
	return rs.Bytes(), ss.Bytes()
}
