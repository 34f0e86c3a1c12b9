package koblitz

import (
	"crypto/hmac"
	"crypto/sha512"
	"io"
	"math/big"
)

// PublicKey is a point of a curve other than infinity.
type PublicKey struct {
	curve *Curve
	x, y  *big.Int
}

// ParsePublicKey reads 04 ‖ X ‖ Y and checks that the point is on the curve.
// The order of these curves is prime, so every such point is a valid key.
func (c *Curve) ParsePublicKey(point []byte) (*PublicKey, error) {
	if len(point) != 1+2*c.fieldSize || point[0] != 4 {
		return nil, ErrPoint
	}
	x := new(big.Int).SetBytes(point[1 : 1+c.fieldSize])
	y := new(big.Int).SetBytes(point[1+c.fieldSize:])
	if !c.contains(x, y) {
		return nil, ErrPoint
	}
	return &PublicKey{c, x, y}, nil
}

// Curve returns the key's curve.
func (k *PublicKey) Curve() *Curve { return k.curve }

// Bytes returns 04 ‖ X ‖ Y.
func (k *PublicKey) Bytes() []byte {
	size := k.curve.fieldSize
	b := make([]byte, 1+2*size)
	b[0] = 4
	k.x.FillBytes(b[1 : 1+size])
	k.y.FillBytes(b[1+size:])
	return b
}

// Verify reports whether signature, R ‖ S each of the field's size, is the
// ECDSA signature of the digest. Of the two valid values of S both are accepted:
// devices produce either.
func (k *PublicKey) Verify(digest, signature []byte) bool {
	c := k.curve
	if len(signature) != 2*c.fieldSize {
		return false
	}
	r := new(big.Int).SetBytes(signature[:c.fieldSize])
	s := new(big.Int).SetBytes(signature[c.fieldSize:])
	if r.Sign() == 0 || s.Sign() == 0 || r.Cmp(c.n) >= 0 || s.Cmp(c.n) >= 0 {
		return false
	}
	w := s.ModInverse(s, c.n)
	u1 := c.hashToScalar(digest)
	u1.Mod(u1.Mul(u1, w), c.n)
	u2 := w.Mod(w.Mul(w, r), c.n)

	a := newArithmetic(c)
	sum := a.combine(u1, c.base(), u2, a.table(newAffine(k.x, k.y)))
	if sum.infinite() {
		return false
	}
	x, _ := a.affine(sum)
	return x.Mod(x, c.n).Cmp(r) == 0
}

// hashToScalar returns the leftmost bits of the digest, as many as the order
// has (SEC 1 section 4.1.3). The value is not reduced.
func (c *Curve) hashToScalar(digest []byte) *big.Int {
	if len(digest) > c.orderSize {
		digest = digest[:c.orderSize]
	}
	v := new(big.Int).SetBytes(digest)
	if excess := len(digest)*8 - c.n.BitLen(); excess > 0 {
		v.Rsh(v, uint(excess))
	}
	return v
}

// PrivateKey is a scalar d with 0 < d < n and its public key.
type PrivateKey struct {
	public PublicKey
	d      *big.Int
}

// NewPrivateKey reads a big-endian scalar of at most OrderSize bytes. Shorter
// ones are taken as they are: some tools drop leading zeros.
func (c *Curve) NewPrivateKey(d []byte) (*PrivateKey, error) {
	if len(d) > c.orderSize {
		return nil, ErrScalar
	}
	v := new(big.Int).SetBytes(d)
	if v.Sign() == 0 || v.Cmp(c.n) >= 0 {
		return nil, ErrScalar
	}
	a := newArithmetic(c)
	x, y := a.affine(a.combine(v, c.base(), nil, nil))
	return &PrivateKey{PublicKey{c, x, y}, v}, nil
}

// GenerateKey draws a private key from rand, whose errors it returns.
func (c *Curve) GenerateKey(rand io.Reader) (*PrivateKey, error) {
	d, err := c.randomScalar(rand)
	if err != nil {
		return nil, err
	}
	return c.NewPrivateKey(d.Bytes())
}

// randomScalar draws a scalar in [1, n).
func (c *Curve) randomScalar(rand io.Reader) (*big.Int, error) {
	b := make([]byte, c.orderSize+biasBytes)
	if _, err := io.ReadFull(rand, b); err != nil {
		return nil, err
	}
	return c.scalar(b), nil
}

// biasBytes more than an order has keep the bias of scalar below 2⁻¹²⁰.
const biasBytes = 16

// scalar maps uniform bytes to a scalar in [1, n).
func (c *Curve) scalar(b []byte) *big.Int {
	one := big.NewInt(1)
	limit := new(big.Int).Sub(c.n, one)
	v := new(big.Int).SetBytes(b)
	return v.Add(v.Mod(v, limit), one)
}

// Public returns the public key.
func (k *PrivateKey) Public() *PublicKey { return &k.public }

// Bytes returns the scalar in OrderSize bytes.
func (k *PrivateKey) Bytes() []byte {
	return k.d.FillBytes(make([]byte, k.public.curve.orderSize))
}

// Sign returns the ECDSA signature R ‖ S of the digest, each half of the field's
// size. The nonce comes from rand, the key and the digest together: one from a
// source that repeats itself would give the key away.
func (k *PrivateKey) Sign(rand io.Reader, digest []byte) ([]byte, error) {
	entropy := make([]byte, sha512.Size)
	for {
		if _, err := io.ReadFull(rand, entropy); err != nil {
			return nil, err
		}
		mac := hmac.New(sha512.New, k.Bytes())
		mac.Write(entropy)
		mac.Write(digest)
		nonce := k.public.curve.scalar(mac.Sum(nil)[:k.public.curve.orderSize+biasBytes])
		if signature, ok := k.signWith(nonce, digest); ok {
			return signature, nil
		}
	}
}

// signWith fails for the nonces, one in 2¹¹⁰ or fewer, whose r or s is zero or,
// on secp224k1, longer than the field: the caller draws another.
func (k *PrivateKey) signWith(nonce *big.Int, digest []byte) ([]byte, bool) {
	c := k.public.curve
	a := newArithmetic(c)
	r, _ := a.affine(a.combine(nonce, c.base(), nil, nil))
	r.Mod(r, c.n)
	s := new(big.Int).Mul(r, k.d)
	s.Add(s, c.hashToScalar(digest))
	s.Mul(s, new(big.Int).ModInverse(nonce, c.n))
	s.Mod(s, c.n)
	bits := c.fieldSize * 8
	if r.Sign() == 0 || s.Sign() == 0 || r.BitLen() > bits || s.BitLen() > bits {
		return nil, false
	}
	signature := make([]byte, 2*c.fieldSize)
	r.FillBytes(signature[:c.fieldSize])
	s.FillBytes(signature[c.fieldSize:])
	return signature, true
}

// ECDH returns the x-coordinate of the shared point in FieldSize bytes, or
// [ErrCurve].
func (k *PrivateKey) ECDH(peer *PublicKey) ([]byte, error) {
	c := k.public.curve
	if peer.curve != c {
		return nil, ErrCurve
	}
	a := newArithmetic(c)
	// The order is prime and d is below it: the product is never infinity.
	x, _ := a.affine(a.combine(k.d, a.table(newAffine(peer.x, peer.y)), nil, nil))
	return x.FillBytes(make([]byte, c.fieldSize)), nil
}
