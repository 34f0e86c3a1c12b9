package enos

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Reply is the envelope of an answer (enos §5).
type Reply struct {
	Code      int    `json:"code"`
	Msg       string `json:"msg"`
	RequestID string `json:"requestId"` // a UUID
	Data      any    `json:"data"`
	// Pagination goes with the answer of a search.
	Pagination *Pagination `json:"pagination,omitempty"`
}

// TokenReply is the envelope of the token service (enos §3.1).
type TokenReply struct {
	Status   int    `json:"status"`
	Msg      string `json:"msg"`
	Business string `json:"business"`
	Data     *Token `json:"data"`
}

// Token is an access token; Expire counts seconds from now.
type Token struct {
	AccessToken string `json:"accessToken"`
	Expire      int64  `json:"expire"`
}

// TokenBusiness is what the token service calls itself.
const TokenBusiness = "apim-token-service"

// The states of the token service (enos §3.1).
const (
	TokenOK            = 0
	TokenRepeated      = 1001
	TokenUnknownAppKey = 1002
	TokenEncryption    = 1003
	TokenParameter     = 1004
	TokenInternal      = 1005
	TokenEmpty         = 1202
	TokenExpired       = 1203
	TokenRefresh       = 1204
)

// TokenMessage says what a state of the token service means.
func TokenMessage(status int) string {
	switch status {
	case TokenOK:
		return "SUCCESS"
	case TokenRepeated:
		return "the encryption was used before"
	case TokenUnknownAppKey:
		return "the appKey is not known"
	case TokenEncryption:
		return "the encryption is wrong"
	case TokenParameter:
		return "a parameter is not valid"
	case TokenInternal:
		return "internal error"
	case TokenEmpty:
		return "a parameter is empty"
	case TokenExpired:
		return "the access token has expired"
	case TokenRefresh:
		return "the access token cannot be refreshed"
	}
	return fmt.Sprintf("status %d", status)
}

// LegacyReply is the envelope of the older calls. Clients fail on any member
// more and on any of these absent (enos §0.7).
type LegacyReply struct {
	Status    int    `json:"status"`
	RequestID string `json:"requestId"` // 32 hexadecimal digits
	Msg       string `json:"msg"`
	SubMsg    string `json:"submsg"`
	Data      any    `json:"data"`
}

// The states of the older calls that this package uses (enos §3.3).
const (
	LegacyOK              = 0
	LegacyInvalid         = 400
	LegacyUnauthenticated = 401
	LegacyDenied          = 403
	LegacyNotFound        = 404
	LegacyExists          = 409
	LegacyThrottled       = 429
	LegacySignature       = 497
	LegacyPermission      = 498
	LegacyInternal        = 500
)

// AppendJSON appends a reply as JSON: members in their documented order, without
// the escapes that HTML needs.
func AppendJSON(dst []byte, reply any) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(reply); err != nil {
		return dst, fmt.Errorf("enos: %w", err)
	}
	return b.Bytes(), nil
}
