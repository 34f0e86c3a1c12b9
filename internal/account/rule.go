package account

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
	"unicode/utf8"
)

// Rule is what a certificate's subject must hold: every attribute named, once,
// with exactly this value. Other attributes may be there too.
type Rule []Attribute

// Attribute is one attribute of a distinguished name.
type Attribute struct{ Type, Value string }

// attributeTypes are the attributes that a rule may name.
var attributeTypes = map[string]asn1.ObjectIdentifier{
	"CN": {2, 5, 4, 3}, "serialNumber": {2, 5, 4, 5}, "C": {2, 5, 4, 6}, "L": {2, 5, 4, 7}, "ST": {2, 5, 4, 8},
	"O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "UID": {0, 9, 2342, 19200300, 100, 1, 1},
}

// personal are the attributes that name one person; a rule has one of them.
var personal = []string{"CN", "serialNumber", "UID"}

const maxRule = 500

// ParseRule reads a rule such as "CN=Wang Li,O=Example"; a comma or backslash
// in a value stands after a backslash.
func ParseRule(text string) (Rule, error) {
	if len(text) > maxRule || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, invalid("a subject rule has at most %d bytes of text", maxRule)
	}
	var rule Rule
	for _, part := range splitRule(text) {
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		if !ok || value == "" || attributeTypes[name] == nil {
			return nil, invalid("a subject rule looks like CN=Wang Li,O=Example; its attributes are CN, serialNumber, UID, O, OU, L, ST and C")
		}
		if slices.ContainsFunc(rule, func(a Attribute) bool { return a.Type == name }) {
			return nil, invalid("a subject rule names %s twice", name)
		}
		rule = append(rule, Attribute{name, value})
	}
	if !slices.ContainsFunc(rule, func(a Attribute) bool { return slices.Contains(personal, a.Type) }) {
		return nil, invalid("a subject rule names a person: by CN, serialNumber or UID")
	}
	return rule, nil
}

// splitRule cuts at commas and takes backslashes away.
func splitRule(text string) []string {
	var parts []string
	var b strings.Builder
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == ',':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteRune(r)
		}
	}
	return append(parts, b.String())
}

// String is the rule in the form that ParseRule reads.
func (r Rule) String() string {
	parts := make([]string, len(r))
	for i, a := range r {
		parts[i] = a.Type + "=" + strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(a.Value)
	}
	return strings.Join(parts, ",")
}

// Fits reports whether a subject keeps the rule. An attribute that stands in
// the subject more than once fits no rule: programs do not agree on which counts.
func (r Rule) Fits(subject pkix.Name) bool {
	for _, a := range r {
		found := 0
		for _, n := range subject.Names {
			if !n.Type.Equal(attributeTypes[a.Type]) {
				continue
			}
			found++
			if value, ok := n.Value.(string); !ok || value != a.Value {
				return false
			}
		}
		if found != 1 {
			return false
		}
	}
	return len(r) > 0
}
