package ciss

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of fields, in bytes.
const (
	minAuthID  = 16
	maxAuthID  = 64
	maxAppID   = 64
	phoneSize  = 11
	maxLine    = 512
	maxEncoded = MaxBody // a hex or Base64 field; the body's limit is tighter
)

// timeLayout is yyyyMMddHHmmss.
const timeLayout = "20060102150405"

// isAuthID reports whether a text may be an authId: [A-Za-z0-9-]{16,64}.
func isAuthID(text string) bool {
	return len(text) >= minAuthID && len(text) <= maxAuthID && consists(text, func(b byte) bool { return isAlnum(b) || b == '-' })
}

// isAppID reports whether a text may be an appId.
func isAppID(text string) bool {
	return text != "" && len(text) <= maxAppID && consists(text, func(b byte) bool { return isAlnum(b) || b == '-' || b == '_' })
}

func isStatus(text string) bool {
	return text == string(StatusScanned) || text == string(StatusCancelled)
}

// isTimestamp leaves it to the reader of the time whether there is such a day.
func isTimestamp(text string) bool {
	return len(text) == len(timeLayout) && consists(text, isDigit)
}

func isPhone(text string) bool { return len(text) == phoneSize && consists(text, isDigit) }

// isLine reports whether a text is one line of readable text.
func isLine(text string) bool {
	return len(text) <= maxLine && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func isHex(text string) bool {
	if text == "" || len(text)%2 != 0 || len(text) > maxEncoded {
		return false
	}
	var seen byte
	for i := range len(text) { // thousands of them in a loginVerify: no branch for each
		seen |= notHex[text[i]]
	}
	return seen == 0
}

// notHex is zero for hexadecimal digits.
var notHex = func() (table [256]byte) {
	for b := range table {
		table[b] = 1
	}
	for _, b := range "0123456789abcdefABCDEF" {
		table[b] = 0
	}
	return table
}()

// unhexDigit returns the value of a hexadecimal digit.
func unhexDigit(b byte) byte {
	if isDigit(b) {
		return b - '0'
	}
	return b&^0x20 - 'A' + 10
}

// isBase64 checks the alphabet and the length; what is decoded later must be
// Base64 to the last bit.
func isBase64(text string) bool {
	body := strings.TrimRight(text, "=")
	return body != "" && len(text)%4 == 0 && len(text)-len(body) <= 2 && len(text) <= maxEncoded &&
		consists(body, func(b byte) bool { return isAlnum(b) || b == '+' || b == '/' })
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isAlnum(b byte) bool {
	return isDigit(b) || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

func consists(text string, of func(byte) bool) bool {
	for i := range len(text) {
		if !of(text[i]) {
			return false
		}
	}
	return true
}
