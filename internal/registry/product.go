package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
)

// Unlimited is the quota of a product that may license any number of devices.
const Unlimited int64 = -1

// unlimitedRemaining is what the wire's Remaining says for an unlimited quota.
const unlimitedRemaining = 1<<31 - 1

// Product is a kind of device: what its devices share.
type Product struct {
	Key       string // the ProductKey of the wire (产品标识)
	Org       ID
	Name      string
	Algorithm id2.Algorithm
	// Hashes are the digests its devices may use; weak ones only where named.
	Hashes id2.HashSet
	// Quota is how many licences it may use in all, or Unlimited; Used how many it has.
	Quota, Used int64
	// TermDays is how long a licence lasts, 0 without end.
	TermDays  int
	AutoRenew bool
	OTP       bool
	// DailyLimit bounds successful authentications per device and UTC day, 0 for none.
	DailyLimit int
	// HexData says that Data parameters are hexadecimal text to be decoded first.
	HexData    bool
	TwoWayAuth bool
	// AllowReprovision lets devices be provisioned again after they have
	// authenticated, as often as they ask.
	AllowReprovision bool
	// DefaultValidDays and MaxValidDays limit its devices' certificates.
	DefaultValidDays, MaxValidDays int
	// Relay asks the organisation's upstream for ids that are not known here.
	Relay   bool
	Created Instant
}

// Remaining is the number of licences left as the wire tells it, in an integer
// of 32 bits.
func (p *Product) Remaining() int64 {
	if p.Quota < 0 {
		return unlimitedRemaining
	}
	return min(max(p.Quota-p.Used, 0), unlimitedRemaining)
}

// LicenceEnd is when a licence taken at now ends.
func (p *Product) LicenceEnd(now Instant) Instant {
	if p.TermDays == 0 {
		return Forever
	}
	return now + Instant(p.TermDays)*day
}

const day Instant = 24 * 60 * 60 * 1000

// ProductRow is a product as a store keeps it.
type ProductRow struct {
	Product
	// Secret is the sealed 32-character token; SecretHash the SHA-256 of its
	// 16-character key part, by which a one-time provisioning request names it.
	Secret     []byte
	SecretHash []byte
	// ServerKey is the sealed private key for server codes of asymmetric
	// products (nil without two-way authentication), ServerPublic its public part.
	ServerKey    []byte
	ServerPublic []byte
	// Info is a ProductInfo in JSON; nil without one.
	Info []byte
}

// LiveProduct is a product as the authentication path uses it.
type LiveProduct struct {
	Product
	// Server signs server codes for asymmetric devices; nil without it.
	Server *id2.PrivateKey
}

// ProductSpec is what an operator says of a new product.
type ProductSpec struct {
	Name       string
	Algorithm  id2.Algorithm
	Quota      int64
	TermDays   int
	AutoRenew  bool
	OTP        bool
	Hashes     []id2.Hash // weak hashes its devices need
	DailyLimit int
	HexData    bool
	TwoWayAuth bool
	// AllowReprovision needs OTP.
	AllowReprovision bool
	// Key is the ProductKey that back ends send already, Token the provisioning
	// token that is in firmware already; "" makes a new one. Token needs OTP.
	Key, Token string
	// DefaultValidDays and MaxValidDays limit certificates; 0 takes the default.
	DefaultValidDays, MaxValidDays int
}

const (
	maxName     = 128
	maxTermDays = 100 * 366
)

// CreateProduct makes a product and returns its secret, which is shown only here.
func (r *Registry) CreateProduct(ctx context.Context, org ID, s ProductSpec, by audit.Actor) (Product, string, error) {
	if !s.Algorithm.Valid() {
		return Product{}, "", invalid("the product needs an algorithm")
	}
	if err := s.check(); err != nil {
		return Product{}, "", err
	}
	row, secret, err := r.newProductRow(org, s)
	if err != nil {
		return Product{}, "", err
	}
	event := by.Did("product.create", "product", row.Key, map[string]any{"name": s.Name, "algorithm": s.Algorithm.String(), "quota": s.Quota})
	if err := r.store.CreateProduct(ctx, row, event.In(int64(org))); err != nil {
		return Product{}, "", r.explainTaken(ctx, &row, err)
	}
	return row.Product, secret, nil
}

func (s *ProductSpec) check() error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	switch {
	case s.Quota < Unlimited:
		return invalid("the quota cannot be negative; leave it out for no limit")
	case s.TermDays < 0 || s.TermDays > maxTermDays:
		return invalid("the term must be 0 (no end) to %d days", maxTermDays)
	case s.DailyLimit < 0:
		return invalid("the daily limit cannot be negative; 0 means none")
	case s.AllowReprovision && !s.OTP:
		return invalid("only a product with one-time provisioning can allow it again: make the product with --otp")
	case s.OTP && otpKeyType(s.Algorithm) == '0':
		return invalid("one-time provisioning hands out symmetric keys: it does not go with %s", s.Algorithm)
	}
	if err := s.checkKept(); err != nil {
		return err
	}
	for _, h := range s.Hashes {
		if !s.Algorithm.AllowedHash(h) {
			return invalid("%s devices never use %s", s.Algorithm, h)
		}
	}
	return nil
}

func checkName(name string) error {
	if strings.TrimSpace(name) == "" || len(name) > maxName || !isText(name) {
		return invalid("a name of 1 to %d bytes of text without control characters is needed", maxName)
	}
	return nil
}

// isText reports whether s is UTF-8 that every store and terminal takes.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func (r *Registry) newProductRow(org ID, s ProductSpec) (ProductRow, string, error) {
	s.DefaultValidDays, s.MaxValidDays = validDays(s.DefaultValidDays, s.MaxValidDays)
	if err := checkValidDays(s.DefaultValidDays, s.MaxValidDays); err != nil {
		return ProductRow{}, "", err
	}
	key, err := r.productKey(&s)
	if err != nil {
		return ProductRow{}, "", err
	}
	row := ProductRow{Product: Product{
		Key: key, Org: org, Name: s.Name, Algorithm: s.Algorithm,
		Hashes: id2.HashSet(0).With(s.Algorithm.NativeHash()), Quota: s.Quota, TermDays: s.TermDays,
		AutoRenew: s.AutoRenew, OTP: s.OTP, DailyLimit: s.DailyLimit, HexData: s.HexData,
		TwoWayAuth: s.TwoWayAuth, AllowReprovision: s.AllowReprovision,
		DefaultValidDays: s.DefaultValidDays, MaxValidDays: s.MaxValidDays, Created: At(r.now()),
	}}
	for _, h := range s.Hashes {
		row.Hashes = row.Hashes.With(h)
	}
	secret, err := r.productSecret(&s)
	if err != nil {
		return ProductRow{}, "", err
	}
	row.SecretHash = tokenKeyHash(secret)
	if row.Secret, err = r.ring.Seal([]byte(secret), productBinding("secret", row.Key)); err != nil {
		return ProductRow{}, "", err
	}
	return row, secret, r.addServerKey(&row)
}

func productBinding(column, key string) string { return "products/" + column + "/" + key }

// addServerKey gives an asymmetric product with two-way authentication its own
// server key pair.
func (r *Registry) addServerKey(row *ProductRow) error {
	if !row.TwoWayAuth || row.Algorithm.Symmetric() || row.Managed() {
		return nil
	}
	key, err := id2.GeneratePrivateKey(r.random, row.Algorithm)
	if err != nil {
		return fmt.Errorf("make the product's server key: %w", err)
	}
	pem, err := key.MarshalPEM()
	if err != nil {
		return err
	}
	public := key.Public()
	row.ServerPublic = public.Bytes()
	row.ServerKey, err = r.ring.Seal(pem, productBinding("server_key", row.Key))
	clear(pem)
	return err
}

// Product returns a product of an organisation.
func (r *Registry) Product(ctx context.Context, org ID, key string) (Product, error) {
	row, err := r.productRow(ctx, org, key)
	return row.Product, err
}

// ServerPublicKey returns the DER public key that devices of an asymmetric
// product with two-way authentication check server codes with, or nil.
func (r *Registry) ServerPublicKey(ctx context.Context, org ID, key string) ([]byte, error) {
	row, err := r.productRow(ctx, org, key)
	return row.ServerPublic, err
}

func (r *Registry) productRow(ctx context.Context, org ID, key string) (ProductRow, error) {
	row, err := r.store.Product(ctx, key)
	if err == nil && row.Org != org {
		err = ErrNotFound
	}
	if err != nil {
		return ProductRow{}, fmt.Errorf("product %s: %w", key, err)
	}
	return row, nil
}

// Products lists an organisation's products by name.
func (r *Registry) Products(ctx context.Context, org ID) ([]Product, error) {
	return r.store.Products(ctx, org)
}

// ProductChange holds the settings an operator may change; nil leaves one as it is.
type ProductChange struct {
	Name       *string
	Quota      *int64
	TermDays   *int
	AutoRenew  *bool
	DailyLimit *int
	HexData    *bool
	Hashes     *[]id2.Hash
	// AllowReprovision needs a product with OTP.
	AllowReprovision *bool
	// DefaultValidDays and MaxValidDays limit certificates that are issued from now on.
	DefaultValidDays, MaxValidDays *int
	Relay                          *bool
}

// updateTries bounds how often a product may change under an update of it.
const updateTries = 10

// UpdateProduct changes settings; devices see them at once. Of two changes at
// once both hold: the second is made to what the first left.
func (r *Registry) UpdateProduct(ctx context.Context, org ID, key string, c ProductChange, by audit.Actor) (p Product, err error) {
	for range updateTries {
		if p, err = r.updateProduct(ctx, org, key, c, by); !errors.Is(err, ErrConflict) {
			break
		}
	}
	return p, err
}

func (r *Registry) updateProduct(ctx context.Context, org ID, key string, c ProductChange, by audit.Actor) (Product, error) {
	was, err := r.Product(ctx, org, key)
	if err != nil {
		return Product{}, err
	}
	p := was
	if err := c.apply(&p); err != nil {
		return Product{}, err
	}
	event := by.Did("product.update", "product", key, map[string]any{"name": p.Name, "quota": p.Quota, "term_days": p.TermDays,
		"auto_renew": p.AutoRenew, "daily_limit": p.DailyLimit, "hashes": p.Hashes.String(),
		"allow_reprovision": p.AllowReprovision, "default_valid_days": p.DefaultValidDays, "max_valid_days": p.MaxValidDays,
		"relay": p.Relay})
	err = r.store.UpdateProduct(ctx, was, p, event.In(int64(org)))
	r.products.invalidate(key)
	r.devices.invalidateAll() // their entries point to the product as it was
	r.relays.invalidate(org)
	return p, err
}

func (c ProductChange) apply(p *Product) error {
	s := ProductSpec{Name: p.Name, Algorithm: p.Algorithm, Quota: p.Quota, TermDays: p.TermDays,
		AutoRenew: p.AutoRenew, DailyLimit: p.DailyLimit, HexData: p.HexData, OTP: p.OTP, AllowReprovision: p.AllowReprovision,
		DefaultValidDays: p.DefaultValidDays, MaxValidDays: p.MaxValidDays}
	set(&s.Name, c.Name)
	set(&s.Quota, c.Quota)
	set(&s.TermDays, c.TermDays)
	set(&s.AutoRenew, c.AutoRenew)
	set(&s.DailyLimit, c.DailyLimit)
	set(&s.HexData, c.HexData)
	set(&s.AllowReprovision, c.AllowReprovision)
	set(&s.DefaultValidDays, c.DefaultValidDays)
	set(&s.MaxValidDays, c.MaxValidDays)
	set(&s.Hashes, c.Hashes)
	if err := s.check(); err != nil {
		return err
	}
	p.Name, p.Quota, p.TermDays = s.Name, s.Quota, s.TermDays
	p.AutoRenew, p.DailyLimit, p.HexData, p.AllowReprovision = s.AutoRenew, s.DailyLimit, s.HexData, s.AllowReprovision
	p.DefaultValidDays, p.MaxValidDays = s.DefaultValidDays, s.MaxValidDays
	if err := checkValidDays(p.DefaultValidDays, p.MaxValidDays); err != nil {
		return err
	}
	set(&p.Relay, c.Relay)
	if c.Hashes != nil {
		p.Hashes = id2.HashSet(0).With(p.Algorithm.NativeHash())
		for _, h := range s.Hashes {
			p.Hashes = p.Hashes.With(h)
		}
	}
	return nil
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// LiveProduct returns the product through the cache, with its server key open.
// A product of another organisation is ErrNotFound.
func (r *Registry) LiveProduct(ctx context.Context, org ID, key string) (*LiveProduct, error) {
	if !isName(key) {
		return nil, ErrNotFound
	}
	p, err := r.products.get(ctx, key)
	if err == nil && p.Org != org {
		return nil, ErrNotFound
	}
	return p, err
}

func (r *Registry) loadProduct(ctx context.Context, key string) (*LiveProduct, error) {
	row, err := r.store.Product(ctx, strings.Clone(key))
	if err != nil {
		return nil, err
	}
	live := &LiveProduct{Product: row.Product}
	if row.ServerKey == nil {
		return live, nil
	}
	pem, err := r.ring.Open(row.ServerKey, productBinding("server_key", row.Key))
	if err != nil {
		return nil, fmt.Errorf("product %s: %w", row.Key, err)
	}
	defer clear(pem)
	server, err := id2.ParsePrivateKeyPEM(row.Algorithm, pem)
	live.Server = &server
	return live, err
}
