package pki

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Name is the subject of an authority. In a certificate its parts stand in this
// order; those that are "" are left out.
type Name struct {
	Country, State, Locality, Organisation, Unit, CommonName string
}

// DefaultSubject is what the authorities of a first start are called unless
// their owner says otherwise.
var DefaultSubject = Name{Country: "CN", State: "Shanghai", Locality: "Shanghai", Organisation: "Hallmark", Unit: "Device Identity"}

// Types of the attributes that rules speak of.
var (
	oidCountry      = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidState        = asn1.ObjectIdentifier{2, 5, 4, 8}
	oidLocality     = asn1.ObjectIdentifier{2, 5, 4, 7}
	oidOrganisation = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidUnit         = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
)

// attributes are those of a Name, in order, and those that every device's
// subject must have (enos §4.3).
var attributes = []struct {
	label string
	oid   asn1.ObjectIdentifier
	part  func(*Name) *string
}{
	{"C", oidCountry, func(n *Name) *string { return &n.Country }},
	{"ST", oidState, func(n *Name) *string { return &n.State }},
	{"L", oidLocality, func(n *Name) *string { return &n.Locality }},
	{"O", oidOrganisation, func(n *Name) *string { return &n.Organisation }},
	{"OU", oidUnit, func(n *Name) *string { return &n.Unit }},
	{"CN", oidCommonName, func(n *Name) *string { return &n.CommonName }},
}

// ParseName reads a subject such as "C=CN, ST=Shanghai, O=Example". A comma
// inside a value has a backslash before it.
func ParseName(s string) (Name, error) {
	var n Name
	for _, part := range splitName(s) {
		label, value, ok := strings.Cut(part, "=")
		label, value = strings.ToUpper(strings.TrimSpace(label)), strings.TrimSpace(value)
		i := slices.IndexFunc(attributes, func(a struct {
			label string
			oid   asn1.ObjectIdentifier
			part  func(*Name) *string
		}) bool {
			return a.label == label
		})
		switch {
		case !ok || i < 0:
			return n, fmt.Errorf("subject: %q is none of C=, ST=, L=, O=, OU= and CN=: %w", part, ErrBadAuthority)
		case *attributes[i].part(&n) != "":
			return n, fmt.Errorf("subject: %s= stands twice: %w", label, ErrBadAuthority)
		}
		*attributes[i].part(&n) = value
	}
	return n, n.check()
}

// or fills empty parts with those of another name.
func (n Name) or(other Name) Name {
	for _, a := range attributes {
		if part := a.part(&n); *part == "" {
			*part = *a.part(&other)
		}
	}
	return n
}

// splitName cuts at the commas that have no backslash before them.
func splitName(s string) []string {
	var parts []string
	var part strings.Builder
	escaped := false
	for _, r := range s {
		switch {
		case !escaped && r == '\\':
			escaped = true
			continue
		case !escaped && r == ',':
			parts = append(parts, part.String())
			part.Reset()
			continue
		}
		part.WriteRune(r)
		escaped = false
	}
	return append(parts, part.String())
}

// maxAttribute bounds a part of a subject in characters (RFC 5280 appendix A).
const maxAttribute = 64

func (n Name) check() error {
	for _, a := range attributes {
		value := *a.part(&n)
		switch {
		case !isPlainText(value) || utf8.RuneCountInString(value) > maxAttribute:
			return fmt.Errorf("subject: %s is longer than %d characters or not plain text: %w", a.label, maxAttribute, ErrBadAuthority)
		case a.label == "C" && value != "" && !isCountry(value):
			return fmt.Errorf("subject: C must be two letters: %w", ErrBadAuthority)
		}
	}
	return nil
}

func isCountry(s string) bool {
	return len(s) == 2 && strings.Trim(strings.ToUpper(s), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// isPlainText refuses controls, and what nobody sees: two names must not look alike.
func isPlainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) })
}

// der returns the name in DER: C as PrintableString, the rest as UTF8String.
func (n Name) der() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, a := range attributes {
			if value := *a.part(&n); value != "" {
				addAttribute(b, a.oid, value)
			}
		}
	})
	return b.Bytes()
}

func addAttribute(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, value string) {
	kind := cbasn1.UTF8String
	if oid.Equal(oidCountry) {
		kind = cbasn1.PrintableString
	}
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			b.AddASN1(kind, func(b *cryptobyte.Builder) { b.AddBytes([]byte(value)) })
		})
	})
}

// parseDN reads a distinguished name in DER.
func parseDN(der []byte) (pkix.RDNSequence, error) {
	var rdns pkix.RDNSequence
	rest, err := asn1.Unmarshal(der, &rdns)
	if err == nil && len(rest) > 0 {
		err = asn1.SyntaxError{Msg: "trailing data"}
	}
	return rdns, err
}

// DNText is a distinguished name as RFC 4514 writes it, the last part first.
func DNText(der []byte) string {
	rdns, err := parseDN(der)
	if err != nil {
		return fmt.Sprintf("#%x", der)
	}
	return rdns.String()
}

// valuesOf returns the values of one type of attribute.
func valuesOf(rdns pkix.RDNSequence, oid asn1.ObjectIdentifier) []string {
	var values []string
	for _, set := range rdns {
		for _, a := range set {
			if text, ok := a.Value.(string); ok && a.Type.Equal(oid) {
				values = append(values, text)
			}
		}
	}
	return values
}
