package openapi

import (
	"strings"
	"testing"
)

func TestParseAuthorization(t *testing.T) {
	good := authorization{"ACS3-HMAC-SHA256", "a=b", "host;x-acs-date", "0af"}
	for _, s := range []string{
		"ACS3-HMAC-SHA256 Credential=a=b,SignedHeaders=host;x-acs-date,Signature=0af",
		"ACS3-HMAC-SHA256 Credential=a=b, Signature=0af, SignedHeaders=host;x-acs-date",
		"ACS3-HMAC-SHA256   Signature=0af,SignedHeaders=host;x-acs-date  ,Credential=a=b",
		"ACS3-HMAC-SHA256 Signature=0af,SignedHeaders=host;x-acs-date,Credential=a=b,",
	} {
		if a, err := parseAuthorization(s); err != nil || a != good {
			t.Errorf("%s: %+v %v", s, a, err)
		}
	}
	for name, s := range map[string]string{
		"nothing":            "",
		"no fields":          "ACS3-HMAC-SHA256",
		"no credential":      "ACS3-HMAC-SHA256 SignedHeaders=host,Signature=0af",
		"empty credential":   "ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=0af",
		"no headers":         "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=,Signature=0af",
		"empty header":       "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host;;date,Signature=0af",
		"upper-case header":  "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=Host,Signature=0af",
		"strange header":     "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=ho st,Signature=0af",
		"long header":        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=" + strings.Repeat("h", MaxName+1) + ",Signature=0af",
		"many headers":       "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=" + strings.Repeat("h;", maxSignedHeaders) + "h,Signature=0af",
		"no signature":       "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host",
		"upper-case hex":     "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=0AF",
		"no hex":             "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=xyz",
		"field twice":        "ACS3-HMAC-SHA256 Credential=a,Credential=b,SignedHeaders=host,Signature=0af",
		"unknown field":      "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=0af,More=1",
		"field without sign": "ACS3-HMAC-SHA256 Credential",
		"too long":           "ACS3-HMAC-SHA256 Credential=" + strings.Repeat("a", maxAuthorization) + ",SignedHeaders=host,Signature=0af",
	} {
		if a, err := parseAuthorization(s); err != ErrIncompleteSignature {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
}

// TestHeaderIsMandatoryDespiteQuery checks that a V3 value that only the query holds
// does not stand in for the header.
func TestHeaderIsMandatoryDespiteQuery(t *testing.T) {
	r := signedV3("", "x-acs-action")
	r.URL.RawQuery = "Action=GetServerRandom"
	var q Request
	if err := firstError(q.Decode(r, nil), q.CheckSystem()); err == nil || err.Code != "MissingHeader" {
		t.Errorf("%v", err)
	}
}
