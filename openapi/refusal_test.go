package openapi

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// v1Values are the parameters of a good V1 request, without the signature.
func v1Values() url.Values {
	return url.Values{
		"AccessKeyId": {captureID}, "Action": {"GetServerRandom"}, "Format": {"JSON"}, "SignatureMethod": {"HMAC-SHA1"},
		"SignatureNonce": {"0f5d6c3a9e7b4d21"}, "SignatureVersion": {"1.0"}, "Timestamp": {"2026-11-21T16:45:46Z"},
		"Version": {"2017-07-07"}, "Id2": {"00AAABBB1"},
	}
}

// signedV1 is a good V1 request after the given changes, each "Name=value" or,
// to leave a parameter out, "Name".
func signedV1(changes ...string) *http.Request {
	values := v1Values()
	for _, c := range changes {
		name, value, set := strings.Cut(c, "=")
		values.Set(name, value)
		if !set {
			values.Del(name)
		}
	}
	if !slices.Contains(changes, "Signature") && !values.Has("Signature") {
		values.Set("Signature", naiveSignV1("GET", values, captureSecret))
	}
	return get(values.Encode())
}

// with returns the request after a change.
func with(r *http.Request, change func(r *http.Request)) *http.Request {
	change(r)
	return r
}

// v3Algorithm signs every V3 request of the refusal tests.
const v3Algorithm = "ACS3-HMAC-SHA256"

// signedV3 is a good V3 request after the given changes of its headers, made
// before signing: "name=value" or, to leave a header out, "name".
func signedV3(body string, changes ...string) *http.Request {
	r := &http.Request{Method: "POST", URL: &url.URL{Path: "/", RawQuery: "Id2=00AAABBB1"}, Host: "id2.example", Header: http.Header{}}
	for k, v := range map[string]string{
		"x-acs-action": "GetServerRandom", "x-acs-version": "2017-07-07", "x-acs-date": "2026-11-21T16:45:46Z",
		"x-acs-signature-nonce": "0f5d6c3a9e7b4d21", "x-acs-content-sha256": naiveHex(v3Algorithm, body),
		"content-type": "application/json",
	} {
		r.Header.Set(k, v)
	}
	for _, c := range changes {
		name, value, set := strings.Cut(c, "=")
		r.Header.Set(name, value)
		if !set {
			r.Header.Del(name)
		}
	}
	signed := []string{"host"}
	for name := range r.Header {
		signed = append(signed, strings.ToLower(name))
	}
	slices.Sort(signed)
	r.Header.Set("Authorization", v3Algorithm+" Credential="+captureID+",SignedHeaders="+strings.Join(signed, ";")+
		",Signature="+naiveSignV3(r, v3Algorithm, body, captureSecret, signed))
	return r
}

// refusal is a request and how it is refused.
type refusal struct {
	name string
	r    *http.Request
	body string
	want string // code; for a code with several causes, ": " and a part of the message
}

// query is a request with a query that need not be decodable.
func query(raw string) *http.Request { return get(raw) }

// formOf is a V1 POST of a body with a content type.
func formOf(contentType string) *http.Request {
	return with(get("Format=JSON"), func(r *http.Request) {
		r.Method = "POST"
		r.Header.Set("Content-Type", contentType)
	})
}

// manyHeaders adds n x-acs-* headers.
func manyHeaders(n int) func(*http.Request) {
	return func(r *http.Request) {
		for i := range n {
			r.Header["X-Acs-Meta-"+strings.Repeat("a", i)] = []string{"1"}
		}
	}
}

// header is a change of a header after signing.
func header(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[name] = values }
}

// decodeRefusals are refused for their form.
func decodeRefusals() []refusal {
	form := "application/x-www-form-urlencoded"
	return []refusal{
		{"put", with(signedV1(), func(r *http.Request) { r.Method = "PUT" }), "", "UnsupportedHTTPMethod"},
		{"head", with(signedV1(), func(r *http.Request) { r.Method = "HEAD" }), "", "UnsupportedHTTPMethod"},
		{"path", with(signedV1(), func(r *http.Request) { r.URL.Path = "/x" }), "", "InvalidAction.NotFound"},
		{"long query", query("a=" + strings.Repeat("x", MaxQuery)), "", "RequestTooLarge"},
		{"long body", formOf(form), strings.Repeat("x", MaxBody+1), "RequestTooLarge"},
		{"bad escape", query("a=%4"), "", "InvalidParameter.Encoding"},
		{"bad escape in a name", query("%zz=1"), "", "InvalidParameter.Encoding"},
		{"no UTF-8", query("a=%ff"), "", "InvalidParameter.Encoding"},
		{"raw bytes", query("a=\xc3\x28"), "", "InvalidParameter.Encoding"},
		{"UTF-8 across a border", query("a%c3=%a9"), "", "InvalidParameter.Encoding"},
		{"bad escape in the body", formOf(form), "a=%", "InvalidParameter.Encoding"},
		{"no UTF-8 in JSON", signedV3("{\"a\":\"\xff\"}"), "{\"a\":\"\xff\"}", "InvalidParameter.Encoding"},
		{"no name", query("=1"), "", "InvalidParameter.Name"},
		{"long name", query(strings.Repeat("n", MaxName+1)), "", "InvalidParameter.Name"},
		{"many", query(strings.Repeat("a&", MaxParams+1)), "", "InvalidParameter.TooMany"},
		{"twice", query("a=1&a=2"), "", "InvalidParameter.Duplicate"},
		{"twice, escaped", query("a=1&%61=1"), "", "InvalidParameter.Duplicate"},
		{"query and body", formOf(form), "x&Format=JSON", "InvalidParameter.Duplicate"},
		{"twice in JSON", signedV3(""), `{"a":1,"a":2}`, "InvalidParameter.Duplicate"},
		{"header twice", with(signedV3(""), header("X-Acs-Date", "1", "2")), "", "InvalidParameter.Duplicate"},
		{"nested", signedV3(""), `{"a":{}}`, "InvalidParameter.Body"},
		{"list", signedV3(""), `{"a":[1]}`, "InvalidParameter.Body"},
		{"no object", signedV3(""), `"a"`, "InvalidParameter.Body"},
		{"cut short", signedV3(""), `{"a":1`, "InvalidParameter.Body"},
		{"cut in a member", signedV3(""), `{"a":`, "InvalidParameter.Body"},
		{"cut in a name", signedV3(""), `{"a`, "InvalidParameter.Body"},
		{"trailing", signedV3(""), `{}{}`, "InvalidParameter.Body"},
		{"empty name in JSON", signedV3(""), `{"":1}`, "InvalidParameter.Name"},
		{"JSON for V1", formOf("application/json"), `{"a":1}`, "UnsupportedContentType"},
		{"other type", formOf("text/plain"), `a=1`, "UnsupportedContentType"},
		{"no type", formOf(""), `a=1`, "UnsupportedContentType"},
		{"format", signedV1("Format=YAML"), "", "InvalidParameter.Format"},
		{"action differs", with(signedV3(""), func(r *http.Request) { r.URL.RawQuery = "Action=Verify" }), "", "InvalidParameter.Conflict: Action"},
		{"version differs", with(signedV3(""), func(r *http.Request) { r.URL.RawQuery = "Version=1" }), "", "InvalidParameter.Conflict: Version"},
	}
}

// systemRefusals are refused for their system parameters.
func systemRefusals() []refusal {
	list := []refusal{
		{"token", signedV1("SecurityToken=x"), "", "InvalidSecurityToken.Malformed: hallmark client create"},
		{"token in a header", signedV3("", "x-acs-security-token=x"), "", "InvalidSecurityToken.Malformed"},
		{"bearer", signedV1("BearerToken=x", "AccessKeyId="), "", "InvalidBearerToken: hallmark client create"},
		{"bearer type", signedV1("SignatureType=BEARERTOKEN"), "", "InvalidBearerToken"},
		{"bearer method", signedV1("SignatureMethod=BEARERTOKEN"), "", "InvalidBearerToken"},
		{"private key", signedV1("SignatureType=PRIVATEKEY"), "", "InvalidSignatureMethod"},
		{"RSA for V1", signedV1("SignatureMethod=SHA256withRSA"), "", "InvalidSignatureMethod"},
		{"MD5", signedV1("SignatureMethod=HMAC-MD5"), "", "InvalidSignatureMethod"},
		{"V4", with(signedV3(""), header("Authorization", "ACS4-HMAC-SHA256 Credential=x")), "", "InvalidSignatureMethod"},
		{"REST V1", with(signedV3(""), header("Authorization", "acs id:sig")), "", "InvalidSignatureMethod"},
		{"unknown ACS3", with(signedV3(""), func(r *http.Request) {
			r.Header["Authorization"][0] = strings.Replace(r.Header["Authorization"][0], "SHA256", "SHA512", 1)
		}), "", "InvalidSignatureMethod"},
		{"signature version", signedV1("SignatureVersion=2.0"), "", "InvalidSignatureVersion"},
		{"unsigned header", with(signedV3(""), header("X-Acs-Meta", "1")), "", "IncompleteSignature.UnsignedHeader"},
		{"many headers", with(signedV3(""), manyHeaders(1000)), "", "IncompleteSignature.UnsignedHeader"},
		{"empty Authorization fields", with(signedV3(""), header("Authorization", v3Algorithm)), "", "IncompleteSignature"},
	}
	for _, name := range []string{"Version", "Action", "AccessKeyId", "SignatureMethod", "SignatureVersion",
		"SignatureNonce", "Timestamp", "Signature"} {
		list = append(list, refusal{"no " + name, signedV1(name), "", "Missing" + name + ": " + name + " is mandatory"})
	}
	for _, name := range []string{"x-acs-version", "x-acs-action", "x-acs-date", "x-acs-content-sha256"} {
		list = append(list, refusal{"no " + name, signedV3("", name), "", "MissingHeader: " + name + " is mandatory"})
	}
	return list
}

// truthRefusals are well-formed and wrong.
func truthRefusals() []refusal {
	return []refusal{
		{"no time", signedV1("Timestamp=yesterday"), "", "InvalidTimeStamp.Format"},
		{"other zone", signedV1("Timestamp=2026-11-21T16:45:46+08:00"), "", "InvalidTimeStamp.Format"},
		{"long time", signedV1("Timestamp=2026-11-21T16:45:46.0000000000000000Z"), "", "InvalidTimeStamp.Format"},
		{"old", signedV1("Timestamp=2026-11-21T16:30:59Z"), "", "InvalidTimeStamp.Expired"},
		{"early", signedV3("", "x-acs-date=2026-11-21T17:01:01Z"), "", "InvalidTimeStamp.Expired"},
		{"stranger", signedV1("AccessKeyId=other"), "", "InvalidAccessKeyId.NotFound"},
		{"signature", signedV1("Signature=AAAA"), "", "SignatureDoesNotMatch: server string to sign is:GET&%2F&AccessKeyId%3D"},
		{"V3 signature", with(signedV3(""), func(r *http.Request) { r.Host = "other" }), "",
			"SignatureDoesNotMatch: server StringToSign is [ACS3-HMAC-SHA256\n"},
		{"body", signedV3(`{"a":1}`), `{"a":2}`, "InvalidContentHash"},
		{"V1 over a long query", signedV1("Signature=A", "Extra="+strings.Repeat("x", maxEcho)), "",
			"SignatureDoesNotMatch: to sign is:(too long to show)"},
	}
}

func TestRefusals(t *testing.T) {
	c := NewCredential(captureID, captureSecret)
	seen := make(map[string]bool)
	var q Request
	for _, v := range slices.Concat(decodeRefusals(), systemRefusals(), truthRefusals()) {
		err := check(&q, v.r, []byte(v.body), c, captureTime)
		if err == nil {
			t.Errorf("%s: accepted", v.name)
			continue
		}
		code, part, _ := strings.Cut(v.want, ": ")
		if !strings.HasPrefix(err.Code, code) || !strings.Contains(err.Message, part) {
			t.Errorf("%s: got %v, want %s", v.name, err, v.want)
		}
		seen[err.Code] = true
	}
	// What only the server can find out.
	for _, e := range []*Error{ErrVersion, ErrAccessKeyInactive, ErrNonceUsed, ErrNeedTLS, ErrThrottled, ErrForbidden,
		ErrInternal, ErrUnavailable} {
		seen[e.Code] = true
	}
	listed := map[string]bool{}
	for _, e := range Errors() {
		code := e.Code
		if cut, generic := strings.CutSuffix(code, "<Name>"); generic {
			code = map[string]string{"Missing": "MissingAction", "Invalid": "InvalidSignatureVersion"}[cut]
		}
		if !seen[code] {
			t.Errorf("no test produces %s", e.Code)
		}
		listed[code] = true
		if e.Status < 400 || e.Message == "" || !strings.HasPrefix(e.Error(), e.Code) {
			t.Errorf("entry %+v", e)
		}
	}
	for code := range seen {
		if !listed[code] && !strings.HasPrefix(code, "Missing") {
			t.Errorf("%s is not listed", code)
		}
	}
}

func TestAccepted(t *testing.T) {
	c := NewCredential(captureID, captureSecret)
	json := `{"n":1.50,"t":true,"f":false,"z":null,"s":"\u4e2d\n"}`
	var q Request
	for _, v := range []refusal{
		{"as it is", signedV1(), "", ""},
		{"SHA-256", signedV1("SignatureMethod=HMAC-SHA256"), "", ""},
		{"milliseconds", signedV1("Timestamp=2026-11-21T16:45:46.123Z"), "", ""},
		{"empty signature type", signedV1("SignatureType="), "", ""},
		{"empty token", signedV1("SecurityToken="), "", ""},
		{"other Authorization", with(signedV1(), header("Authorization", "Bearer x")), "", ""},
		{"V1 headers of V3", with(signedV1(), header("X-Acs-Action", "Other")), "", ""},
		{"form type without a body", with(signedV1(), header("Content-Type", typeForm)), "", ""},
		{"stray separators", with(signedV1(), func(r *http.Request) { r.URL.RawQuery = "&&" + r.URL.RawQuery + "&" }), "", ""},
		{"V3", signedV3(""), "", ""},
		{"V3 JSON", signedV3(json), json, ""},
		{"oldest", signedV1("Timestamp=2026-11-21T16:31:00Z"), "", ""},
		{"earliest", signedV1("Timestamp=2026-11-21T17:01:00Z"), "", ""},
	} {
		if err := check(&q, v.r, []byte(v.body), c, captureTime); err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
	}
	q.Decode(signedV3(json), []byte(json))
	got := make(map[string]string)
	for _, name := range []string{"n", "t", "f", "z", "s", "Id2"} {
		if v, present := q.Get(name); present {
			got[name] = v
		}
	}
	want := map[string]string{"n": "1.50", "t": "true", "f": "false", "s": "中\n", "Id2": "00AAABBB1"}
	if !maps.Equal(got, want) {
		t.Errorf("JSON parameters: %q", got)
	}
}

// TestNonceOfV3WithoutOne checks that an exact repeat of a V3 request without a
// nonce can still be told.
func TestNonceOfV3WithoutOne(t *testing.T) {
	r := signedV3("", "x-acs-signature-nonce")
	var q Request
	if err := check(&q, r, nil, NewCredential(captureID, captureSecret), captureTime); err != nil {
		t.Fatal(err)
	}
	if len(q.Nonce) != 64 || !strings.HasSuffix(r.Header.Get("Authorization"), q.Nonce) {
		t.Errorf("nonce %q", q.Nonce)
	}
}

func TestFormat(t *testing.T) {
	xml := func(r *http.Request) *http.Request { return with(r, header("Accept", "application/xml")) }
	var q Request
	for _, v := range []struct {
		name string
		r    *http.Request
		body string
		want Format
	}{
		{"V1 default", signedV1("Format"), "", FormatXML},
		{"V1 small letters", signedV1("Format=json"), "", FormatJSON},
		{"V1 ignores Accept", with(signedV1("Format"), header("Accept", "application/json")), "", FormatXML},
		{"V3 default", signedV3(""), "", FormatJSON},
		{"V3 Accept", xml(signedV3("")), "", FormatXML},
		{"V3 Accept of both", with(signedV3(""), header("Accept", "application/json, text/xml")), "", FormatJSON},
		{"V3 Format before Accept", with(signedV3(""), func(r *http.Request) { r.URL.RawQuery = "Format=xml" }), "", FormatXML},
		{"error, V1", query("a=%"), "", FormatXML},
		{"error, V1 with Format", query("a=%&Format=json"), "", FormatJSON},
		{"error, Format in the body", formOf(typeForm), "a=%&Format=XML", FormatJSON},
		{"error, Format only in the body", with(formOf(typeForm), func(r *http.Request) { r.URL.RawQuery = "" }),
			"a=%&Format=JSON", FormatJSON},
		{"error, V3", with(signedV3(""), func(r *http.Request) { r.URL.RawQuery = "%" }), "", FormatJSON},
		{"bad Format", signedV1("Format=YAML"), "", FormatXML},
	} {
		q.Decode(v.r, []byte(v.body))
		if q.Format != v.want {
			t.Errorf("%s: %v", v.name, q.Format)
		}
	}
}

// TestMethodsDoNotMix checks that a credential serves only its own methods.
func TestMethodsDoNotMix(t *testing.T) {
	var q Request
	if err := check(&q, signedV1(), nil, NewRSACredential(captureID, nil), captureTime); err != ErrSignatureMethod {
		t.Error(err)
	}
	r := signedV3("")
	r.Header["Authorization"][0] = strings.Replace(r.Header["Authorization"][0], "HMAC", "RSA", 1)
	if err := check(&q, r, nil, NewCredential(captureID, captureSecret), captureTime); err != ErrSignatureMethod {
		t.Error(err)
	}
	if err := q.Verify(&Credential{accessKeyID: captureID}); err != ErrSignatureMethod {
		t.Error(err)
	}
}

// TestRequestForgets checks that nothing of one request reaches the next, and
// that strings taken from a request survive it.
func TestRequestForgets(t *testing.T) {
	var q Request
	q.Decode(signedV1("Extra="+strings.Repeat("k", 2*maxKept), "BearerToken=x"), nil)
	kept, _ := q.Get("Id2")
	q.Verify(NewCredential(captureID, captureSecret))
	q.Decode(query("Zz=overwritten"), nil)
	if _, present := q.Get("Extra"); present || q.Action != "" || q.bearerToken != "" || q.Nonce != "" {
		t.Errorf("left over: %+v", q)
	}
	if kept != "00AAABBB1" || cap(q.buf) > maxKept || cap(q.canon) > maxKept {
		t.Errorf("kept %q, buffers %d %d", kept, cap(q.buf), cap(q.canon))
	}
	if !q.Time.Equal(time.Time{}) {
		t.Error("time left over")
	}
}
