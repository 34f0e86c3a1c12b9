// Package koblitz implements ECDSA and ECDH over secp192k1, secp224k1 and
// secp256k1, the curves y² = x³ + b of the PUF root of trust (id2 §2.1, §2.3).
// Neither the standard library nor one maintained package has all three.
//
// It calculates with math/big and is not constant time. A server verifies
// signatures, which handles public data only, and encrypts under scalars that
// are used once. A private key held for longer and used where an attacker can
// measure it belongs in hardware, which is where these devices keep theirs.
package koblitz

import (
	"encoding/asn1"
	"errors"
	"math/big"
	"sync"
)

// Curve is one of the three curves. It is safe for concurrent use.
type Curve struct {
	name      string
	oid       asn1.ObjectIdentifier
	p, b, n   *big.Int
	g         *jacobian
	fieldSize int // bytes of a coordinate
	orderSize int // bytes of a scalar; one more than fieldSize on secp224k1

	baseOnce  sync.Once
	baseTable *windowTable
}

// The curves, with the parameters of SEC 2 sections 2.2.1, 2.3.1 and 2.4.1.
var (
	Secp192k1 = newCurve("secp192k1", 31, 3,
		"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFEE37",
		"FFFFFFFFFFFFFFFFFFFFFFFE26F2FC170F69466A74DEFD8D",
		"DB4FF10EC057E9AE26B07D0280B7F4341DA5D1B1EAE06C7D",
		"9B2F2F6D9C5628A7844163D015BE86344082AA88D95E2F9D")
	Secp224k1 = newCurve("secp224k1", 32, 5,
		"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFE56D",
		"010000000000000000000000000001DCE8D2EC6184CAF0A971769FB1F7",
		"A1455B334DF099DF30FC28A169A467E9E47075A90F7E650EB6B7A45C",
		"7E089FED7FBA344282CAFBD6F7E319F7C0B0BD59E2CA4BDB556D61A5")
	Secp256k1 = newCurve("secp256k1", 10, 7,
		"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F",
		"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141",
		"79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798",
		"483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8")
)

// Errors of the package.
var (
	ErrPoint  = errors.New("koblitz: not an uncompressed point of the curve")
	ErrScalar = errors.New("koblitz: private key is not in the range of the curve's order")
	ErrCurve  = errors.New("koblitz: keys of two different curves")
)

func newCurve(name string, arc int, b int64, p, n, gx, gy string) *Curve {
	c := &Curve{
		name: name,
		oid:  asn1.ObjectIdentifier{1, 3, 132, 0, arc},
		p:    fromHex(p),
		b:    big.NewInt(b),
		n:    fromHex(n),
		g:    newAffine(fromHex(gx), fromHex(gy)),
	}
	c.fieldSize = (c.p.BitLen() + 7) / 8
	c.orderSize = (c.n.BitLen() + 7) / 8
	return c
}

// fromHex reads a constant of this file.
func fromHex(s string) *big.Int {
	v, _ := new(big.Int).SetString(s, 16)
	return v
}

// String returns the curve's name in SEC 2.
func (c *Curve) String() string { return c.name }

// OID returns the object identifier of the curve in a public key's parameters.
func (c *Curve) OID() asn1.ObjectIdentifier { return c.oid }

// FieldSize returns the length in bytes of a coordinate, and of each half of a
// signature.
func (c *Curve) FieldSize() int { return c.fieldSize }

// OrderSize returns the length in bytes of a private key.
func (c *Curve) OrderSize() int { return c.orderSize }

// contains reports whether 0 ≤ x, y < p and y² = x³ + b.
func (c *Curve) contains(x, y *big.Int) bool {
	if x.Cmp(c.p) >= 0 || y.Cmp(c.p) >= 0 {
		return false
	}
	left := new(big.Int).Mul(y, y)
	right := new(big.Int).Mul(x, x)
	right.Mul(right, x)
	right.Add(right, c.b)
	left.Sub(left, right)
	return left.Mod(left, c.p).Sign() == 0
}

// base returns the multiples of the base point, calculated on first use.
func (c *Curve) base() *windowTable {
	c.baseOnce.Do(func() { c.baseTable = newArithmetic(c).table(c.g) })
	return c.baseTable
}
