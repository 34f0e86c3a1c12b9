package openapi

import "strings"

// authorization is a parsed Authorization header of V3.
type authorization struct {
	algorithm, credential, signedHeaders, signature string
}

// parseAuthorization parses
//
//	ALG SP field *( "," field )    with fields Credential, SignedHeaders, Signature
//
// whose fields come in any order, for SDKs differ (openapi-rpc §2.2). Signed
// header names must be lower case, the signature lower-case hexadecimal: a
// second spelling of one signature would look like a second request.
func parseAuthorization(s string) (a authorization, err *Error) {
	if len(s) > maxAuthorization {
		return a, ErrIncompleteSignature
	}
	var fields string
	a.algorithm, fields, _ = strings.Cut(s, " ")
	for fields != "" {
		var field string
		field, fields, _ = strings.Cut(fields, ",")
		name, value, found := strings.Cut(strings.TrimSpace(field), "=")
		if !found || !a.set(name, value) {
			return a, ErrIncompleteSignature
		}
	}
	if a.credential == "" || !isHex(a.signature) || !isHeaderList(a.signedHeaders) {
		return a, ErrIncompleteSignature
	}
	return a, nil
}

// set stores a field; it reports false for one that is unknown or repeated.
func (a *authorization) set(name, value string) bool {
	var field *string
	switch name {
	case "Credential":
		field = &a.credential
	case "SignedHeaders":
		field = &a.signedHeaders
	case "Signature":
		field = &a.signature
	default:
		return false
	}
	if *field != "" {
		return false
	}
	*field = value
	return true
}

// isHex reports whether s is lower-case hexadecimal and not empty.
func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; unhex[c] < 0 || (c >= 'A' && c <= 'F') {
			return false
		}
	}
	return s != ""
}

// isHeaderList reports whether s is a list of lower-case header names joined by
// ";", neither empty nor too long.
func isHeaderList(s string) bool {
	n := 0
	for name := range strings.SplitSeq(s, ";") {
		if n++; n > maxSignedHeaders || name == "" || len(name) > MaxName {
			return false
		}
		for i := range len(name) {
			c := name[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// readAuthorization parses the Authorization header of the request and keeps
// what is wrong with it for CheckSystem.
func (q *Request) readAuthorization() {
	s := headerValue(q.header, "Authorization")
	if s == "" {
		q.authError = MissingHeader("Authorization")
		return
	}
	if !strings.HasPrefix(s, "ACS3-") {
		q.authError = ErrSignatureMethod // V1 for REST and V4 (openapi-rpc §2.2)
		return
	}
	var a authorization
	a, q.authError = parseAuthorization(s)
	q.AccessKeyID, q.algorithm = a.credential, a.algorithm
	q.signedHeaders, q.signature = a.signedHeaders, a.signature
	if q.Nonce == "" {
		q.Nonce = a.signature
	}
}
