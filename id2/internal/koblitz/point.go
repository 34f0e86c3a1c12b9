package koblitz

import "math/big"

// jacobian is the point (x/z², y/z³), infinity when z is zero. Coordinates are
// reduced.
type jacobian struct {
	x, y, z big.Int
}

func newAffine(x, y *big.Int) *jacobian {
	p := new(jacobian)
	p.x.Set(x)
	p.y.Set(y)
	p.z.SetUint64(1)
	return p
}

func (p *jacobian) infinite() bool { return p.z.Sign() == 0 }

func (p *jacobian) set(q *jacobian) {
	p.x.Set(&q.x)
	p.y.Set(&q.y)
	p.z.Set(&q.z)
}

// windowTable holds the multiples 1 to 15 of a point; entry 0 is infinity.
type windowTable [1 << windowBits]jacobian

const windowBits = 4

// arithmetic calculates on one curve. It keeps its intermediate values, so that
// a multiplication allocates a few dozen times instead of thousands; it is for
// one goroutine at a time.
type arithmetic struct {
	curve         *Curve
	product, quot big.Int
	t             [10]big.Int
}

func newArithmetic(c *Curve) *arithmetic { return &arithmetic{curve: c} }

// reduce sets z = v mod p for any v other than z itself.
func (a *arithmetic) reduce(z, v *big.Int) {
	a.quot.QuoRem(v, a.curve.p, z)
	if z.Sign() < 0 {
		z.Add(z, a.curve.p)
	}
}

// mul sets z = x·y mod p.
func (a *arithmetic) mul(z, x, y *big.Int) {
	a.product.Mul(x, y)
	a.reduce(z, &a.product)
}

// sub sets z = x − y mod p, for x and y in [0, p).
func (a *arithmetic) sub(z, x, y *big.Int) {
	z.Sub(x, y)
	if z.Sign() < 0 {
		z.Add(z, a.curve.p)
	}
}

// double sets p = 2p, by the formulas dbl-2009-l for curves with a = 0.
func (a *arithmetic) double(p *jacobian) {
	if p.infinite() {
		return
	}
	xx, yy, yyyy, d, e, t := &a.t[0], &a.t[1], &a.t[2], &a.t[3], &a.t[4], &a.t[5]
	a.mul(xx, &p.x, &p.x)
	a.mul(yy, &p.y, &p.y)
	a.mul(yyyy, yy, yy)
	a.mul(d, &p.x, yy)
	d.Lsh(d, 2) // 4·x·y²
	e.Lsh(xx, 1)
	e.Add(e, xx) // 3·x²
	t.Lsh(&p.z, 1)
	a.mul(&p.z, t, &p.y)
	a.product.Mul(e, e)
	t.Lsh(d, 1)
	a.product.Sub(&a.product, t)
	a.reduce(&p.x, &a.product)
	t.Sub(d, &p.x)
	a.product.Mul(e, t)
	yyyy.Lsh(yyyy, 3)
	a.product.Sub(&a.product, yyyy)
	a.reduce(&p.y, &a.product)
}

// add sets p = p + q, by the formulas add-1998-cmo-2, with the exceptional cases.
func (a *arithmetic) add(p, q *jacobian) {
	if q.infinite() {
		return
	}
	if p.infinite() {
		p.set(q)
		return
	}
	z1z1, z2z2, u1, u2, s1, s2 := &a.t[0], &a.t[1], &a.t[2], &a.t[3], &a.t[4], &a.t[5]
	h, hh, hhh, r := &a.t[6], &a.t[7], &a.t[8], &a.t[9]
	a.mul(z1z1, &p.z, &p.z)
	a.mul(z2z2, &q.z, &q.z)
	a.mul(u1, &p.x, z2z2)
	a.mul(u2, &q.x, z1z1)
	a.mul(z2z2, z2z2, &q.z)
	a.mul(s1, &p.y, z2z2)
	a.mul(z1z1, z1z1, &p.z)
	a.mul(s2, &q.y, z1z1)
	a.sub(h, u2, u1)
	a.sub(r, s2, s1)
	if h.Sign() == 0 {
		if r.Sign() == 0 {
			a.double(p)
		} else {
			p.z.SetUint64(0)
		}
		return
	}
	a.mul(hh, h, h)
	a.mul(hhh, hh, h)
	a.mul(u1, u1, hh)
	a.product.Mul(r, r)
	a.product.Sub(&a.product, hhh)
	a.product.Sub(&a.product, u1)
	a.product.Sub(&a.product, u1)
	a.reduce(&p.x, &a.product)
	u1.Sub(u1, &p.x)
	s1.Mul(s1, hhh)
	a.product.Mul(r, u1)
	a.product.Sub(&a.product, s1)
	a.reduce(&p.y, &a.product)
	a.mul(h, h, &p.z)
	a.mul(&p.z, h, &q.z)
}

// table returns the multiples of p.
func (a *arithmetic) table(p *jacobian) *windowTable {
	t := new(windowTable)
	for i := 1; i < len(t); i++ {
		t[i].set(&t[i-1])
		a.add(&t[i], p)
	}
	return t
}

// combine returns k₁·P₁ + k₂·P₂ for scalars in [0, n) and the tables of the
// points. A nil table leaves its summand out.
func (a *arithmetic) combine(k1 *big.Int, t1 *windowTable, k2 *big.Int, t2 *windowTable) *jacobian {
	sum := new(jacobian)
	for i := a.curve.orderSize*8 - windowBits; i >= 0; i -= windowBits {
		for range windowBits {
			a.double(sum)
		}
		if t1 != nil {
			a.add(sum, &t1[window(k1, i)])
		}
		if t2 != nil {
			a.add(sum, &t2[window(k2, i)])
		}
	}
	return sum
}

// window returns the bits i to i+3 of k.
func window(k *big.Int, i int) uint {
	return k.Bit(i) | k.Bit(i+1)<<1 | k.Bit(i+2)<<2 | k.Bit(i+3)<<3
}

// affine returns the coordinates of a point that is not infinity.
func (a *arithmetic) affine(p *jacobian) (x, y *big.Int) {
	inverse := new(big.Int).ModInverse(&p.z, a.curve.p)
	square := new(big.Int)
	a.mul(square, inverse, inverse)
	x, y = new(big.Int), new(big.Int)
	a.mul(x, &p.x, square)
	a.mul(y, &p.y, square)
	a.mul(y, y, inverse)
	return x, y
}
