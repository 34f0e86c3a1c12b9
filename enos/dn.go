package enos

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cryptoasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrName says that bytes are not the DER of an X.509 name.
var ErrName = errors.New("enos: not the DER encoding of a name")

// keywords are the attribute types that have a name of their own in DN text;
// others print as OID.n.n.
var keywords = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SURNAME", "2.5.4.5": "SERIALNUMBER", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
	"2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "T", "2.5.4.42": "GIVENNAME", "2.5.4.43": "INITIALS",
	"2.5.4.44": "GENERATION", "2.5.4.46": "DNQ", "1.2.840.113549.1.9.1": "EMAILADDRESS",
	"0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC", "1.3.6.1.4.1.42.2.11.2.1": "IP",
}

// NameText returns the text form of a DER name as Java's X500Principal.toString
// prints it, which is what the service answers (enos §4.2): the last of the DER
// first, quoted where a character needs it.
func NameText(der []byte) (string, error) {
	input, rdns := cryptobyte.String(der), cryptobyte.String(nil)
	if !input.ReadASN1(&rdns, cryptoasn1.SEQUENCE) || !input.Empty() {
		return "", ErrName
	}
	var texts []string
	for !rdns.Empty() {
		var set cryptobyte.String
		if !rdns.ReadASN1(&set, cryptoasn1.SET) {
			return "", ErrName
		}
		text, ok := rdnText(set)
		if !ok {
			return "", ErrName
		}
		texts = append(texts, text)
	}
	slices.Reverse(texts)
	return strings.Join(texts, ", "), nil
}

// rdnText prints the attributes of one set, in their own order.
func rdnText(set cryptobyte.String) (string, bool) {
	var texts []string
	for !set.Empty() {
		var pair, value cryptobyte.String
		var kind asn1.ObjectIdentifier
		var tag cryptoasn1.Tag
		if !set.ReadASN1(&pair, cryptoasn1.SEQUENCE) || !pair.ReadASN1ObjectIdentifier(&kind) ||
			!pair.ReadAnyASN1Element(&value, &tag) || !pair.Empty() {
			return "", false
		}
		texts = append(texts, keyword(kind.String())+"="+valueText(value, tag))
	}
	return strings.Join(texts, " + "), true
}

func keyword(oid string) string {
	if k, ok := keywords[oid]; ok {
		return k
	}
	return "OID." + oid
}

// The string types that X.509 uses and cryptobyte has no name for.
const (
	tagBMPString       = cryptoasn1.Tag(30)
	tagUniversalString = cryptoasn1.Tag(28)
)

// valueText prints a value; one that is no string is # and its DER in hexadecimal.
func valueText(element cryptobyte.String, tag cryptoasn1.Tag) string {
	whole := element
	var value cryptobyte.String
	if !element.ReadASN1(&value, tag) {
		return "" // cannot be: the element was read with this tag
	}
	switch tag {
	case cryptoasn1.UTF8String:
		return quoted(strings.ToValidUTF8(string(value), "\ufffd"))
	case cryptoasn1.PrintableString, cryptoasn1.IA5String, cryptoasn1.GeneralString:
		return quoted(fromASCII(value))
	case cryptoasn1.T61String:
		return quoted(fromLatin1(value))
	case tagBMPString:
		return quoted(fromUTF16(value))
	case tagUniversalString:
		return quoted(fromUTF32(value))
	}
	return "#" + hex.EncodeToString(whole)
}

func fromASCII(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		if runes[i] = rune(c); c > 0x7f {
			runes[i] = '\ufffd'
		}
	}
	return string(runes)
}

func fromLatin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

func fromUTF16(b []byte) string {
	units := make([]uint16, 0, len(b)/2+1)
	for ; len(b) > 1; b = b[2:] {
		units = append(units, uint16(b[0])<<8|uint16(b[1]))
	}
	if len(b) > 0 {
		units = append(units, '\ufffd')
	}
	return string(utf16.Decode(units))
}

func fromUTF32(b []byte) string {
	runes := make([]rune, 0, len(b)/4+1)
	for ; len(b) > 3; b = b[4:] {
		runes = append(runes, rune(b[0])<<24|rune(b[1])<<16|rune(b[2])<<8|rune(b[3]))
	}
	if len(b) > 0 {
		runes = append(runes, '\ufffd')
	}
	return string(runes) // what is no character becomes U+FFFD
}

// quoted wraps a value in quotes where the text form needs them, unless it is
// wrapped already.
func quoted(s string) string {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		return `"` + escaped(s[1:len(s)-1]) + `"`
	}
	need := strings.ContainsAny(s, ",+=\n<>#;\\\"") || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") || strings.Contains(s, "  ")
	if !need {
		return s
	}
	return `"` + escaped(s) + `"`
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func escaped(s string) string { return escaper.Replace(s) }
