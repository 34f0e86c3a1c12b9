package registry_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// tokenOfType2 holds its key in base64 (id2 §4.1).
var tokenOfType2 = "x21abcde" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef"))

// kept is a product with names that are in the field already.
func kept(key, token string) registry.ProductSpec {
	return registry.ProductSpec{Name: "lamp", Algorithm: id2.AES128, Quota: registry.Unlimited, OTP: true, Key: key, Token: token}
}

// A product keeps the key and the token that its owner brings, and is found by
// the hash of the token's key, whichever way the token writes it.
func TestKeptNames(t *testing.T) {
	f := newFixture(t)
	for pk, c := range map[string]struct{ token, key string }{
		"a1BwAGVabcd":           {"i11ABCDEFGHabcdefgh0123456789ABC", "ABCDEFGHabcdefgh"},
		"7":                     {"x11!#$%&()*+,-./:;<0123456789ABC", "!#$%&()*+,-./:;<"},
		strings.Repeat("Z", 63): {tokenOfType2, "0123456789abcdef"},
	} {
		token, key := c.token, c.key
		p, secret, err := f.CreateProduct(t.Context(), f.org, kept(pk, token), by)
		f.must(err)
		hash := sha256.Sum256([]byte(key))
		found, err := f.TokenProduct(t.Context(), f.org, hash[:])
		f.must(err)
		if p.Key != pk || secret != token || found.Product != p || found.Token.KeyHash() != hash {
			t.Errorf("%s: product %s, secret %s, found %+v", token, p.Key, secret, found)
		}
	}
}

func TestKeptNamesRules(t *testing.T) {
	f := newFixture(t)
	const good = "i11ABCDEFGHabcdefgh0123456789ABC"
	for name, c := range map[string]struct {
		spec registry.ProductSpec
		says string
	}{
		"key too long":        {kept(strings.Repeat("a", 64), ""), "1 to 63 letters and digits"},
		"key with a hyphen":   {kept("a1-b", ""), "1 to 63 letters and digits"},
		"key with a slash":    {kept("a1/b", ""), "1 to 63 letters and digits"},
		"key not of ASCII":    {kept("a1ä", ""), "1 to 63 letters and digits"},
		"31 characters":       {kept("", good[:31]), "32 characters; this one has 31"},
		"33 characters":       {kept("", good+"0"), "32 characters; this one has 33"},
		"a control character": {kept("", good[:31]+"\x00"), "ASCII only"},
		"a space":             {kept("", good[:31]+" "), "ASCII only"},
		"not of ASCII":        {kept("", good[:30]+"ä"), "ASCII only"},
		"another letter":      {kept("", "j"+good[1:]), "begin with i or x"},
		"use type 0":          {kept("", "i0"+good[2:]), "begin with i or x"},
		"use type 3":          {kept("", "i3"+good[2:]), "begin with i or x"},
		"key type 0":          {kept("", "i10"+good[3:]), "begin with i or x"},
		"key type a":          {kept("", "i1a"+good[3:]), "begin with i or x"},
		"another key type":    {kept("", "i19"+good[3:]), "third character, 9, is not the key type of aes128, which is 1"},
		"a chip's cipher":     {kept("", "i17"+good[3:]), "third character, 7"},
		"type 2, no base64":   {kept("", tokenOfType2[:30]+"!="), "begin with i or x"},
		"type 2, 17 bytes":    {kept("", "i21abcde"+base64.StdEncoding.EncodeToString([]byte("0123456789abcdefg"))), "begin with i or x"},
		"without OTP": {registry.ProductSpec{Name: "x", Algorithm: id2.AES128, Quota: registry.Unlimited, Token: good},
			"make the product with --otp"},
	} {
		var invalid *registry.InvalidError
		_, _, err := f.CreateProduct(t.Context(), f.org, c.spec, by)
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if token := c.spec.Token; err != nil && len(token) > 8 && strings.Contains(err.Error(), token[3:8]) {
			t.Errorf("%s: the error shows the token: %v", name, err)
		}
	}
	if products, err := f.Products(t.Context(), f.org); err != nil || len(products) != 0 {
		t.Errorf("refused, and yet there: %v, %v", products, err)
	}
}

// What is taken is said, and by which product, unless that is another
// organisation's.
func TestKeptNamesTaken(t *testing.T) {
	f := newFixture(t)
	const token, other = "i11ABCDEFGHabcdefgh0123456789ABC", "i11ABCDEFGHabcdefgh9999999999999"
	_, _, err := f.CreateProduct(t.Context(), f.org, kept("a1lamp", token), by)
	f.must(err)
	stranger, err := f.CreateOrg(t.Context(), "stranger", by)
	f.must(err)
	for name, c := range map[string]struct {
		org        registry.ID
		spec       registry.ProductSpec
		says, hide string
	}{
		"the key":                        {f.org, kept("a1lamp", ""), "ProductKey a1lamp already exists", "token"},
		"the key, by a stranger":         {stranger.ID, kept("a1lamp", ""), "ProductKey a1lamp already exists", "factory"},
		"the token":                      {f.org, kept("", token), "this token's key, a1lamp, already exists", "ABCDEFGH"},
		"the same key in another token":  {f.org, kept("", other), "this token's key, a1lamp, already exists", "ABCDEFGH"},
		"the token, by a stranger":       {stranger.ID, kept("", token), "this token's key already exists", "a1lamp"},
		"in base64, what another spells": {f.org, kept("", "i21zzzzz"+base64.StdEncoding.EncodeToString([]byte("ABCDEFGHabcdefgh"))), "a1lamp", "ABCDEFGH"},
	} {
		_, _, err := f.CreateProduct(t.Context(), c.org, c.spec, by)
		if !errors.Is(err, registry.ErrExists) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), c.hide) {
			t.Errorf("%s: %v, want %q and not %q", name, err, c.says, c.hide)
		}
	}
}
