package ciss

import (
	"errors"
	"net/url"
	"strings"
)

// ErrCode tells that a scanned text holds no authId.
var ErrCode = errors.New("ciss: the code holds no authId")

// ParseCode returns the authId in the text of a scanned QR code (ciss §6): the
// text itself, the parameter authId of a URL, or what stands at the end of the
// text after the last character that no authId has.
func ParseCode(text string) (string, error) {
	text = strings.TrimSpace(text)
	if u, err := url.Parse(text); err == nil && isAuthID(u.Query().Get(nameAuthID)) {
		return u.Query().Get(nameAuthID), nil
	}
	start := len(text)
	for start > 0 && (isAlnum(text[start-1]) || text[start-1] == '-') {
		start--
	}
	if id := text[start:]; isAuthID(id) {
		return id, nil
	}
	return "", ErrCode
}
