package registry

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
)

// Provisioning gives a device its identity, all or nothing: it notes that the
// code was used; for a new device it keeps the fingerprint, adds the device and
// takes a licence; for a known one it replaces the key.
type Provisioning struct {
	Device DeviceRow // as it is to be
	// Version is that of a known device as it was read, 0 for a new one. When the
	// fingerprint or the device is not as that says, the answer is ErrConflict.
	Version           int64
	Fingerprint, Code []byte // keyed hashes
}

// Known is what a store knows of a fingerprint and of a code.
type Known struct {
	Device  DeviceRow // zero for a new fingerprint
	Allowed bool      // by an operator: to be provisioned once more
	Spent   bool      // the code was used
}

// TokenProduct is a product with its provisioning token.
type TokenProduct struct {
	Product
	Token id2.Token
}

// TokenProduct returns the product of an organisation whose token's key has this
// SHA-256, or ErrNotFound.
func (r *Registry) TokenProduct(ctx context.Context, org ID, keyHash []byte) (TokenProduct, error) {
	row, err := r.store.ProductByToken(ctx, org, keyHash)
	if err != nil {
		return TokenProduct{}, err
	}
	return r.openToken(&row)
}

// NamedTokenProduct returns the product with this key, of whatever organisation,
// or ErrNotFound. It is for devices that say which product they are of and have
// no one who speaks for them.
func (r *Registry) NamedTokenProduct(ctx context.Context, key string) (TokenProduct, error) {
	row, err := r.store.Product(ctx, key)
	if err != nil {
		return TokenProduct{}, err
	}
	return r.openToken(&row)
}

func (r *Registry) openToken(row *ProductRow) (TokenProduct, error) {
	secret, err := r.ring.Open(row.Secret, productBinding("secret", row.Key))
	if err != nil {
		return TokenProduct{}, fmt.Errorf("token of product %s: %w", row.Key, err)
	}
	defer clear(secret)
	token, err := id2.ParseToken(string(secret))
	if err != nil {
		return TokenProduct{}, fmt.Errorf("token of product %s: %w", row.Key, err)
	}
	return TokenProduct{row.Product, token}, nil
}

// Asked is a device that asks to be provisioned.
type Asked struct {
	Product *Product
	// Fingerprint is what the device calls itself, Code its OTP authentication
	// code as bytes. Only keyed hashes of both are kept.
	Fingerprint, Code []byte
}

// purposes of the derived keys.
const (
	fingerprintPurpose = "otp fingerprint"
	otpCodePurpose     = "otp code"
	otpHashLength      = 16
)

// keyedHash is what the store keeps instead of a fingerprint or a code.
func (r *Registry) keyedHash(purpose string, p *Product, value []byte) []byte {
	key := r.ring.Derive(purpose)
	mac := hmac.New(sha256.New, key[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(p.Org)))
	mac.Write([]byte(p.Key))
	mac.Write([]byte{0})
	mac.Write(value)
	return mac.Sum(nil)[:otpHashLength]
}

// Known returns what is known of a device that asks.
func (r *Registry) Known(ctx context.Context, a Asked) (Known, error) {
	return r.store.Fingerprint(ctx, a.Product.Org, r.keyedHash(fingerprintPurpose, a.Product, a.Fingerprint),
		r.keyedHash(otpCodePurpose, a.Product, a.Code))
}

// Provisioned is the identity that a device got.
type Provisioned struct {
	ID2       string
	Key       id2.Key
	Remaining int64 // licences left
}

// Provision gives a new key to the known device, or makes a new one with an id of
// 24 hex digits and a licence of its own. It returns ErrSpent, ErrQuota, or
// ErrConflict when what is known has changed.
func (r *Registry) Provision(ctx context.Context, a Asked, known Known, by audit.Actor) (Provisioned, error) {
	p := Provisioning{Device: known.Device, Version: known.Device.Version,
		Fingerprint: r.keyedHash(fingerprintPurpose, a.Product, a.Fingerprint), Code: r.keyedHash(otpCodePurpose, a.Product, a.Code)}
	action := "device.reprovision"
	if known.Device.Asset == 0 {
		action = "device.provision"
		if err := r.newDevice(&p.Device, a.Product); err != nil {
			return Provisioned{}, err
		}
	}
	p.Device.Version++
	private, err := id2.GeneratePrivateKey(r.random, a.Product.Algorithm)
	if err != nil {
		return Provisioned{}, fmt.Errorf("make a device's key: %w", err)
	}
	key := private.Public()
	if p.Device.Key, err = r.sealKey(p.Device.Asset, &key); err != nil {
		return Provisioned{}, err
	}
	event := by.Did(action, "device", p.Device.Asset.String(), map[string]any{"id2": p.Device.ID2, "product": a.Product.Key,
		"until": p.Device.LicenceUntil.String()})
	remaining, err := r.store.Provision(ctx, p, event.In(int64(a.Product.Org)))
	r.devices.invalidate(deviceKey{a.Product.Org, p.Device.ID2})
	return Provisioned{ID2: p.Device.ID2, Key: key, Remaining: remaining}, err
}

// newDevice fills in a device that has not been there before.
func (r *Registry) newDevice(d *DeviceRow, p *Product) error {
	asset, err := NewID(r.random)
	if err != nil {
		return err
	}
	id, err := randomText(r.random, "0123456789ABCDEF", id2.MinIDLength)
	if err != nil {
		return err
	}
	now := At(r.now())
	d.Device = Device{Asset: asset, Org: p.Org, ID2: id, Product: p.Key, Algorithm: p.Algorithm, Licensed: now, LicenceUntil: p.LicenceEnd(now), Created: now}
	return nil
}

// AllowReprovision lets a device that has authenticated be provisioned once
// more.
func (r *Registry) AllowReprovision(ctx context.Context, org ID, name string, by audit.Actor) (Device, error) {
	row, err := r.deviceRow(ctx, org, name)
	if err != nil {
		return Device{}, err
	}
	if row.State == Discarded {
		return Device{}, fmt.Errorf("device %s: a discarded device gets no new key: %w", name, ErrForbidden)
	}
	event := by.Did("device.allow_reprovision", "device", row.Asset.String(), map[string]any{"id2": row.ID2})
	err = r.store.AllowReprovision(ctx, row.Asset, event.In(int64(org)))
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("device %s: it was not provisioned by one-time token: %w", name, ErrForbidden)
	}
	return row.Device, err
}
