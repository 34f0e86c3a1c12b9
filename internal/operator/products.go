package operator

import (
	"encoding/pem"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Product is a kind of device (产品). Quota is -1 for no limit, and Remaining
// then 2147483647, as the device protocols tell it; TermDays is 0 for licences
// without end, DailyLimit 0 for none.
type Product struct {
	ProductKey   string   `json:"product_key"`
	OrgID        string   `json:"org_id"`
	Name         string   `json:"name"`
	Algorithm    string   `json:"algorithm"`
	Hashes       []string `json:"hashes"`
	WeakHashes   []string `json:"weak_hashes"`
	Quota        int64    `json:"quota"`
	Used         int64    `json:"used"`
	Remaining    int64    `json:"remaining"`
	TermDays     int      `json:"term_days"`
	AutoRenew    bool     `json:"auto_renew"`
	OTP          bool     `json:"otp"`
	DailyLimit   int      `json:"daily_limit"`
	DataEncoding string   `json:"data_encoding"`
	TwoWayAuth   bool     `json:"two_way_auth"`
	// AllowReprovision lets devices have a new key by one-time token after they
	// have authenticated.
	AllowReprovision bool `json:"allow_reprovision"`
	// DefaultValidDays and MaxValidDays limit the validity of its devices' certificates.
	DefaultValidDays int `json:"default_valid_days"`
	MaxValidDays     int `json:"max_valid_days"`
	// Relay asks the organisation's upstream for ids that are not known here.
	Relay bool `json:"relay"`
	// ServerPublicKeyPEM checks server codes on the devices of an asymmetric
	// product with two-way authentication; lists leave it out.
	ServerPublicKeyPEM string `json:"server_public_key_pem,omitempty"`
	Created            string `json:"created"`
}

// CreatedProduct is a new product with its secret, which no other answer shows.
type CreatedProduct struct {
	Product
	ProductSecret string `json:"product_secret"`
}

// ProductList is what listing products answers.
type ProductList struct {
	Products []Product `json:"products"`
}

// ProductSpec is the body that makes a product. A nil Quota means no limit.
type ProductSpec struct {
	Name         string   `json:"name"`
	Algorithm    string   `json:"algorithm"`
	Quota        *int64   `json:"quota,omitempty"`
	TermDays     int      `json:"term_days,omitempty"`
	AutoRenew    bool     `json:"auto_renew,omitempty"`
	OTP          bool     `json:"otp,omitempty"`
	Hashes       []string `json:"hashes,omitempty"`
	DailyLimit   int      `json:"daily_limit,omitempty"`
	DataEncoding string   `json:"data_encoding,omitempty"`
	TwoWayAuth   bool     `json:"two_way_auth,omitempty"`
	// AllowReprovision needs OTP.
	AllowReprovision bool `json:"allow_reprovision,omitempty"`
	DefaultValidDays int  `json:"default_valid_days,omitempty"`
	MaxValidDays     int  `json:"max_valid_days,omitempty"`
	// ProductKey and ProductSecret are those that back ends and firmware have
	// already; "" makes new ones. ProductSecret needs OTP.
	ProductKey    string `json:"product_key,omitempty"`
	ProductSecret string `json:"product_secret,omitempty"`
}

// ProductChange is the body that changes a product; nil leaves a setting as it is.
type ProductChange struct {
	Name         *string   `json:"name,omitempty"`
	Quota        *int64    `json:"quota,omitempty"`
	TermDays     *int      `json:"term_days,omitempty"`
	AutoRenew    *bool     `json:"auto_renew,omitempty"`
	DailyLimit   *int      `json:"daily_limit,omitempty"`
	DataEncoding *string   `json:"data_encoding,omitempty"`
	Hashes       *[]string `json:"hashes,omitempty"`
	// AllowReprovision needs a product with OTP.
	AllowReprovision *bool `json:"allow_reprovision,omitempty"`
	DefaultValidDays *int  `json:"default_valid_days,omitempty"`
	MaxValidDays     *int  `json:"max_valid_days,omitempty"`
	Relay            *bool `json:"relay,omitempty"`
}

// The values of DataEncoding: how Data parameters are to be read.
const (
	encodingText = "text"
	encodingHex  = "hex"
)

func viewProduct(p registry.Product) Product {
	v := Product{
		ProductKey: p.Key, OrgID: p.Org.String(), Name: p.Name, Algorithm: algorithmName(p.Algorithm),
		Hashes: []string{}, WeakHashes: []string{}, Quota: p.Quota, Used: p.Used, Remaining: p.Remaining(),
		TermDays: p.TermDays, AutoRenew: p.AutoRenew, OTP: p.OTP, DailyLimit: p.DailyLimit,
		DataEncoding: encodingText, TwoWayAuth: p.TwoWayAuth, AllowReprovision: p.AllowReprovision,
		DefaultValidDays: p.DefaultValidDays, MaxValidDays: p.MaxValidDays, Relay: p.Relay, Created: p.Created.String(),
	}
	if p.HexData {
		v.DataEncoding = encodingHex
	}
	for h := id2.MD5; h <= id2.SM3; h++ {
		if !p.Hashes.Has(h) {
			continue
		}
		v.Hashes = append(v.Hashes, h.String())
		if h == id2.MD5 || h == id2.SHA1 {
			v.WeakHashes = append(v.WeakHashes, h.String())
		}
	}
	return v
}

// algorithmName is "none" for what was made through the EnOS door.
func algorithmName(a id2.Algorithm) string {
	if !a.Valid() {
		return "none"
	}
	return a.String()
}

func (b *ProductSpec) spec() (registry.ProductSpec, error) {
	s := registry.ProductSpec{Name: b.Name, Quota: registry.Unlimited, TermDays: b.TermDays, AutoRenew: b.AutoRenew,
		OTP: b.OTP, DailyLimit: b.DailyLimit, TwoWayAuth: b.TwoWayAuth, AllowReprovision: b.AllowReprovision,
		DefaultValidDays: b.DefaultValidDays, MaxValidDays: b.MaxValidDays,
		Key: b.ProductKey, Token: b.ProductSecret}
	var err error
	if s.Algorithm, err = id2.ParseAlgorithm(b.Algorithm); err != nil {
		return s, invalid("algorithm: unknown %q; the algorithms are %v", clip(b.Algorithm), id2.Algorithms())
	}
	if b.Quota != nil {
		s.Quota = *b.Quota
	}
	if s.Hashes, err = parseHashes(b.Hashes); err != nil {
		return s, err
	}
	if b.DataEncoding != "" {
		s.HexData, err = parseEncoding(b.DataEncoding)
	}
	return s, err
}

func (b *ProductChange) change() (registry.ProductChange, error) {
	c := registry.ProductChange{Name: b.Name, Quota: b.Quota, TermDays: b.TermDays, AutoRenew: b.AutoRenew, DailyLimit: b.DailyLimit,
		AllowReprovision: b.AllowReprovision, DefaultValidDays: b.DefaultValidDays, MaxValidDays: b.MaxValidDays, Relay: b.Relay}
	if b.Hashes != nil {
		hashes, err := parseHashes(*b.Hashes)
		if err != nil {
			return c, err
		}
		c.Hashes = &hashes
	}
	if b.DataEncoding != nil {
		hex, err := parseEncoding(*b.DataEncoding)
		if err != nil {
			return c, err
		}
		c.HexData = &hex
	}
	return c, nil
}

func parseHashes(names []string) ([]id2.Hash, error) {
	hashes := make([]id2.Hash, len(names))
	for i, name := range names {
		h, err := id2.ParseHash(name)
		if err != nil {
			return nil, invalid("hashes: unknown %q; the hashes are md5, sha1, sha256, sm3", clip(name))
		}
		hashes[i] = h
	}
	return hashes, nil
}

func parseEncoding(s string) (hex bool, err error) {
	if s != encodingText && s != encodingHex {
		return false, invalid("data_encoding: %q is neither text nor hex", clip(s))
	}
	return s == encodingHex, nil
}

func listProducts(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	products, err := c.Registry.Products(c.r.Context(), org)
	return ProductList{Products: views(products, viewProduct)}, err
}

func createProduct(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	var body ProductSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	spec, err := body.spec()
	if err != nil {
		return nil, err
	}
	p, secret, err := c.Registry.CreateProduct(c.r.Context(), org, spec, c.by)
	if err != nil {
		return nil, err
	}
	view := CreatedProduct{Product: viewProduct(p), ProductSecret: secret}
	err = c.addServerKey(p, &view.Product)
	return view, err
}

func getProduct(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	p, err := c.Registry.Product(c.r.Context(), org, c.r.PathValue("product_key"))
	if err != nil {
		return nil, err
	}
	view := viewProduct(p)
	err = c.addServerKey(p, &view)
	return view, err
}

func updateProduct(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	var body ProductChange
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if body == (ProductChange{}) {
		return nil, invalid("body: names no setting to change")
	}
	change, err := body.change()
	if err != nil {
		return nil, err
	}
	p, err := c.Registry.UpdateProduct(c.r.Context(), org, c.r.PathValue("product_key"), change, c.by)
	if err != nil {
		return nil, err
	}
	view := viewProduct(p)
	err = c.addServerKey(p, &view)
	return view, err
}

func (c *call) addServerKey(p registry.Product, view *Product) error {
	der, err := c.Registry.ServerPublicKey(c.r.Context(), p.Org, p.Key)
	if err == nil && der != nil {
		view.ServerPublicKeyPEM = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return err
}
