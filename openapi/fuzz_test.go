package openapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzAuthorization(f *testing.F) {
	f.Add("ACS3-HMAC-SHA256 Credential=a=b, Signature=0af, SignedHeaders=host;x-acs-date")
	f.Add("ACS3-HMAC-SM3 Credential=,SignedHeaders=;;,Signature=,")
	f.Add("ACS4-HMAC-SHA256 Credential=a/20260101/r/p/aliyun_v4_request,SignedHeaders=host,Signature=00")
	f.Add("acs id:c2ln")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAuthorization(s)
		if err != nil {
			return
		}
		if a.credential == "" || a.signedHeaders == "" || strings.ToLower(a.signature) != a.signature {
			t.Errorf("%q accepted as %+v", s, a)
		}
		again, err := parseAuthorization(a.algorithm + " Signature=" + a.signature + ",Credential=" + a.credential +
			",SignedHeaders=" + a.signedHeaders)
		if err != nil || again != a {
			t.Errorf("%q: %+v, then %+v %v", s, a, again, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, raw := range captures(f) {
		r, body := mustReadRaw(f, raw)
		f.Add(r.Method, r.URL.RawQuery, body, r.Header.Get("Content-Type"), r.Header.Get("Authorization"))
	}
	f.Add("POST", "Action=a&Format=xml", []byte(`{"a":1.5,"b":null,"c":true}`), "application/json", "ACS3-HMAC-SHA256 ")
	c := NewCredential(captureID, captureSecret)
	var q Request
	f.Fuzz(func(t *testing.T, method, query string, body []byte, contentType, auth string) {
		r := &http.Request{Method: method, URL: &url.URL{Path: "/", RawQuery: query}, Header: http.Header{
			"Content-Type": {contentType}, "Authorization": {auth}, "X-Acs-Action": {"Verify"}, "X-Acs-Version": {"2017-07-07"},
			"X-Acs-Date": {"2026-11-21T16:45:46Z"}, "X-Acs-Content-Sha256": {"00"}}}
		if check(&q, r, body, c, captureTime) == nil {
			t.Log("a capture's own signature")
		}
		if len(q.params) > MaxParams || len(q.buf) > len(query)+len(body) {
			t.Errorf("%d parameters, %d bytes", len(q.params), len(q.buf))
		}
		for i, p := range q.params {
			if !utf8.ValidString(p.Name) || !utf8.ValidString(p.Value) || p.Name == "" || len(p.Name) > MaxName {
				t.Errorf("parameter %q = %q", p.Name, p.Value)
			}
			if i > 0 && p.Name < q.params[i-1].Name {
				t.Errorf("%q after %q", p.Name, q.params[i-1].Name)
			}
		}
	})
}

// FuzzCanonical holds decoding and both canonical forms against the naive ones.
func FuzzCanonical(f *testing.F) {
	f.Add("GET", "Id2=00AA&AuthCode=3~0%7e%2B+/&Empty=&Extra=%E4%B8%AD*()'!&Signature=x")
	f.Add("POST", "b=1&a=2&&=&%=")
	f.Add("POST", "a;b=1&a%00=\x7f")
	var q Request
	f.Fuzz(func(t *testing.T, method, raw string) {
		q.Reset()
		err := q.decodePairs(raw, false)
		if err == nil {
			err = q.sort()
		}
		// The standard library refuses ";", which RFC 3986 allows.
		values, bad := url.ParseQuery(strings.ReplaceAll(raw, ";", "%3B"))
		if err != nil {
			if bad == nil && acceptable(values) {
				t.Fatalf("%q refused: %v", raw, err)
			}
			return
		}
		if bad != nil || !acceptable(values) || len(values) != len(q.params) {
			t.Fatalf("%q accepted: %v, %d parameters", raw, bad, len(q.params))
		}
		if got, want := string(appendStringToSign(nil, method, q.params)), naiveStringToSign(method, values); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got, want := string(appendQuery(nil, q.params)), naiveQuery(values); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// acceptable reports whether parameters keep to the limits of a request.
func acceptable(values url.Values) bool {
	for k, v := range values {
		if k == "" || len(k) > MaxName || len(v) > 1 || !utf8.ValidString(k) || !utf8.ValidString(v[0]) {
			return false
		}
	}
	return len(values) <= MaxParams
}

func TestCanonicalKey(t *testing.T) {
	for _, name := range []string{"host", "x-acs-content-sha256", "a--b", "-a", "1-a_b", ""} {
		var key [MaxName]byte
		n := canonicalKey(&key, name)
		if got, want := string(key[:n]), http.CanonicalHeaderKey(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestSortParams(t *testing.T) {
	names := []string{"b", "a", "Z", "aa", "~", "", "中", "b2"}
	var params []param
	for _, n := range names {
		params = append(params, param{Param: Param{Name: n}})
	}
	sortParams(params)
	slices.Sort(names)
	for i, n := range names {
		if params[i].Name != n {
			t.Errorf("%d: %q, want %q", i, params[i].Name, n)
		}
	}
}
