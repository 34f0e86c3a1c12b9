package openapi

import (
	"strings"
	"time"
)

// CheckSystem checks what can be told without looking anything up: that every
// mandatory system parameter is there (openapi-rpc §1.1, §2.1), that the
// signature method is known, that the request uses an access key and no
// temporary token, and for V3 that every x-acs-* header is signed (§2.3).
func (q *Request) CheckSystem() *Error {
	switch {
	case q.bearerToken != "" || strings.EqualFold(q.signatureType, "BEARERTOKEN"):
		return ErrBearerToken
	case q.securityToken != "":
		return ErrSecurityToken
	case q.signatureType != "":
		return ErrSignatureMethod
	}
	if q.Style == StyleV3 {
		return q.checkV3()
	}
	return q.checkV1()
}

// checkV1 checks the system parameters of V1.
func (q *Request) checkV1() *Error {
	mandatory := [...]Param{
		{"Version", q.Version}, {"Action", q.Action}, {"AccessKeyId", q.AccessKeyID},
		{"SignatureMethod", q.signatureMethod}, {"SignatureVersion", q.signatureVersion},
		{"SignatureNonce", q.Nonce}, {"Timestamp", q.timestamp}, {"Signature", q.signature},
	}
	for _, p := range mandatory {
		if p.Value == "" {
			return MissingParameter(p.Name)
		}
	}
	if q.signatureVersion != "1.0" {
		return InvalidParameter("SignatureVersion")
	}
	switch q.signatureMethod {
	case "HMAC-SHA1":
		q.SignatureMethod = HMACSHA1
	case "HMAC-SHA256":
		q.SignatureMethod = HMACSHA256
	case "BEARERTOKEN":
		return ErrBearerToken
	default:
		return ErrSignatureMethod
	}
	return nil
}

// checkV3 checks the headers of V3.
func (q *Request) checkV3() *Error {
	hash := headerValue(q.header, "X-Acs-Content-Sha256")
	if hash == "" {
		hash = headerValue(q.header, "X-Acs-Content-Sm3")
	}
	mandatory := [...]Param{
		{"x-acs-version", q.Version}, {"x-acs-action", q.Action},
		{"x-acs-date", q.timestamp}, {"x-acs-content-sha256", hash},
	}
	for _, p := range mandatory {
		if p.Value == "" {
			return MissingHeader(p.Name)
		}
	}
	if q.authError != nil {
		return q.authError
	}
	switch q.algorithm {
	case "ACS3-HMAC-SHA256":
		q.SignatureMethod = ACS3HMACSHA256
	case "ACS3-HMAC-SM3":
		q.SignatureMethod = ACS3HMACSM3
	case "ACS3-RSA-SHA256":
		q.SignatureMethod = ACS3RSASHA256
	default:
		return ErrSignatureMethod
	}
	return q.checkSigned()
}

// checkSigned refuses an x-acs-* header outside the signature: whoever carries
// the request could have added it.
func (q *Request) checkSigned() *Error {
	for name := range q.header {
		if strings.HasPrefix(name, "X-Acs-") && !isSigned(q.signedHeaders, name) {
			return ErrUnsignedHeader
		}
	}
	return nil
}

// isSigned reports whether a list of lower-case names joined by ";" holds name.
func isSigned(signedHeaders, name string) bool {
	for signed := range strings.SplitSeq(signedHeaders, ";") {
		if strings.EqualFold(signed, name) {
			return true
		}
	}
	return false
}

// CheckTime parses the time of signing, which must be UTC in the form
// YYYY-MM-DDThh:mm:ssZ, with or without a fraction, and refuses one further
// than skew from now in either direction (openapi-rpc §1.4). It sets q.Time.
func (q *Request) CheckTime(now time.Time, skew time.Duration) *Error {
	if len(q.timestamp) > maxTimestamp || !strings.HasSuffix(q.timestamp, "Z") {
		return ErrTimestampFormat
	}
	t, err := time.Parse(time.RFC3339, q.timestamp)
	if err != nil {
		return ErrTimestampFormat
	}
	q.Time = t
	if t.Before(now.Add(-skew)) || t.After(now.Add(skew)) {
		return ErrTimestampExpired
	}
	return nil
}
