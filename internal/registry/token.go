package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/hallmark-id/hallmark/id2"
)

// maxProductKey is the length of the longest ProductKey that an operator may
// name: provisioning over iTLS makes it a label of a host name (id2 §4.6).
const maxProductKey = 63

// Where the text of a token that this package makes holds its key.
const tokenKeyStart, tokenKeyEnd = 3, 19

// checkKept judges a ProductKey and a token that an owner brings along. It never
// quotes the token.
func (s *ProductSpec) checkKept() error {
	if s.Key != "" && (len(s.Key) > maxProductKey || strings.Trim(s.Key, alphanumeric) != "") {
		return invalid("a ProductKey has 1 to %d letters and digits", maxProductKey)
	}
	if s.Token == "" {
		return nil
	}
	if !s.OTP {
		return invalid("a token serves one-time provisioning only: make the product with --otp")
	}
	token, err := id2.ParseToken(s.Token)
	switch {
	case len(s.Token) != id2.TokenLength:
		return invalid("the token (ProductSecret) has %d characters; this one has %d", id2.TokenLength, len(s.Token))
	case strings.ContainsFunc(s.Token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return invalid("the token (ProductSecret) has letters, digits and signs of ASCII only")
	case err != nil:
		return invalid("the token (ProductSecret) must begin with i or x, the digit 1 (key as text) or 2 (key in base64), and the digit of a key type, 1 to 9")
	case token.KeyType.Algorithm() != s.Algorithm:
		return invalid("the token's third character, %c, is not the key type of %s, which is %c", s.Token[2], s.Algorithm, otpKeyType(s.Algorithm))
	}
	return nil
}

// productKey is the spec's, or a new one.
func (r *Registry) productKey(s *ProductSpec) (string, error) {
	if s.Key != "" {
		return s.Key, nil
	}
	suffix, err := randomText(r.random, alphanumeric, 9)
	return "a1" + suffix, err
}

// productSecret is the spec's token or a new one in the form of id2 §4.1: letter,
// use type, OTP key type, 16 characters of key, 13 that no client reads.
func (r *Registry) productSecret(s *ProductSpec) (string, error) {
	if s.Token != "" {
		return s.Token, nil
	}
	body, err := randomText(r.random, alphanumeric, tokenKeyEnd-tokenKeyStart)
	if err != nil {
		return "", err
	}
	tail, err := randomText(r.random, "0123456789ABCDEF", id2.TokenLength-tokenKeyEnd)
	if err != nil {
		return "", err
	}
	return "i1" + string(otpKeyType(s.Algorithm)) + body + tail, nil
}

// otpKeyType is the key type digit of id2 §4.4, '0' for types without one-time
// provisioning.
func otpKeyType(a id2.Algorithm) byte {
	if kind := id2.OTPKeyTypeOf(a); kind.Provisionable() {
		return '0' + byte(kind)
	}
	return '0'
}

// tokenKeyHash is the SHA-256 of a secret's key, by which requests name it. The
// secret of a product that no device can be provisioned by is no token, but has
// the same form.
func tokenKeyHash(secret string) []byte {
	hash := sha256.Sum256([]byte(secret[tokenKeyStart:tokenKeyEnd]))
	if token, err := id2.ParseToken(secret); err == nil {
		hash = token.KeyHash()
	}
	return hash[:]
}

// explainTaken says which of a new product's names is taken already. A product of
// another organisation is not named.
func (r *Registry) explainTaken(ctx context.Context, row *ProductRow, err error) error {
	if !errors.Is(err, ErrExists) {
		return err
	}
	if _, lookup := r.store.Product(ctx, row.Key); lookup == nil {
		return fmt.Errorf("a product with the ProductKey %s %w", row.Key, err)
	}
	if other, lookup := r.store.ProductByToken(ctx, row.Org, row.SecretHash); lookup == nil {
		return fmt.Errorf("a product with this token's key, %s, %w", other.Key, err)
	}
	return fmt.Errorf("a product with this token's key %w", err)
}
