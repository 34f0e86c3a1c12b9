package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/operator"
)

// ProductCmd groups the commands for products.
type ProductCmd struct {
	Create    ProductCreateCmd    `cmd:"" help:"Make a product; its secret is shown once."`
	List      ProductListCmd      `cmd:"" help:"List products."`
	Get       ProductGetCmd       `cmd:"" help:"Show a product."`
	Update    ProductUpdateCmd    `cmd:"" help:"Change a product's settings."`
	ServerKey ProductServerKeyCmd `cmd:"" help:"Print the public key that devices check the server with, PEM."`
}

// limit is a number of at least 0, or "unlimited", which reads as -1.
type limit int64

const unlimited limit = -1

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *limit) UnmarshalText(text []byte) error {
	if string(text) == "unlimited" {
		*l = unlimited
		return nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is neither a number of at least 0 nor unlimited", text)
	}
	*l = limit(n)
	return nil
}

// days reads unlimited as the 0 that the API means by it.
func (l limit) days() int { return int(max(l, 0)) }

// ProductCreateCmd makes a product.
type ProductCreateCmd struct {
	Name             string   `required:"" help:"Its name."`
	Algorithm        string   `required:"" enum:"${algorithms}" placeholder:"A" help:"Kind of key its devices hold: ${enum}."`
	Quota            limit    `default:"unlimited" placeholder:"N" help:"Licences (授权数) it may use in all, or unlimited."`
	Term             limit    `default:"unlimited" placeholder:"DAYS" help:"How long a licence lasts, or unlimited."`
	OTP              bool     `name:"otp" help:"Let devices be provisioned by one-time token; symmetric algorithms only."`
	AllowReprovision bool     `help:"Let a device have a new key by one-time token even after it has authenticated; with --otp."`
	Hash             []string `enum:"${hashes}" placeholder:"H,…" help:"Digests its devices use besides the algorithm's own: md5, sha1 (both weak), sha256, sm3."`
	TwoWayAuth       bool     `help:"Let the server prove itself to devices; an asymmetric product gets a server key."`
	AutoRenew        bool     `help:"Let an expired device take a new licence by itself."`
	DailyLimit       limit    `default:"unlimited" placeholder:"N" help:"Successful authentications per device and UTC day."`
	DataEncoding     string   `enum:"text,hex" default:"text" placeholder:"text|hex" help:"How Data parameters are read."`
	DefaultValidDays int      `placeholder:"DAYS" help:"How long its devices' certificates last that ask for nothing else; 730 if not given."`
	MaxValidDays     int      `placeholder:"DAYS" help:"How long they may ask for; 1095 if not given, 3650 at most."`
	ProductKey       string   `placeholder:"PK" help:"Keep the ProductKey (产品标识) that back ends send already; a new one if not given."`
	SecretFile       string   `placeholder:"FILE|-" help:"Keep the ProductSecret (产品密钥) that is in firmware already; with --otp. - for standard input."`
}

// Help implements kong.HelpProvider.
func (ProductCreateCmd) Help() string {
	return "Prints the ProductKey (产品标识) and ProductSecret (产品密钥). The secret is not shown again.\n\nExamples:\n\n" +
		"    hallmark --data ./data product create --name lamp --algorithm aes128 --quota 10000 --term 365\n" +
		"    hallmark --data ./data product create --name lamp --algorithm aes128 --otp --product-key a1Xy3ZpQ9rS --secret-file lamp.secret"
}

// Validate refuses what no server would take, as wrong use.
func (cmd *ProductCreateCmd) Validate() error {
	a, err := id2.ParseAlgorithm(cmd.Algorithm)
	if err != nil {
		return nil // kong names the algorithms
	}
	if cmd.OTP && !a.Symmetric() {
		return fmt.Errorf("--otp hands out symmetric keys: it does not go with --algorithm %s", a)
	}
	if cmd.AllowReprovision && !cmd.OTP {
		return fmt.Errorf("--allow-reprovision needs --otp")
	}
	if cmd.SecretFile != "" && !cmd.OTP {
		return fmt.Errorf("--secret-file needs --otp: the secret is the token of one-time provisioning")
	}
	return checkHashes(a, cmd.Hash)
}

func checkHashes(a id2.Algorithm, names []string) error {
	for _, name := range names {
		if h, err := id2.ParseHash(name); err == nil && !a.AllowedHash(h) {
			return fmt.Errorf("--hash: %s devices never use %s", a, h)
		}
	}
	return nil
}

// Run makes a product.
func (cmd *ProductCreateCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	spec := operator.ProductSpec{Name: cmd.Name, Algorithm: cmd.Algorithm, TermDays: cmd.Term.days(), AutoRenew: cmd.AutoRenew, OTP: cmd.OTP,
		Hashes: cmd.Hash, DailyLimit: cmd.DailyLimit.days(), DataEncoding: cmd.DataEncoding, TwoWayAuth: cmd.TwoWayAuth,
		AllowReprovision: cmd.AllowReprovision, DefaultValidDays: cmd.DefaultValidDays, MaxValidDays: cmd.MaxValidDays, ProductKey: cmd.ProductKey}
	if cmd.Quota != unlimited {
		quota := int64(cmd.Quota)
		spec.Quota = &quota
	}
	if cmd.SecretFile != "" {
		text, err := e.readKey(cmd.SecretFile)
		if err != nil {
			return err
		}
		spec.ProductSecret = strings.TrimSpace(text)
	}
	p, err := c.CreateProduct(ctx, spec)
	if err != nil {
		return err
	}
	e.note("keep product_secret now: it is not shown again")
	if e.Output == "json" {
		return e.printJSON(p)
	}
	p.ServerPublicKeyPEM = "" // product server-key prints it
	return e.printFields(p)
}

// ProductListCmd lists products.
type ProductListCmd struct{}

// Help implements kong.HelpProvider.
func (ProductListCmd) Help() string { return "Example:\n\n    hallmark --data ./data product list" }

// Run lists products.
func (ProductListCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := c.Products(ctx)
	if err != nil {
		return err
	}
	t := table{header: []string{"PRODUCT KEY", "NAME", "ALGORITHM", "USED", "QUOTA", "TERM DAYS", "RENEWS", "OTP", "WEAK HASHES"}}
	for _, p := range list.Products {
		t.add(p.ProductKey, p.Name, p.Algorithm, fmt.Sprint(p.Used), orUnlimited(p.Quota, -1), orUnlimited(int64(p.TermDays), 0),
			yes(p.AutoRenew), yes(p.OTP), strings.Join(p.WeakHashes, ","))
	}
	return e.print(list, t)
}

// ProductGetCmd shows a product.
type ProductGetCmd struct {
	ProductKey string `arg:"" help:"Its ProductKey (产品标识)."`
}

// Help implements kong.HelpProvider.
func (ProductGetCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data product get a1Xy3ZpQ9rS -o json"
}

// Run shows a product.
func (cmd *ProductGetCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	p, err := c.Product(ctx, cmd.ProductKey)
	if err != nil {
		return err
	}
	return e.printProduct(p)
}

func (e *Env) printProduct(p operator.Product) error {
	if e.Output == "json" {
		return e.printJSON(p)
	}
	p.ServerPublicKeyPEM = "" // product server-key prints it
	return e.printFields(p)
}

// ProductUpdateCmd changes a product's settings.
type ProductUpdateCmd struct {
	ProductKey       string    `arg:"" help:"Its ProductKey (产品标识)."`
	Name             *string   `help:"Another name."`
	Quota            *limit    `placeholder:"N" help:"Licences it may use in all, or unlimited."`
	Term             *limit    `placeholder:"DAYS" help:"How long licences taken from now on last, or unlimited."`
	AutoRenew        *bool     `negatable:"" help:"Whether an expired device takes a new licence by itself."`
	DailyLimit       *limit    `placeholder:"N" help:"Successful authentications per device and UTC day, or unlimited."`
	DataEncoding     *string   `enum:"text,hex" placeholder:"text|hex" help:"How Data parameters are read."`
	AllowReprovision *bool     `negatable:"" help:"Whether a device may have a new key by one-time token after it has authenticated."`
	DefaultValidDays *int      `placeholder:"DAYS" help:"How long certificates last that ask for nothing else."`
	MaxValidDays     *int      `placeholder:"DAYS" help:"How long certificates may ask for, 3650 at most."`
	Relay            *bool     `negatable:"" help:"Whether ids of this product that are not known here are asked of the upstream: see relay set."`
	Hash             *[]string `placeholder:"H,…" help:"Digests besides the algorithm's own: ${hashes}, or none. Replaces the list."`
}

// Help implements kong.HelpProvider.
func (ProductUpdateCmd) Help() string {
	return "Devices see the change at once. What is not named stays.\n\nExample:\n\n" +
		"    hallmark --data ./data product update a1Xy3ZpQ9rS --quota 20000 --auto-renew"
}

// Validate refuses unknown digests, and a change of nothing, as wrong use.
func (cmd *ProductUpdateCmd) Validate() error {
	if cmd.Hash != nil {
		if slices.Equal(*cmd.Hash, []string{"none"}) {
			*cmd.Hash = []string{}
		}
		for _, name := range *cmd.Hash {
			if _, err := id2.ParseHash(name); err != nil {
				return fmt.Errorf("--hash must be one or more of md5,sha1,sha256,sm3, or none, but got %q", name)
			}
		}
	}
	if cmd.change() == (operator.ProductChange{}) {
		return fmt.Errorf("name at least one setting to change")
	}
	return nil
}

func (cmd *ProductUpdateCmd) change() operator.ProductChange {
	change := operator.ProductChange{Name: cmd.Name, AutoRenew: cmd.AutoRenew, DataEncoding: cmd.DataEncoding, Hashes: cmd.Hash,
		AllowReprovision: cmd.AllowReprovision, DefaultValidDays: cmd.DefaultValidDays, MaxValidDays: cmd.MaxValidDays, Relay: cmd.Relay}
	if cmd.Quota != nil {
		quota := int64(*cmd.Quota)
		change.Quota = &quota
	}
	if cmd.Term != nil {
		term := cmd.Term.days()
		change.TermDays = &term
	}
	if cmd.DailyLimit != nil {
		daily := cmd.DailyLimit.days()
		change.DailyLimit = &daily
	}
	return change
}

// Run changes a product's settings.
func (cmd *ProductUpdateCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	p, err := c.UpdateProduct(ctx, cmd.ProductKey, cmd.change())
	if err != nil {
		return err
	}
	return e.printProduct(p)
}

// ProductServerKeyCmd prints a product's server public key.
type ProductServerKeyCmd struct {
	ProductKey string `arg:"" help:"Its ProductKey (产品标识)."`
}

// Help implements kong.HelpProvider.
func (ProductServerKeyCmd) Help() string {
	return "Devices with asymmetric keys check server codes with it; it goes into their firmware.\n\nExample:\n\n" +
		"    hallmark --data ./data product server-key a1Xy3ZpQ9rS > server.pem"
}

// Run prints a product's server public key.
func (cmd *ProductServerKeyCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	p, err := c.Product(ctx, cmd.ProductKey)
	if err != nil {
		return err
	}
	if p.ServerPublicKeyPEM == "" {
		return withHint(fmt.Errorf("product %s has no server key", p.ProductKey),
			"asymmetric products made with --two-way-auth have one; symmetric devices check the server with their own key")
	}
	key := serverKey{p.ProductKey, p.ServerPublicKeyPEM}
	return e.show(key, func(w io.Writer) { fmt.Fprint(w, key.PEM) })
}

// serverKey is the part of a product that server-key prints.
type serverKey struct {
	ProductKey string `json:"product_key"`
	PEM        string `json:"server_public_key_pem"`
}
